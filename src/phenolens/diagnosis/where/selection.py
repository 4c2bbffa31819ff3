"""Which layer is best? A choice made on some units, and scored on others."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from phenolens.core.random import spawn
from phenolens.diagnosis.claims import supports_gains
from phenolens.diagnosis.comparison import by_question, family_values, joint_draws
from phenolens.encoders import EncoderName
from phenolens.metrics import percentile_interval, stratified_mean
from phenolens.tasks import Evaluation, Score

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
    rows: list[tuple[object, ...]] = []
    for question, answers in by_question(evaluation.answers).items():
        if not supports_gains(answers):
            continue
        values = family_values(answers)
        for network, names in variants.items():
            families = dict.fromkeys(EncoderName.parse(name).family for name in (network, *names))
            own = {family: values[family] for family in families if family in values}
            rng = spawn(seed, "selection", *question)
            rows.append((network, *question, *_choose(own, next(iter(families)), answers[0].score, rng)))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _choose(
    values: Mapping[str, pd.DataFrame], default: str, score: Score, rng: np.random.Generator
) -> tuple[object, ...]:
    """Return what a row says of one network, from ``chosen`` on."""
    nothing = ("", *[float("nan")] * 9)
    if default not in values or len(values) < 2:
        return (*nothing, 0, f"{len(values)} of its variants could be asked; its own vectors and one other are needed")
    table = pd.concat({name: own["value"] for name, own in values.items()}, axis=1, join="inner")
    x, weights = table.to_numpy(), values[default]["weight"].reindex(table.index).to_numpy()
    codes, units = pd.factorize(table.index.get_level_values("unit"))
    strata = table.index.get_level_values("stratum").to_numpy()
    if len(units) < _FEWEST_UNITS:
        return (*nothing, len(units), f"{len(units)} units are too few to be halved; {_FEWEST_UNITS} are not")
    held_out, times = np.zeros(len(x)), np.zeros(len(values))
    for _ in range(_SPLITS):
        half = (rng.permutation(len(units)) < len(units) // 2)[codes]
        for seen in (half, ~half):
            best = stratified_mean(x[seen], weights[seen], strata[seen]).argmax()
            times[best] += 1
            held_out[~seen] += x[~seen, best] / _SPLITS
    chosen = pd.DataFrame({"value": held_out, "weight": weights}, index=table.index)
    mean, draws, _ = joint_draws({"chosen": chosen, "last": values[default]}, rng, spread=score.spread)
    return (
        *(table.columns[times.argmax()], times.max() / (2 * _SPLITS)),
        *(mean[0], *percentile_interval(draws[:, 0]), mean[1]),
        *(mean[0] - mean[1], *percentile_interval(draws[:, 0] - draws[:, 1])),
        stratified_mean(x, weights, strata).max() - mean[0],
        len(units),
        "a value involves two units, which may lie in different halves" if score.order > 1 else "",
    )
