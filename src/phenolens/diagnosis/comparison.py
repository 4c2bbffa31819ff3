"""Paired comparisons: the same units scored by two encoder families, resampled together."""

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from phenolens.core.random import spawn
from phenolens.encoders import is_baseline
from phenolens.metrics import (
    cluster_bootstrap,
    minimum_detectable_effect,
    percentile_interval,
    sign_flip_p,
    stratified_mean,
    tie_groups,
)
from phenolens.tasks import Answer, Evaluation

_DIFFERENCE = ("difference", "low", "high", "n_units", "detectable")
COLUMNS = ("task", "profiling", "encoder", "baseline", *_DIFFERENCE, "p", "seeds_low", "seeds_high")
PAIR_COLUMNS = ("task", "profiling", "encoder", "other", *_DIFFERENCE, "p")
_KEY = ["unit", "stratum"]
_N_DRAWS = 2000


OtherControls = dict[tuple[str, str], dict[str, NDArray[np.float64]]]
"""Question -> family -> scores without each part of the controls, as `ask_without_controls` gives them."""


def compare_families(
    evaluation: Evaluation, other_controls: OtherControls | None = None, *, seed: int = 0
) -> pd.DataFrame:
    """Compare every encoder family with every other family that is a baseline.

    A family's value for a unit is the mean over its seeds, so that no single draw of an untrained network
    stands for all of them.

    Parameters
    ----------
    evaluation
        The answers.
    other_controls
        What other controls would change of them; nothing if None.
    seed
        The seed of the bootstrap.

    Returns
    -------
    One row per task, profiling, encoder family and baseline family: the paired difference (encoder minus
    baseline), its 95 % cluster-bootstrap interval over the units that both have, their number, the smallest
    difference that so many units find four times in five, and, for an encoder that is no baseline, the p value that
    the two are alike (`sign_flip_p`); and the least and the largest difference to one of the baseline's seeds.
    """
    rows: list[tuple[object, ...]] = []
    for (task, how), answers in by_question(evaluation.answers).items():
        values = family_values(answers)
        families = list(dict.fromkeys(answer.family for answer in answers))
        means = {family: np.mean([a.score.value for a in answers if a.family == family]) for family in families}
        for baseline in (family for family in families if is_baseline(family)):
            seeds = [answer.score.value for answer in answers if answer.family == baseline]
            for family in families:
                if family != baseline:
                    rng = spawn(seed, "comparison", task, how)
                    spread, shared = answers[0].score.spread, _shared(other_controls, (task, how), family, baseline)
                    difference = paired_difference(values[family], values[baseline], rng, spread=spread, shared=shared)
                    p = float("nan")
                    if not is_baseline(family):
                        rng = spawn(seed, "exchange", task, how)
                        p = paired_p(values[family], values[baseline], rng, spread=spread, shared=shared)
                    to_seeds = (means[family] - max(seeds), means[family] - min(seeds))
                    rows.append((task, how, family, baseline, *difference, p, *to_seeds))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def compare_tested(
    evaluation: Evaluation, other_controls: OtherControls | None = None, *, seed: int = 0
) -> pd.DataFrame:
    """Compare the encoder families under test with each other, each pair once; parameters as of `compare_families`.

    Returns
    -------
    One row per task, profiling and pair: encoder minus ``other``, as in `compare_families`.
    """
    rows: list[tuple[object, ...]] = []
    for (task, how), answers in by_question(evaluation.answers).items():
        values = {name: own for name, own in family_values(answers).items() if not is_baseline(name)}
        for one, other in combinations(values, 2):
            spread = answers[0].score.spread
            rng = spawn(seed, "comparison", task, how)
            shared = _shared(other_controls, (task, how), one, other)
            difference = paired_difference(values[one], values[other], rng, spread=spread, shared=shared)
            rng = spawn(seed, "exchange", task, how)
            p = paired_p(values[one], values[other], rng, spread=spread, shared=shared)
            rows.append((task, how, one, other, *difference, p))
    return pd.DataFrame(rows, columns=list(PAIR_COLUMNS))


def family_values(answers: Sequence[Answer]) -> dict[str, pd.DataFrame]:
    """Return, for each family, its mean value over seeds by unit and stratum, and the weight."""
    frames: dict[str, list[pd.DataFrame]] = {}
    for answer in answers:
        frames.setdefault(answer.family, []).append(answer.score.units)
    return {
        family: pd.concat(units).groupby(_KEY, sort=True)[["value", "weight"]].mean()
        for family, units in frames.items()
    }


def _shared(other_controls: OtherControls | None, question: tuple[str, str], one: str, other: str) -> float:
    """Return the variance of a difference by what all units share: that of a jackknife over controls."""
    found = (other_controls or {}).get(question, {})
    if one not in found or other not in found:
        return 0.0
    gaps = found[one] - found[other]
    return float((len(gaps) - 1) / len(gaps) * ((gaps - gaps.mean()) ** 2).sum())


def paired_difference(
    one: pd.DataFrame, other: pd.DataFrame, rng: np.random.Generator, *, spread: float = 1.0, shared: float = 0.0
) -> tuple[float, float, float, int, float]:
    """Return the difference one - other over the units that both have, its 95 % interval, their number, and power.

    Parameters
    ----------
    one, other
        Values and weights by (unit, stratum), as `family_values` gives them.
    rng
        The source of randomness.
    spread
        By how much a difference varies more than its mean over drawn units; see `Score.spread`.
    shared
        The variance of the difference by what all units share, such as controls.

    Returns
    -------
    Difference, limits, number of units, and the smallest difference that they find four times in five.
    """
    mean, draws, n_units = joint_draws({"one": one, "other": other}, rng, spread=spread)
    if n_units < 2:
        return float("nan"), float("nan"), float("nan"), n_units, float("nan")
    difference = float(mean[0] - mean[1])
    drawn = draws[:, 0] - draws[:, 1]
    drawn = difference + _widening(drawn, shared) * (drawn - difference)
    return difference, *percentile_interval(drawn), n_units, minimum_detectable_effect(float(drawn.std()))


def _widening(draws: NDArray[np.float64], shared: float) -> float:
    """Return by how much a difference varies more than these draws of units do."""
    own = float(draws.var())
    return float(np.sqrt(1 + shared / own)) if own > 0 else 1.0


def paired_p(
    one: pd.DataFrame, other: pd.DataFrame, rng: np.random.Generator, *, spread: float = 1.0, shared: float = 0.0
) -> float:
    """Return the p value that two are alike, over the units that both have; arguments as for `paired_difference`."""
    table = one.join(other, how="inner", rsuffix="_other")
    units, strata = (table.index.get_level_values(level).to_numpy() for level in _KEY)
    if len(np.unique(units)) < 2:
        return float("nan")
    difference, weights = (table["value"] - table["value_other"]).to_numpy(), table["weight"].to_numpy()
    if shared > 0:
        drawn = cluster_bootstrap(difference[:, None], units, weights=weights, strata=strata, n_draws=_N_DRAWS, rng=rng)
        spread *= _widening(spread * drawn[:, 0], shared)
    return sign_flip_p(difference, units, weights=weights, strata=strata, spread=spread, rng=rng)


def joint_draws(
    values: Mapping[str, pd.DataFrame], rng: np.random.Generator, *, spread: float = 1.0
) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
    """Return the scores (m,) of m encoders or families over the units that all have, and draws (b, m) of them together.

    Parameters
    ----------
    values
        Name -> values and weights by (unit, stratum), as `family_values` gives them.
    rng
        The source of randomness.
    spread
        By how much a difference varies more than its mean over drawn units; see `Score.spread`.

    Returns
    -------
    The scores; cluster-bootstrap draws of them, none with fewer than two units; the number of units.
    """
    table = pd.concat({name: own["value"] for name, own in values.items()}, axis=1, join="inner")
    units, strata = (table.index.get_level_values(level).to_numpy() for level in _KEY)
    n_units = len(np.unique(units))
    if n_units < 2:
        return np.full(len(values), np.nan), np.empty((0, len(values))), n_units
    weights = next(iter(values.values()))["weight"].reindex(table.index).to_numpy()
    mean = stratified_mean(table.to_numpy(), weights, strata)
    drawn = cluster_bootstrap(table.to_numpy(), units, weights=weights, strata=strata, n_draws=_N_DRAWS, rng=rng)
    # Around their own mean: means over few unequal units are drawn off their value, and spread would multiply that.
    return mean, mean + spread * (drawn - drawn.mean(axis=0)), n_units


def rank_families(evaluation: Evaluation, *, seed: int = 0) -> pd.DataFrame:
    """Rank the encoder families on every question, with ties: those that cannot be told from a group's best share it.

    Returns
    -------
    One row per task, profiling and family: its value over the units that all families have, and its rank group.
    """
    rows: list[tuple[object, ...]] = []
    for (task, how), answers in by_question(evaluation.answers).items():
        families = family_values(answers)
        score = answers[0].score
        mean, draws, n_units = joint_draws(families, spawn(seed, "ranks", task, how), spread=score.spread)
        if n_units < 2:
            continue
        sign = 1 if score.higher_is_better else -1
        rows += [
            (task, how, *ranked) for ranked in zip(families, mean, tie_groups(sign * draws, sign * mean), strict=True)
        ]
    ranked = pd.DataFrame(rows, columns=["task", "profiling", "family", "value", "rank_group"])
    return ranked.sort_values(["task", "profiling", "rank_group"], kind="stable", ignore_index=True)


def by_question(answers: Sequence[Answer]) -> dict[tuple[str, str], list[Answer]]:
    """Return the answers to each question: task and profiling."""
    questions: dict[tuple[str, str], list[Answer]] = {}
    for answer in answers:
        questions.setdefault((answer.task.id, answer.profiling), []).append(answer)
    return questions
