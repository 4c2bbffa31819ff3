"""Paired comparisons: the same units scored by two encoder families, resampled together."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from phenolens.encoders import is_baseline
from phenolens.metrics import (
    cluster_bootstrap,
    minimum_detectable_effect,
    percentile_interval,
    stratified_mean,
    tie_groups,
)
from phenolens.randomness import spawn
from phenolens.tasks import Answer, Evaluation

COLUMNS = ("task", "profiling", "encoder", "baseline", "difference", "low", "high", "n_units", "detectable")
_KEY = ["unit", "stratum"]
_N_DRAWS = 2000


def compare_families(evaluation: Evaluation, *, seed: int = 0) -> pd.DataFrame:
    """Compare every encoder family with every other family that is a baseline.

    A family's value for a unit is the mean over its seeds, so that no single draw of an untrained network
    stands for all of them.

    Parameters
    ----------
    evaluation
        The answers.
    seed
        The seed of the bootstrap.

    Returns
    -------
    One row per task, profiling, encoder family and baseline family: the paired difference (encoder minus
    baseline), its 95 % cluster-bootstrap interval over the units that both have, their number, and the smallest
    difference that so many units find four times in five.
    """
    rows: list[tuple[object, ...]] = []
    for (task, how), answers in _by_question(evaluation.answers).items():
        values = family_values(answers)
        families = list(dict.fromkeys(answer.family for answer in answers))
        for baseline in (family for family in families if is_baseline(family)):
            for family in families:
                if family != baseline:
                    rng = spawn(seed, "comparison", task, how)
                    difference = paired_difference(values[family], values[baseline], rng, order=answers[0].score.order)
                    rows.append((task, how, family, baseline, *difference))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def family_values(answers: Sequence[Answer]) -> dict[str, pd.DataFrame]:
    """Return, for each family, its mean value over seeds by unit and stratum, and the weight."""
    frames: dict[str, list[pd.DataFrame]] = {}
    for answer in answers:
        frames.setdefault(answer.family, []).append(answer.score.units)
    return {
        family: pd.concat(units).groupby(_KEY, sort=True)[["value", "weight"]].mean()
        for family, units in frames.items()
    }


def paired_difference(
    one: pd.DataFrame, other: pd.DataFrame, rng: np.random.Generator, *, order: int = 1
) -> tuple[float, float, float, int, float]:
    """Return the difference one - other over the units that both have, its 95 % interval, their number, and power.

    Parameters
    ----------
    one, other
        Values and weights by (unit, stratum), as `family_values` gives them.
    rng
        The source of randomness.
    order
        How many units each value involves; see `Score`.

    Returns
    -------
    Difference, limits, number of units, and the smallest difference that they find four times in five.
    """
    both = one.join(other, how="inner", lsuffix="_one", rsuffix="_other")
    values: NDArray[np.float64] = both[["value_one", "value_other"]].to_numpy()
    units, strata = (both.index.get_level_values(level).to_numpy() for level in _KEY)
    n_units = len(np.unique(units))
    if n_units < 2:
        return float("nan"), float("nan"), float("nan"), n_units, float("nan")
    weights = both["weight_one"].to_numpy()
    mean = stratified_mean(values, weights, strata)
    drawn = cluster_bootstrap(values, units, weights=weights, strata=strata, n_draws=_N_DRAWS, rng=rng)
    difference = float(mean[0] - mean[1])
    draws = difference + order * (drawn[:, 0] - drawn[:, 1] - difference)
    low, high = percentile_interval(draws)
    return difference, low, high, n_units, minimum_detectable_effect(float(draws.std()))


def rank_families(evaluation: Evaluation, *, seed: int = 0) -> pd.DataFrame:
    """Rank the encoder families on every question, with ties: those that cannot be told from a group's best share it.

    Returns
    -------
    One row per task, profiling and family: its value over the units that all families have, and its rank group.
    """
    rows: list[tuple[object, ...]] = []
    for (task, how), answers in _by_question(evaluation.answers).items():
        families = family_values(answers)
        table = pd.concat({name: own["value"] for name, own in families.items()}, axis=1, join="inner")
        if table.empty:
            continue
        weights = next(iter(families.values()))["weight"].reindex(table.index).to_numpy()
        units, strata = (table.index.get_level_values(level).to_numpy() for level in _KEY)
        score = answers[0].score
        mean = stratified_mean(table.to_numpy(), weights, strata)
        rng = spawn(seed, "ranks", task, how)
        drawn = cluster_bootstrap(table.to_numpy(), units, weights=weights, strata=strata, n_draws=_N_DRAWS, rng=rng)
        draws = mean + score.order * (drawn - mean)
        sign = 1 if score.higher_is_better else -1
        groups = tie_groups(sign * draws, sign * mean)
        rows += [(task, how, *ranked) for ranked in zip(table, mean, groups, strict=True)]
    ranked = pd.DataFrame(rows, columns=["task", "profiling", "family", "value", "rank_group"])
    return ranked.sort_values(["task", "profiling", "rank_group"], kind="stable", ignore_index=True)


def _by_question(answers: Sequence[Answer]) -> dict[tuple[str, str], list[Answer]]:
    questions: dict[tuple[str, str], list[Answer]] = {}
    for answer in answers:
        questions.setdefault((answer.task.id, answer.profiling), []).append(answer)
    return questions
