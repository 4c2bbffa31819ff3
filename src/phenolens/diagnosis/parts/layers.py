"""The best layer of each network, chosen on some units and scored on others."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from phenolens.core.errors import TaskNotApplicable
from phenolens.core.random import spawn
from phenolens.diagnosis.evidence import Found
from phenolens.diagnosis.records import LayerChoice
from phenolens.encoders import EncoderName
from phenolens.evaluation import Estimate, Evaluation, Question, Skipped, UnitValues, joint_draws
from phenolens.metrics import percentile_interval, stratified_mean
from phenolens.tasks import clusters_of

_SPLITS = 50
_FEWEST_UNITS = 8


def layer_variants(name: str, layers: Sequence[int], pools: Sequence[str]) -> list[str]:
    """Return the names of a network's layers, each with every pooling.

    Parameters
    ----------
    name
        The network, which names no layer itself.
    layers
        Counted from 1.
    pools
        As `NetworkEncoder` takes them: ``mean``, ``class``, ``channels``.

    Examples
    --------
    >>> layer_variants("timm/test_vit@mixing=joint", [3, 6], ["class"])
    ['timm/test_vit@mixing=joint,layer=3,pool=class', 'timm/test_vit@mixing=joint,layer=6,pool=class']
    """
    network = EncoderName.parse(name)
    names = []
    for layer in layers:
        for pool in pools:
            options = (*network.options, ("layer", str(layer)), ("pool", pool))
            names.append(str(EncoderName(network.base, options)))
    return names


def choose_on_held_out(evaluation: Evaluation, variants: Mapping[str, Sequence[str]]) -> Found:
    """Choose the best variant of each network on one half of the units, and score it on the other.

    The best of many variants, scored on the units that it was chosen on, looks better than it is. So clusters of units
    (perturbations with all their doses, groups) are dealt into halves at random, 50 times; on each half the variant
    with the highest score is chosen, and its values on the units of the other half are kept. A unit's value is the mean
    of those, all of choices in which it had no part. The interval resamples clusters and keeps the choices: repeated
    splits of the same units are not independent, and how values vary over them would be no interval.

    A choice on half of the units is somewhat worse than one on all of them, so that the value errs downwards.

    Parameters
    ----------
    evaluation
        The scores of the networks as they come, and of their variants.
    variants
        Network -> its variants. The network as it comes, under its name, is one of the choices, and what the chosen
        one is compared with.

    Returns
    -------
    One record per question that supports claims and network.
    """
    records: list[LayerChoice] = []
    skipped: list[Skipped] = []
    for question in evaluation.claiming:
        for network, names in variants.items():
            choices = {name: question.values[name] for name in (network, *names) if name in question.values}
            rng = spawn(evaluation.settings.seed, "selection", *question.key)
            try:
                records.append(_choose(choices, network, question, rng))
            except TaskNotApplicable as error:
                task, profiling = question.key
                skipped.append(Skipped("layers", str(error), task=task, profiling=profiling, encoder=network))
    return Found(tuple(records), tuple(skipped))


def _choose(
    choices: Mapping[str, UnitValues], network: str, question: Question, rng: np.random.Generator
) -> LayerChoice:
    if network not in choices:
        raise TaskNotApplicable("the network as it comes was not scored")
    if len(choices) < 2:
        raise TaskNotApplicable("no other layer or pooling of the network was scored")
    table = pd.concat({name: values["value"] for name, values in choices.items()}, axis=1, join="inner")
    x, weights = table.to_numpy(), choices[network]["weight"].reindex(table.index).to_numpy()
    codes, clusters = pd.factorize(clusters_of(choices[network].loc[table.index]))
    strata = table.index.get_level_values("stratum").to_numpy()
    if len(clusters) < _FEWEST_UNITS:
        raise TaskNotApplicable(
            f"needs at least {_FEWEST_UNITS} independent units to halve them, found {len(clusters)}"
        )
    held_out, times = np.zeros(len(x)), np.zeros(len(choices))
    for _ in range(_SPLITS):
        half = (rng.permutation(len(clusters)) < len(clusters) // 2)[codes]
        for seen in (half, ~half):
            best = stratified_mean(x[seen], weights[seen], strata[seen]).argmax()
            times[best] += 1
            held_out[~seen] += x[~seen, best] / _SPLITS
    chosen = choices[network].loc[table.index].assign(value=held_out)
    joint = joint_draws({"chosen": chosen, "last": choices[network]}, rng, se_inflation=question.first.se_inflation)
    value, as_it_comes = map(float, joint.mean)
    on_all = stratified_mean(x, weights, strata)
    gain_limits = percentile_interval(joint.draws[:, 0] - joint.draws[:, 1])
    return LayerChoice(
        encoder=network,
        task=question.task.id,
        profiling=question.profiling,
        chosen=str(table.columns[times.argmax()]),
        share=float(times.max() / (2 * _SPLITS)),
        estimate=Estimate(value, *question.first.limits(joint.draws[:, 0]), joint.n_units),
        as_it_comes=as_it_comes,
        gain=Estimate(value - as_it_comes, *gain_limits, joint.n_units),
        optimism=float(on_all.max() - value),
        caveat="a value involves two units, which may lie in different halves" if question.first.order > 1 else "",
        variants=tuple(map(str, table.columns)),
        scores=tuple(map(float, on_all)),
    )
