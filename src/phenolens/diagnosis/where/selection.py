"""Which layer is best? A choice made on some units, and scored on others."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from phenolens.core.random import spawn
from phenolens.encoders import EncoderName
from phenolens.evaluation import Evaluation, joint_draws
from phenolens.metrics import percentile_interval, stratified_mean
from phenolens.tasks import Score

COLUMNS = (
    "network",
    "task",
    "profiling",
    "chosen",
    "share",
    "value",
    "low",
    "high",
    "last",
    "difference",
    "difference_low",
    "difference_high",
    "optimism",
    "n_units",
    "caveat",
)
_SPLITS = 50
_FEWEST_UNITS = 8


def layer_variants(name: str, layers: Sequence[int], pools: Sequence[str]) -> list[str]:
    """Return the names of a network's layers, pooled in several ways.

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
    own = EncoderName.parse(name)
    return [
        str(EncoderName(own.base, (*own.options, ("layer", str(layer)), ("pool", pool))))
        for layer in layers
        for pool in pools
    ]


def choose_on_held_out(evaluation: Evaluation, variants: Mapping[str, Sequence[str]], *, seed: int = 0) -> pd.DataFrame:
    """Choose the best variant of each network on one half of the units, and score it on the other.

    The best of many variants, told by the units that it was chosen on, looks better than it is. So units (whole
    perturbations, groups) are dealt into halves, at random and 50 times; on each half the variant with the highest
    score is chosen, and its values are taken of the units of the other. A unit's value is the mean of those that it
    got, all of choices in which it had no part. The interval resamples units, with the choices as they fell: repeated
    splits of the same units are not independent, and the spread over them would be no interval.

    A choice on half of the units is somewhat worse than one on all of them, so that the value errs downwards.

    Parameters
    ----------
    evaluation
        The answers, of the networks themselves and of their variants.
    variants
        Network -> its variants. The network's own vectors, under its own name, are one of the choices and what the
        others are held against.
    seed
        Of splits and bootstrap.

    Returns
    -------
    One row per question that supports claims and network: the variant ``chosen`` most often and in what ``share`` of
    the choices; the ``value`` of what was chosen, on held-out units, with its 95 % interval; the ``last``: what the
    network's own vectors score on the same units; the paired difference of the two, with its interval; the
    ``optimism``, by how much the best score of any variant on all units exceeds the value; and the number of units. A
    network of which nothing can be chosen has no numbers, and the reason in ``caveat``.
    """
    rows = []
    for question in evaluation.claiming:
        for network, names in variants.items():
            choices = {name: question.values[name] for name in (network, *names) if name in question.values}
            rng = spawn(seed, "selection", *question.key)
            asked = {"network": network, "task": question.task.id, "profiling": question.profiling}
            rows.append(asked | _choose(choices, network, question.first, rng))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _choose(
    values: Mapping[str, pd.DataFrame], default: str, score: Score, rng: np.random.Generator
) -> dict[str, object]:
    """Return what a row says of one network, from ``chosen`` on."""
    row: dict[str, object] = {"chosen": "", "n_units": 0}
    if default not in values or len(values) < 2:
        why = f"{len(values)} of its variants could be asked; its own vectors and one other are needed"
        return row | {"caveat": why}
    table = pd.concat({name: each["value"] for name, each in values.items()}, axis=1, join="inner")
    x, weights = table.to_numpy(), values[default]["weight"].reindex(table.index).to_numpy()
    codes, units = pd.factorize(table.index.get_level_values("unit"))
    strata = table.index.get_level_values("stratum").to_numpy()
    if len(units) < _FEWEST_UNITS:
        why = f"{len(units)} units are too few to be halved; {_FEWEST_UNITS} are not"
        return row | {"n_units": len(units), "caveat": why}
    held_out, times = np.zeros(len(x)), np.zeros(len(values))
    for _ in range(_SPLITS):
        half = (rng.permutation(len(units)) < len(units) // 2)[codes]
        for seen in (half, ~half):
            best = stratified_mean(x[seen], weights[seen], strata[seen]).argmax()
            times[best] += 1
            held_out[~seen] += x[~seen, best] / _SPLITS
    chosen = pd.DataFrame({"value": held_out, "weight": weights}, index=table.index)
    joint = joint_draws({"chosen": chosen, "last": values[default]}, rng, se_inflation=score.se_inflation)
    (value, last), drawn = joint.mean, joint.draws
    row |= {"chosen": table.columns[times.argmax()], "share": times.max() / (2 * _SPLITS), "value": value}
    row["low"], row["high"] = percentile_interval(drawn[:, 0])
    row |= {"last": last, "difference": value - last}
    row["difference_low"], row["difference_high"] = percentile_interval(drawn[:, 0] - drawn[:, 1])
    row |= {"optimism": stratified_mean(x, weights, strata).max() - value, "n_units": len(units)}
    return row | {"caveat": "a value involves two units, which may lie in different halves" if score.order > 1 else ""}
