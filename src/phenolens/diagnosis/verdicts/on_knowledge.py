"""Verdicts on what encoders know, and on what their scores use."""

from collections.abc import Collection
from typing import Any

import numpy as np
import pandas as pd

from phenolens.core.numbers import difference_within, p_words, percent, share_within
from phenolens.diagnosis.verdicts.verdict import Verdict
from phenolens.evaluation import ALPHA
from phenolens.simulation import LEVELS

_KEPT = 0.8  # the least share of a score, at the lower limit, that counts as kept
# The least share of a score that a shortcut is said to explain: p values are of perturbations by themselves, and what
# these share, slopes and what they are ranked before, moves scores by some hundredths.
_EXPLAINED = 0.1
_FOLLOWS = 0.5  # the least share of the first component for it to be said to follow something
_RETRIEVAL = "replicate-retrieval"  # of fewer candidates it is another question, which is asked beside
_LARGE = 0.2  # the least share of all variance for a first component to be worth a word


def judge_knowledge(levels: pd.DataFrame, level_pairs: pd.DataFrame, tested: Collection[str]) -> list[Verdict]:
    """Name the levels that encoders under test know, those that they do not, and in which they differ.

    Parameters
    ----------
    levels, level_pairs
        As `control_claims` returns them.
    tested
        The encoders under test.
    """
    verdicts = []
    for encoder, scores in levels.groupby("family", sort=False):
        if encoder in tested:
            verdicts += _judge_levels(str(encoder), scores)
    known = {(row.family, row.level) for row in levels.itertuples() if row.known}
    for row in level_pairs[level_pairs["p_adjusted"] <= ALPHA].itertuples():
        better, worse = (row.encoder, row.other) if row.difference > 0 else (row.other, row.encoder)
        if (better, row.level) not in known:
            continue  # of what neither knows, neither reads more
        turned = (row.difference, row.low, row.high) if row.difference > 0 else (-row.difference, -row.high, -row.low)
        claim = f"{better} reads {row.level} better than {worse}: {difference_within(*turned)} on average"
        claim += f"; adjusted p {p_words(row.p_adjusted)}."
        effect, low, high, p = (float(value) for value in (row.difference, row.low, row.high, row.p_adjusted))
        verdicts.append(
            Verdict("pair", claim, str(row.encoder), str(row.other), effect=effect, low=low, high=high, p_adjusted=p)
        )
    return verdicts


def judge_variance(variance: pd.DataFrame, tested: Collection[str]) -> list[Verdict]:
    """Say what the first component of an encoder under test follows, where that is large.

    Parameters
    ----------
    variance
        As `explained_variance` returns it, by encoder.
    tested
        The encoders under test.
    """
    verdicts = []
    for row in variance.itertuples():
        if row.family in tested and row.first >= _FOLLOWS and row.large >= _LARGE:
            claim = (
                f"the first component of {row.family}, {percent(row.large)} of its variance, follows {row.block}: "
                f"{percent(row.first)} of it."
            )
            verdicts.append(Verdict("component", claim, str(row.family), effect=float(row.first)))
    return verdicts


def judge_use(interventions: pd.DataFrame, tested: Collection[str]) -> list[Verdict]:
    """Say what of the pixels the scores of encoders under test need.

    Parameters
    ----------
    interventions
        As `control_claims` returns them.
    tested
        The encoders under test.
    """
    asked = interventions[interventions["retention"].notna()]
    return [
        _judge_use(str(encoder), str(task), str(profiling), rows)
        for (encoder, task, profiling), rows in asked.groupby(["family", "task", "profiling"], sort=False)
        if encoder in tested
    ]


def judge_shortcuts(shortcuts: pd.DataFrame) -> list[Verdict]:
    """Say how much of a score each shortcut explains, in every way in which it was taken away.

    Parameters
    ----------
    shortcuts
        As `control_claims` returns them.
    """
    asked = shortcuts[shortcuts["retention"].notna()]
    lost = (asked["p_adjusted"] <= ALPHA) & (asked["retention"] <= 1 - _EXPLAINED)
    return [
        _judge_shortcut(str(shortcut), str(family), str(task), str(how), own[lost[own.index]], own[~lost[own.index]])
        for (family, task, how, shortcut), own in asked.groupby(["family", "task", "profiling", "shortcut"], sort=False)
        if lost[own.index].any()
    ]


def _judge_levels(family: str, levels: pd.DataFrame) -> list[Verdict]:
    """Name the levels that a family knows, each by the factor that it reads best, and those that it does not."""
    verdicts = []
    for row in levels[levels["known"]].itertuples():
        others = [str(level) for level in levels["level"] if level != row.level]
        beyond = f"beyond {', '.join(others)}" if others else "with no other level measured"
        beyond = "beyond all other levels" if len(levels) == len(LEVELS) else beyond
        claim = f"{family} knows {row.level}, {beyond}: best {row.best}, r {row.r:.2f}"
        if not np.isnan(row.twin):
            said = difference_within(row.gain, row.gain_low, row.gain_high)
            better = "better than" if row.gain_low > 0 else "not for certain better than"
            claim += f"; {better} its untrained twin: {said} on average"
        claim += f"; adjusted p {p_words(row.p_adjusted)}."
        effects = {"effect": row.mean_r, "low": row.low, "high": row.high, "p_adjusted": row.p_adjusted}
        verdicts.append(Verdict("level", claim, family, **effects))
    rest = levels[~levels["known"]]
    weak = [f"{row.level} (r {row.r:.2f})" for row in rest[rest["weak"]].itertuples()]
    unknown = [str(level) for level in rest.loc[~rest["weak"], "level"]]
    rests = [f"hardly reads {', '.join(weak)}"] if weak else []
    rests += [f"knows nothing measurable about {', '.join(unknown)}"] if unknown else []
    if rests:
        verdicts.append(Verdict("unknown", f"{family} {'; it '.join(rests)}.", family))
    return verdicts


def _judge_use(family: str, task: str, how: str, rows: pd.DataFrame) -> Verdict:
    """Say after which interventions a score falls, and after which it is kept."""
    lost = (rows["p_adjusted"] <= ALPHA) & (rows["retention"] < 1)
    kept = rows["low"] >= _KEPT
    said = []
    for words, chosen in (("falls after", rows[lost].sort_values("retention")), ("is kept after", rows[kept & ~lost])):
        each = [f"{row.intervention} ({share_within(row.retention, row.low, row.high)})" for row in chosen.itertuples()]
        said += [f"{words} {', '.join(each)}"] if each else []
    claim = "; ".join(said) or "neither falls nor is kept for certain after any intervention"
    return Verdict("use", f"the score of {family} {claim}.", family, task=task, profiling=how)


def _judge_shortcut(shortcut: str, family: str, task: str, how: str, lost: pd.DataFrame, kept: pd.DataFrame) -> Verdict:
    """Say how much of one score a shortcut explains, in the ways in which it does, and in the others."""
    lost = lost.sort_values("retention")
    explained = " and ".join(_explained(row) for row in lost.itertuples())
    claim = f"{shortcut} explains {explained} of what {family} scores above chance"
    claim += "".join(f", and {_explained(row)}" for row in kept.itertuples())
    most = lost.iloc[0]
    claim += f"; adjusted p {p_words(most['p_adjusted'])}."
    limits = {"effect": 1 - most["retention"], "low": 1 - most["high"], "high": 1 - most["low"]}
    return Verdict("shortcut", claim, family, task=task, profiling=how, **limits, p_adjusted=float(most["p_adjusted"]))


def _explained(row: Any) -> str:
    """Return what a way of taking a shortcut away takes of a score, and the scores before and after."""
    share = share_within(1 - row.retention, 1 - row.high, 1 - row.low)
    way = f"when {row.way}" + (", with all that goes with it" if row.fit == "all" else "")
    beside = " among as many candidates" if row.way != "regressed out" and _RETRIEVAL in row.task else ""
    return f"{share} {way} ({row.before:.2f}{beside} becomes {row.value:.2f})"
