"""The claims that a card makes, and their p values adjusted over all of them."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from phenolens.core.errors import EncoderError
from phenolens.core.random import spawn
from phenolens.diagnosis.comparison import by_question, family_values, joint_draws
from phenolens.encoders import EncoderName, is_baseline, is_untrained, twin_of
from phenolens.metrics import benjamini_hochberg, percentile_interval
from phenolens.tasks import Answer, Evaluation, Probe

ALPHA = 0.05
NAMED_R = 0.2
"""The least correlation with what is left of a factor for an encoder to be said to know its level."""


def supports_gains(answers: Sequence[Answer]) -> bool:
    """Whether answers to a question support claims about encoders: not from a leaking split, nor on a nuisance."""
    return answers[0].score.higher_is_better and not is_leaking(answers)


def supporting_gains(evaluation: Evaluation) -> Evaluation:
    """Return the answers to questions that support claims about encoders."""
    questions = by_question(evaluation.answers).values()
    return Evaluation([answer for answers in questions if supports_gains(answers) for answer in answers], [])


def is_leaking(answers: Sequence[Answer]) -> bool:
    """Whether the answers come from a split that groups straddle."""
    return isinstance(answers[0].task, Probe) and any(a.score.caveat.startswith("leaking") for a in answers)


def is_above_chance(answers: Sequence[Answer], family: str) -> bool:
    """Whether the 95 % interval of a family's score, in the mean over its seeds, lies above chance."""
    own = [answer for answer in answers if answer.family == family]
    return bool(np.mean([answer.low - answer.score.chance for answer in own]) > 0)


def limits_of_best(answers: Sequence[Answer], *, seed: int = 0) -> tuple[float, float]:
    """Return the 95 % limits of the best family's score, as the best of so many; NaN with fewer than two units."""
    families = means_by_family(answers)["family"]
    rng = spawn(seed, "best", answers[0].task.id, answers[0].profiling)
    best = {"best": family_values(answers)[families.iloc[0]]}
    _, draws, n_units = joint_draws(best, rng, spread=answers[0].score.order)  # a score's own limits, as it has them
    return percentile_interval(draws[:, 0], 1 - ALPHA / len(families)) if n_units > 1 else (float("nan"), float("nan"))


def means_by_family(answers: Sequence[Answer]) -> pd.DataFrame:
    """Return family, value and chance, averaged over seeds, the best first."""
    table = pd.DataFrame(
        [(answer.family, answer.score.value, answer.score.chance) for answer in answers],
        columns=["family", "value", "chance"],
    )
    return table.groupby("family", sort=False).mean().reset_index().sort_values("value", ascending=False)


def control_claims(evaluation: Evaluation, tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Adjust the p values of all claims together (Benjamini & Hochberg, 1995).

    The claims are, for each encoder that is no baseline, its gain in each question over the best baseline, and over the
    best untrained network; each level that it may know; what each intervention and each shortcut takes from each of its
    scores; and each difference to another encoder under test, in scores and in levels. Among equals, the best of many
    baselines is better than an encoder by having been picked: that it falls short is claimed by the p value that no
    baseline, or untrained network, is better than it.

    Parameters
    ----------
    evaluation
        The answers.
    tables
        ``comparisons``, as `compare_families` returns them, and others, with an encoder's ``family`` (or ``encoder``)
        and ``p``, among them perhaps ``levels``.

    Returns
    -------
    The tables with ``p_adjusted``, NaN where nothing is claimed; of ``levels`` also whether each is ``known``, or
    hardly read (``weak``). What a twin knows is no claim: its p value is taken as it is.
    """
    claimed = {name: ~_families(table).map(is_baseline).to_numpy(dtype=bool) for name, table in tables.items()}
    found = {name: table["p"].to_numpy(float) for name, table in tables.items()}
    found["comparisons"] = _p_against_the_best(evaluation, tables["comparisons"])
    claimed["comparisons"] &= ~np.isnan(found["comparisons"])
    p = np.concatenate([found[name][claimed[name]] for name in tables])
    adjusted = iter(benjamini_hochberg(p))
    result = {}
    for name, table in tables.items():
        values = np.full(len(table), np.nan)
        values[claimed[name]] = [next(adjusted) for _ in range(claimed[name].sum())]
        result[name] = table.assign(p_adjusted=values)
    if "levels" not in result:
        return result
    levels = result["levels"]
    held = np.where(claimed["levels"], levels["p_adjusted"].to_numpy(float), levels["p"].to_numpy(float))
    r = levels["r"].to_numpy(float)
    result["levels"] = levels.assign(
        known=(held <= ALPHA) & (r >= NAMED_R), weak=(held <= ALPHA) & (r > 0) & (r < NAMED_R)
    )
    return result


def _families(table: pd.DataFrame) -> "pd.Series[str]":
    return table["family" if "family" in table else "encoder"].astype(str)


def _p_against_the_best(evaluation: Evaluation, comparisons: pd.DataFrame) -> NDArray[np.float64]:
    """Return p of the rows that compare with a question's best baseline, or its best untrained network; others NaN."""
    p = pd.Series(np.nan, comparisons.index)
    for (task, how), answers in by_question(evaluation.answers).items():
        if not supports_gains(answers):
            continue
        families = means_by_family(answers)["family"]
        pools = (families[families.map(is_baseline).astype(bool)], families[families.map(is_untrained).astype(bool)])
        asked = (comparisons["task"] == task) & (comparisons["profiling"] == how) & comparisons["p"].notna()
        for _, own in comparisons[asked].groupby("encoder", sort=False):
            for baseline, pool in zip(best_baselines(answers), pools, strict=False):
                held = own[own["baseline"] == baseline]
                p[held.index] = _fall_short(own[own["baseline"].isin(pool)]) if _is_less(held).any() else held["p"]
    return p.to_numpy(dtype=float)


def _is_less(rows: pd.DataFrame) -> "pd.Series[bool]":
    return rows["difference"] < 0


def _fall_short(rows: pd.DataFrame) -> float:
    """Return the p value that nobody of these is better, from those of each (Simes, Biometrika 73, 1986)."""
    return float(np.min(benjamini_hochberg(np.where(_is_less(rows), rows["p"].to_numpy(float), 1.0))))


def own_twin(name: str) -> str:
    """Return the family of an encoder's own random twin; nothing if it has none."""
    try:
        return twin_of(EncoderName.parse(name).family) or ""
    except EncoderError:
        return ""


def best_baselines(answers: Sequence[Answer]) -> list[str]:
    """Return the best baseline of a question, and its best untrained network where that is another."""
    ranked = means_by_family(answers)["family"]
    best = ranked[ranked.map(is_baseline).astype(bool)].head(1)
    untrained = ranked[ranked.map(is_untrained).astype(bool)].head(1)
    return list(dict.fromkeys([*best, *untrained]))
