"""Verdicts: sentences, each with the effect and the interval that it rests on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from phenolens.diagnosis.comparison import family_values, paired_difference
from phenolens.encoders import is_baseline
from phenolens.randomness import spawn
from phenolens.tasks import Answer, Evaluation, Probe, ReplicateRetrieval

_ALPHA = 0.05


@dataclass(frozen=True)
class Verdict:
    """A claim and its evidence.

    Attributes
    ----------
    kind
        ``leak``: a split lets groups straddle. ``gain``: an encoder against the best baseline.
        ``baselines``: which baselines are best. ``activity``: how many perturbations can be told from
        controls. ``nuisance``: how well batch, plate or position can be read off.
    claim
        The sentence.
    effect, low, high
        The effect and its 95 % interval; NaN where there is none.
    encoder, baseline
        The families compared; empty where there is none.
    task, profiling
        The question.
    """

    kind: Literal["leak", "gain", "baselines", "activity", "nuisance"]
    claim: str
    effect: float
    low: float
    high: float
    encoder: str
    baseline: str
    task: str
    profiling: str


def judge(evaluation: Evaluation, comparisons: pd.DataFrame, *, seed: int = 0) -> list[Verdict]:
    """Turn answers and comparisons into verdicts.

    Parameters
    ----------
    evaluation
        The answers.
    comparisons
        What `compare_families` says of them.
    seed
        The seed of the bootstrap.
    """
    questions = list(dict.fromkeys((answer.task.id, answer.profiling) for answer in evaluation.answers))
    verdicts: list[Verdict] = []
    for task_id, how in questions:
        answers = [a for a in evaluation.answers if (a.task.id, a.profiling) == (task_id, how)]
        task = answers[0].task
        if isinstance(task, Probe) and any(answer.score.caveat.startswith("leaking") for answer in answers):
            verdicts.append(_judge_leak(task, answers, evaluation.answers, seed))
            continue  # a leaking score supports no claim about encoders
        if not answers[0].score.higher_is_better:
            verdicts.append(_judge_nuisance(answers))
            continue
        verdicts += _judge_gain(answers, comparisons)
        if isinstance(task, ReplicateRetrieval) and task.against == "controls":
            verdicts.append(_judge_activity(answers))
    return sorted(verdicts, key=lambda verdict: verdict.kind != "leak")


def _judge_leak(task: Probe, answers: Sequence[Answer], every: Sequence[Answer], seed: int) -> Verdict:
    """Say how much better the best family looks on the leaking split than on groups it has not seen."""
    how = answers[0].profiling
    best, value = _means(answers).head(1).squeeze(axis=0).loc[["family", "value"]]
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
        return Verdict("leak", claim, np.nan, np.nan, np.nan, best, "", task.id, how)
    rng = spawn(seed, "leak", task.id, how)
    leaking, unseen = family_values(answers)[best], family_values(honest)[best]
    difference, low, high, *_ = paired_difference(leaking, unseen, rng)
    grouped = _means(honest).set_index("family").loc[best, "value"]
    claim = (
        f"{opening}. {best} scores {value:.2f} on it and {grouped:.2f} on unseen groups: "
        f"{_effect(difference, low, high)}" + ("." if low > 0 else ", an interval that holds zero.")
    )
    return Verdict("leak", claim, difference, low, high, best, "", task.id, how)


def _judge_gain(answers: Sequence[Answer], comparisons: pd.DataFrame) -> list[Verdict]:
    """Hold every encoder under test against the best baseline; with none under test, rank the baselines."""
    task, how = answers[0].task.id, answers[0].profiling
    means = _means(answers)
    pairs = comparisons[(comparisons["task"] == task) & (comparisons["profiling"] == how)]
    baselines = means[means["family"].map(is_baseline)]
    tested = means[~means["family"].map(is_baseline)]
    if baselines.empty:
        names = ", ".join(tested["family"])
        claim = f"no baseline was scored beside {names}; a score without its baselines is no finding."
        return [Verdict("gain", claim, np.nan, np.nan, np.nan, names, "", task, how)]
    best = str(baselines["family"].iloc[0])
    if tested.empty:
        return [_judge_baselines(best, baselines, pairs, answers)]
    verdicts = []
    for family in tested["family"]:
        pair = pairs[(pairs["encoder"] == family) & (pairs["baseline"] == best)].iloc[0]
        difference, low, high = pair["difference"], pair["low"], pair["high"]
        relation = "beats" if low > 0 else "falls short of" if high < 0 else "cannot be told from"
        claim = f"{family} {relation} the best baseline, {best}: {_effect(difference, low, high)}."
        verdicts.append(Verdict("gain", claim, difference, low, high, family, best, task, how))
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
    return Verdict("baselines", claim, value - chance, np.nan, np.nan, best, "", task, how)


def _judge_activity(answers: Sequence[Answer]) -> Verdict:
    """Count the perturbations that the best family tells from controls, in the median over its seeds."""
    best = str(_means(answers)["family"].iloc[0])
    own = [answer.score.units for answer in answers if answer.family == best]
    found = int(np.median([(units["p_adjusted"] <= _ALPHA).sum() for units in own]))
    total = len(own[0])
    claim = f"{best} tells {found} of {total} perturbations from controls (false discovery rate {_ALPHA:.0%})."
    task, how = answers[0].task.id, answers[0].profiling
    return Verdict("activity", claim, found / total, np.nan, np.nan, best, "", task, how)


def _judge_nuisance(answers: Sequence[Answer]) -> Verdict:
    """Say which family reveals most of a nuisance, and whether that is more than chance."""
    family, value, chance = _means(answers).iloc[0][["family", "value", "chance"]]
    low, high = np.mean([(answer.low, answer.high) for answer in answers if answer.family == family], axis=0)
    task, how = answers[0].task.id, answers[0].profiling
    relation = "reveals it" if low > chance else "does not reveal it beyond chance"
    claim = f"{family} {relation}: {answers[0].score.metric} {value:.2f} [{low:.2f}, {high:.2f}], chance {chance:.2f}."
    return Verdict("nuisance", claim, value - chance, low - chance, high - chance, family, "", task, how)


def _means(answers: Sequence[Answer]) -> pd.DataFrame:
    """Return family, value and chance, averaged over seeds, the best first."""
    table = pd.DataFrame(
        [(answer.family, answer.score.value, answer.score.chance) for answer in answers],
        columns=["family", "value", "chance"],
    )
    return table.groupby("family", sort=False).mean().reset_index().sort_values("value", ascending=False)


def _effect(difference: float, low: float, high: float) -> str:
    return f"{difference:+.2f} [{low:.2f}, {high:.2f}]"
