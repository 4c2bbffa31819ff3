"""The claims that a card makes, and their p values adjusted over all of them."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from phenolens.evaluation import ALPHA, Evaluation
from phenolens.metrics import benjamini_hochberg

NAMED_R = 0.2
"""The least correlation with what is left of a factor for an encoder to be said to know its level."""


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
    tested = {info.name for info in evaluation.profiles.infos.values() if info.is_tested}
    claimed = {name: _families(table).isin(tested).to_numpy(dtype=bool) for name, table in tables.items()}
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
    for question in evaluation.claiming:
        task, profiling = question.key
        pools = [[each.encoder for each in pool] for pool in (question.baselines, question.untrained)]
        asked = (comparisons["task"] == task) & (comparisons["profiling"] == profiling) & comparisons["p"].notna()
        for _, rows in comparisons[asked].groupby("encoder", sort=False):
            for baseline, pool in zip(question.references, pools, strict=False):
                held = rows[rows["baseline"] == baseline]
                p[held.index] = _fall_short(rows[rows["baseline"].isin(pool)]) if _is_less(held).any() else held["p"]
    return p.to_numpy(dtype=float)


def _is_less(rows: pd.DataFrame) -> "pd.Series[bool]":
    return rows["difference"] < 0


def _fall_short(rows: pd.DataFrame) -> float:
    """Return the p value that nobody of these is better, from those of each (Simes, Biometrika 73, 1986)."""
    return float(np.min(benjamini_hochberg(np.where(_is_less(rows), rows["p"].to_numpy(float), 1.0))))
