"""Verdicts: sentences, each with the effect and the interval that it rests on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from phenolens.diagnosis.claims import ALPHA, is_leaking, means_by_family, supports_gains
from phenolens.diagnosis.comparison import by_question, family_values, paired_difference
from phenolens.encoders import is_baseline
from phenolens.randomness import spawn
from phenolens.tasks import Answer, Evaluation, Probe, ReplicateRetrieval

_KEPT = 0.8  # the least share of a score, at the lower limit, that counts as kept


@dataclass(frozen=True)
class Verdict:
    """A claim and its evidence.

    Attributes
    ----------
    kind
        ``leak``: a split lets groups straddle. ``gain``: an encoder against the best baseline.
        ``baselines``: which baselines are best. ``activity``: how many perturbations can be told from
        controls. ``nuisance``: how well batch, plate or position can be read off. ``degenerate``: vectors that say
        nothing. ``level``: a level that an encoder knows. ``unknown``: levels of which it knows nothing measurable.
        ``use``: what its score needs of the pixels. ``shortcut``: what explains part of a score.
    claim
        The sentence.
    effect, low, high
        The effect and its 95 % interval; NaN where there is none.
    p_adjusted
        The p value, adjusted over all claims of the card; NaN where the verdict makes no claim.
    encoder, baseline
        The families compared; empty where there is none.
    task, profiling
        The question.
    """

    kind: Literal[
        "degenerate", "leak", "gain", "baselines", "activity", "nuisance", "level", "unknown", "use", "shortcut"
    ]
    claim: str
    encoder: str
    baseline: str = ""
    task: str = ""
    profiling: str = ""
    effect: float = float("nan")
    low: float = float("nan")
    high: float = float("nan")
    p_adjusted: float = float("nan")


def judge(
    evaluation: Evaluation,
    comparisons: pd.DataFrame,
    levels: pd.DataFrame,
    interventions: pd.DataFrame,
    shortcuts: pd.DataFrame,
    degeneracy: pd.DataFrame,
    *,
    seed: int = 0,
) -> list[Verdict]:
    """Turn evidence into verdicts, what calls scores into question first.

    Parameters
    ----------
    evaluation
        The answers.
    comparisons, levels, interventions, shortcuts
        What encoders are held against, and what they may know and use, as `control_claims` returns them.
    degeneracy
        One row per encoder: ``encoder``, and ``finding``.
    seed
        The seed of the bootstrap.
    """
    verdicts = [
        Verdict("degenerate", f"{row.encoder} is no embedding to be scored: {row.finding}.", str(row.encoder))
        for row in degeneracy.itertuples()
        if row.finding
    ]
    questions = by_question(evaluation.answers).values()
    verdicts += [_judge_leak(answers, evaluation.answers, seed) for answers in questions if is_leaking(answers)]
    for answers in questions:
        if supports_gains(answers):
            verdicts += _judge_gain(answers, comparisons)
            task = answers[0].task
            if isinstance(task, ReplicateRetrieval) and task.against == "controls":
                verdicts.append(_judge_activity(answers))
        elif not is_leaking(answers):
            verdicts.append(_judge_nuisance(answers))
    for family, own in levels.groupby("family", sort=False):
        if not is_baseline(str(family)):
            verdicts += _judge_levels(str(family), own)
    asked = interventions[interventions["retention"].notna()]
    for (family, task, how), own in asked.groupby(["family", "task", "profiling"], sort=False):
        if not is_baseline(str(family)):
            verdicts.append(_judge_use(str(family), str(task), str(how), own))
    lost = shortcuts[(shortcuts["p_adjusted"] <= ALPHA) & (shortcuts["retention"] < 1)]
    return [*verdicts, *(_judge_shortcut(row) for row in lost.itertuples())]


def _judge_leak(answers: Sequence[Answer], every: Sequence[Answer], seed: int) -> Verdict:
    """Say how much better the best family looks on the leaking split than on groups it has not seen."""
    task, how = answers[0].task, answers[0].profiling
    assert isinstance(task, Probe)  # noqa: S101 - only probes have splits
    best, value = means_by_family(answers).head(1).squeeze(axis=0).loc[["family", "value"]]
    leaked = answers[0].score.caveat.split(";")[0].removeprefix("leaking: ")
    opening = f"the random split leaks: {leaked}"
    honest = [
        answer
        for answer in every
        if isinstance(answer.task, Probe)
        and answer.profiling == how
        and (answer.task.task, answer.task.label, answer.task.group) == (task.task, task.label, task.group)
        and answer.task.split == "grouped"
    ]
    if not honest:
        claim = f"{opening}; its scores ({best}: {value:.2f}) say nothing about new groups. Split by group."
        return Verdict("leak", claim, best, task=task.id, profiling=how)
    rng = spawn(seed, "leak", task.id, how)
    leaking, unseen = family_values(answers)[best], family_values(honest)[best]
    difference, low, high, *_ = paired_difference(leaking, unseen, rng)
    grouped = means_by_family(honest).set_index("family").loc[best, "value"]
    claim = (
        f"{opening}. {best} scores {value:.2f} on it and {grouped:.2f} on unseen groups: "
        f"{_effect(difference, low, high)}" + ("." if low > 0 else ", an interval that holds zero.")
    )
    return Verdict("leak", claim, best, task=task.id, profiling=how, effect=difference, low=low, high=high)


def _judge_gain(answers: Sequence[Answer], comparisons: pd.DataFrame) -> list[Verdict]:
    """Hold every encoder under test against the best baseline; with none under test, rank the baselines."""
    task, how = answers[0].task.id, answers[0].profiling
    means = means_by_family(answers)
    pairs = comparisons[(comparisons["task"] == task) & (comparisons["profiling"] == how)]
    baselines = means[means["family"].map(is_baseline)]
    tested = means[~means["family"].map(is_baseline)]
    if baselines.empty:
        names = ", ".join(tested["family"])
        claim = f"no baseline was scored beside {names}; a score without its baselines is no finding."
        return [Verdict("gain", claim, names, task=task, profiling=how)]
    best = str(baselines["family"].iloc[0])
    if tested.empty:
        return [_judge_baselines(best, baselines, pairs, answers)]
    verdicts = []
    for family in tested["family"]:
        pair = pairs[(pairs["encoder"] == family) & (pairs["baseline"] == best)].iloc[0]
        difference, low, high, p = pair["difference"], pair["low"], pair["high"], pair["p_adjusted"]
        relation = "cannot be told from" if not p <= ALPHA else "beats" if difference > 0 else "falls short of"
        claim = f"{family} {relation} the best baseline, {best}: {_effect(difference, low, high)}, adjusted p {_p(p)}."
        verdicts.append(Verdict("gain", claim, family, best, task, how, difference, low, high, p))
    return verdicts


def _judge_baselines(best: str, baselines: pd.DataFrame, pairs: pd.DataFrame, answers: Sequence[Answer]) -> Verdict:
    """Name the best baseline and those that cannot be told from it."""
    task, how = answers[0].task.id, answers[0].profiling
    behind = pairs[(pairs["baseline"] == best) & (pairs["high"] >= 0)]
    tied = [family for family in baselines["family"] if family in set(behind["encoder"])]
    value, chance = baselines[["value", "chance"]].iloc[0]
    claim = f"the best baseline is {best} at {value:.2f} (chance {chance:.2f})" + (
        f"; not to be told from it: {', '.join(tied)}."
        if tied
        else "; its difference to every other has an interval above zero."
    )
    return Verdict("baselines", claim, best, task=task, profiling=how, effect=value - chance)


def _judge_activity(answers: Sequence[Answer]) -> Verdict:
    """Count the perturbations that the best family tells from controls, in the median over its seeds."""
    best = str(means_by_family(answers)["family"].iloc[0])
    own = [answer.score.units for answer in answers if answer.family == best]
    found = int(np.median([(units["p_adjusted"] <= ALPHA).sum() for units in own]))
    total = len(own[0])
    claim = f"{best} tells {found} of {total} perturbations from controls (false discovery rate {ALPHA:.0%})."
    task, how = answers[0].task.id, answers[0].profiling
    return Verdict("activity", claim, best, task=task, profiling=how, effect=found / total)


def _judge_nuisance(answers: Sequence[Answer]) -> Verdict:
    """Say which family reveals most of a nuisance, and whether that is more than chance."""
    family, value, chance = means_by_family(answers).iloc[0][["family", "value", "chance"]]
    low, high = np.mean([(answer.low, answer.high) for answer in answers if answer.family == family], axis=0)
    task, how = answers[0].task.id, answers[0].profiling
    relation = "reveals it" if low > chance else "does not reveal it beyond chance"
    claim = f"{family} {relation}: {answers[0].score.metric} {value:.2f} [{low:.2f}, {high:.2f}], chance {chance:.2f}."
    limits = {"effect": value - chance, "low": low - chance, "high": high - chance}
    return Verdict("nuisance", claim, family, task=task, profiling=how, **limits)


def _judge_levels(family: str, levels: pd.DataFrame) -> list[Verdict]:
    """Name the levels that a family knows, each by the factor that it reads best, and those that it does not."""
    verdicts = []
    for row in levels[levels["known"]].itertuples():
        claim = f"{family} knows {row.level}, beyond all other levels: best {row.best}, r {row.r:.2f}"
        if not np.isnan(row.twin):
            said = _effect(row.gain, row.gain_low, row.gain_high)
            better = row.gain_low > 0
            claim += f"; {'better than' if better else 'no better than'} its untrained twin: {said} on average"
        claim += f"; adjusted p {_p(row.p_adjusted)}."
        effects = {"effect": row.mean_r, "low": row.low, "high": row.high, "p_adjusted": row.p_adjusted}
        verdicts.append(Verdict("level", claim, family, **effects))
    unknown = [str(level) for level in levels.loc[~levels["known"], "level"]]
    if unknown:
        verdicts.append(Verdict("unknown", f"{family} knows nothing measurable about {', '.join(unknown)}.", family))
    return verdicts


def _judge_use(family: str, task: str, how: str, rows: pd.DataFrame) -> Verdict:
    """Say after which interventions a score falls, and after which it is kept."""
    lost = (rows["p_adjusted"] <= ALPHA) & (rows["retention"] < 1)
    kept = rows["low"] >= _KEPT
    said = []
    for words, chosen in (("falls after", rows[lost].sort_values("retention")), ("is kept after", rows[kept & ~lost])):
        each = [
            f"{row.intervention} ({_percent(row.retention)} [{_percent(row.low)}, {_percent(row.high)}])"
            for row in chosen.itertuples()
        ]
        said += [f"{words} {', '.join(each)}"] if each else []
    claim = "; ".join(said) or "neither falls nor is kept for certain after any intervention"
    return Verdict("use", f"the score of {family} {claim}.", family, task=task, profiling=how)


def _judge_shortcut(row: Any) -> Verdict:
    """Say how much of a score a shortcut explains."""
    share, low, high = 1 - row.retention, 1 - row.high, 1 - row.low
    claim = (
        f"{row.shortcut} explains {_percent(share)} [{_percent(low)}, {_percent(high)}] of what {row.family} scores "
        f"above chance; {row.before:.2f} becomes {row.value:.2f} once it is regressed out; "
        f"adjusted p {_p(row.p_adjusted)}."
    )
    return Verdict(
        "shortcut",
        claim,
        str(row.family),
        task=str(row.task),
        profiling=str(row.profiling),
        effect=share,
        low=low,
        high=high,
        p_adjusted=row.p_adjusted,
    )


def _percent(share: float) -> str:
    return f"{round(share, 2) + 0.0:.0%}"  # -0.0 becomes 0.0


def _p(p: float) -> str:
    return "below 0.001" if p < 0.001 else f"{p:.3f}"


def _effect(difference: float, low: float, high: float) -> str:
    return f"{difference:+.2f} [{low:.2f}, {high:.2f}]"
