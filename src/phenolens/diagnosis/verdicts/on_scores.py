"""Verdicts on scores: against whom an encoder wins, and whether the score can be believed."""

from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd

from phenolens.core.numbers import difference_within, p_words, percent, share_within
from phenolens.core.random import spawn
from phenolens.diagnosis.verdicts.verdict import Kind, Verdict, units_shared
from phenolens.evaluation import (
    ALPHA,
    Evaluation,
    MeanScore,
    Question,
    paired_difference,
    unit_significance,
)


def judge_scores(evaluation: Evaluation, comparisons: pd.DataFrame) -> list[Verdict]:
    """Hold every encoder, in every question, against the best baselines; leaks come first.

    Parameters
    ----------
    evaluation
        The scores.
    comparisons
        As `control_claims` returns them.
    """
    questions = evaluation.questions.values()
    leaking = [question for question in questions if question.leak is not None]
    verdicts = [_judge_leak(question, evaluation) for question in leaking]
    for question in questions:
        if question.supports_claims:
            verdicts += _judge_gain(question, comparisons)
            verdicts += _judge_activity(question, evaluation) if question.task.measures_activity else []
        elif question.leak is None:
            verdicts += _judge_nuisance(question)
    return verdicts


def judge_pairs(evaluation: Evaluation, pairs: pd.DataFrame) -> list[Verdict]:
    """Say which encoders under test differ in a question, and which cannot be told apart.

    Parameters
    ----------
    evaluation
        The scores.
    pairs
        As `control_claims` returns them.
    """
    verdicts = []
    for row in pairs.itertuples():
        question = evaluation.questions[str(row.task), str(row.profiling)]
        better = str(row.encoder if row.difference > 0 else row.other)
        relation, but = _relate(row.difference, row.p_adjusted, "loses to", can=question.is_above_chance(better))
        said = difference_within(row.difference, row.low, row.high)
        claim = f"{row.encoder} {relation} {row.other}: {said}, adjusted p {p_words(row.p_adjusted)}{but}"
        claim += f"; asked alone, a difference of {row.detectable:.2g} would be found four times in five."
        if np.isnan(row.difference):
            claim = f"{row.encoder} cannot be compared with {row.other}: {units_shared(int(row.n_units))}."
        verdicts.append(
            Verdict(
                "pair",
                claim,
                str(row.encoder),
                str(row.other),
                str(row.task),
                str(row.profiling),
                *(float(value) for value in (row.difference, row.low, row.high, row.p_adjusted)),
            )
        )
    return verdicts


def judge_metrics(metrics: pd.DataFrame) -> list[Verdict]:
    """Mark the questions whose metric cannot tell encoders apart, or hardly.

    Parameters
    ----------
    metrics
        As `describe_metrics` returns them.
    """
    verdicts = []
    for row in metrics[metrics["grade"] != "tells"].itertuples():
        claim = f"the metric {row.grade}: {row.why}."
        task, how = str(row.task), str(row.profiling)
        verdicts.append(Verdict("metric", claim, "", str(row.best_baseline), task, how, effect=float(row.headroom)))
    return verdicts


def judge_robustness(nuisances: pd.DataFrame, tested: Collection[str]) -> list[Verdict]:
    """Say whether the neighbours of encoders under test agree in biology or in a nuisance.

    Parameters
    ----------
    nuisances
        As `compare_nuisance` returns them.
    tested
        The encoders under test.
    """
    verdicts = []
    for row in nuisances.itertuples():
        if row.family not in tested or np.isnan(row.robustness_low):
            continue
        said = share_within(row.robustness, row.robustness_low, row.robustness_high)
        claim = (
            f"of the neighbours that share the {row.biology} or the {row.nuisance} alone, {said} share the "
            f"{row.biology} under {row.family}; of random ones, {percent(row.robustness_chance)} would."
        )
        effect = {"effect": row.robustness, "low": row.robustness_low, "high": row.robustness_high}
        verdicts.append(Verdict("robustness", claim, str(row.family), "", "", str(row.profiling), **effect))
    return verdicts


def judge_strata(strata: pd.DataFrame) -> list[Verdict]:
    """Say where a gain stands on strong phenotypes alone.

    Parameters
    ----------
    strata
        As `compare_strata` returns them.
    """
    verdicts = []
    by_strength = strata[strata["by"] == "strength"]
    for (family, task, how), of_question in by_strength.groupby(["family", "task", "profiling"], sort=False):
        rows = of_question.set_index("stratum")
        if not {"weak", "strong"} <= set(rows.index):
            continue
        weak, strong = rows.loc["weak"], rows.loc["strong"]
        if weak["low"] <= 0 < strong["low"] and weak["difference"] < strong["low"]:
            said = [difference_within(*one[["difference", "low", "high"]]) for one in (strong, weak)]
            claim = (
                f"{family} gains over {strong['baseline']} on the third of phenotypes that is strongest, "
                f"{said[0]}, and not for certain on the weakest, {said[1]}."
            )
            verdicts.append(Verdict("where", claim, str(family), task=str(task), profiling=str(how)))
    return verdicts


def judge_sweep(sweep: pd.DataFrame) -> list[Verdict]:
    """Say which layer or pooling is better than the last, on units that it was not chosen by.

    Parameters
    ----------
    sweep
        As `choose_on_held_out` returns it.
    """
    verdicts = []
    for row in sweep.itertuples():
        said = difference_within(row.difference, row.difference_low, row.difference_high)
        better = "better than" if row.difference_low > 0 else "not for certain better than"
        claim = (
            f"{row.chosen}, chosen in {percent(row.share)} of random halves of the units, is {better} "
            f"{row.network} as it comes on the other halves: {said}; chosen and reported on the same units it would "
            f"look {row.optimism:+.3f} better than it is."
        )
        limits = {"effect": row.difference, "low": row.difference_low, "high": row.difference_high}
        verdicts.append(Verdict("layer", claim, str(row.network), "", str(row.task), str(row.profiling), **limits))
    return verdicts


def _judge_leak(question: Question, evaluation: Evaluation) -> Verdict:
    """Say how much better the best encoder looks on the leaking split than on groups it has not seen."""
    task, profiling, best = question.task, question.profiling, question.best
    leak = "" if question.leak is None else question.leak.text
    opening = f"the random split leaks: {leak}"
    honest = _asked_honestly(question, evaluation)
    if honest is None or best.encoder not in honest.values:
        claim = f"{opening}; its scores ({best.encoder}: {best.value:.2f}) say nothing about new groups."
        return Verdict("leak", f"{claim} Split by group.", best.encoder, task=task.id, profiling=profiling)
    rng = spawn(question.seed, "leak", task.id, profiling)
    found = paired_difference(question.values[best.encoder], honest.values[best.encoder], rng).estimate
    unseen = honest.mean_of(best.encoder).value
    claim = f"{opening}. {best.encoder} scores {best.value:.2f} on it and {unseen:.2f} on unseen groups: "
    claim += difference_within(found.value, found.low, found.high)
    claim += "." if found.low > 0 else ", an interval that holds zero."
    limits = {"effect": found.value, "low": found.low, "high": found.high}
    return Verdict("leak", claim, best.encoder, "", task.id, profiling, **limits)


def _asked_honestly(question: Question, evaluation: Evaluation) -> Question | None:
    """Return the same question on a split that nothing straddles; None if it was not asked."""
    grouped = question.task.grouped()
    others = evaluation.questions.values()
    same = (other for other in others if other.task == grouped and other.profiling == question.profiling)
    return next(same, None)


def _judge_gain(question: Question, comparisons: pd.DataFrame) -> list[Verdict]:
    """Hold every encoder under test against the best baseline; with none under test, rank the baselines."""
    task, profiling = question.key
    of_question = (comparisons["task"] == task) & (comparisons["profiling"] == profiling)
    pairs = comparisons[of_question]
    if question.best_baseline is None:
        names = ", ".join(each.encoder for each in question.tested)
        claim = f"no baseline was scored beside {names}; a score without its baselines is no finding."
        return [Verdict("gain", claim, names, task=task, profiling=profiling)]
    if not question.tested:
        return [_judge_baselines(question, pairs)]
    kinds: tuple[Kind, ...] = ("gain", "twins")
    return [
        _judge_against(kind, each, baseline, pairs, question)
        for each in question.tested
        for kind, baseline in zip(kinds, question.references, strict=False)
    ]


def _judge_against(kind: Kind, tested: MeanScore, baseline: str, pairs: pd.DataFrame, question: Question) -> Verdict:
    """Hold an encoder against the best baseline, or the best untrained network."""
    encoder, counterpart = tested.encoder, tested.info.counterpart
    pair = pairs[(pairs["encoder"] == encoder) & (pairs["baseline"] == baseline)].iloc[0]
    difference, low, high, p = (float(pair[name]) for name in ("difference", "low", "high", "p_adjusted"))
    can = question.is_above_chance(encoder if difference > 0 else baseline)
    relation, but = _relate(difference, p, "falls short of", can=can)
    what = "best baseline" if kind == "gain" else "best untrained network"
    names = (encoder, baseline, str(pair["task"]), str(pair["profiling"]))
    if np.isnan(difference):
        why = units_shared(int(pair["n_units"]))
        return Verdict(kind, f"{encoder} cannot be compared with the {what}, {baseline}: {why}.", *names)
    claim = f"{encoder} {relation} the {what}, {baseline}: {difference_within(difference, low, high)}"
    if pair["seeds_low"] < pair["seeds_high"]:
        claim += f" ({pair['seeds_low']:+.2f} to {pair['seeds_high']:+.2f} over its seeds)"
    scaled = float(pair["scaled"])
    claim += f", {percent(scaled)} of the range from chance to the ceiling" if scaled > 0 else ""
    claim += f"; adjusted p {p_words(p)}{but}"
    over_counterpart = pairs[(pairs["encoder"] == encoder) & (pairs["baseline"] == counterpart)]
    if baseline == question.references[-1] and counterpart != baseline and len(over_counterpart):
        gain = difference_within(*over_counterpart.iloc[0][["difference", "low", "high"]])
        claim += f"; over its own twin {gain}"
    claim += "." if but or question.is_above_chance(encoder) else f"; {encoder} cannot be told from chance."
    return Verdict(kind, claim, *names, difference, low, high, p)


def _relate(difference: float, p: float, less: str, *, can: bool) -> tuple[str, str]:
    """Return how one stands to another, and what must be added, given whether the better one is above chance."""
    if p > ALPHA or np.isnan(p):
        return "cannot be told from", ""
    if not can:
        return "cannot be ranked with", "; neither can be told from chance"
    return ("beats" if difference > 0 else less), ""


def _judge_baselines(question: Question, pairs: pd.DataFrame) -> Verdict:
    """Name the best baseline and those that cannot be told from it."""
    task, profiling = question.key
    best = question.baselines[0]
    behind = set(pairs[(pairs["baseline"] == best.encoder) & ~(pairs["high"] < 0)]["encoder"])
    tied = [each.encoder for each in question.baselines if each.encoder in behind]
    claim = f"the best baseline is {best.encoder} at {best.value:.2f} (chance {best.chance:.2f})"
    if tied:
        claim += f"; not to be told from it: {', '.join(tied)}."
    else:
        claim += "; its difference to every other has an interval above zero." if len(question.baselines) > 1 else "."
    effect = best.value - best.chance
    return Verdict("baselines", claim, best.encoder, task=task, profiling=profiling, effect=effect)


def _judge_activity(question: Question, evaluation: Evaluation) -> list[Verdict]:
    """Count the perturbations that encoders under test, or else the best baseline, tell from controls.

    Beside an encoder under test stands the best baseline. How p values are adjusted, `unit_significance` says.
    """
    task, profiling = question.key
    best = "" if question.best_baseline is None else question.best_baseline.encoder
    verdicts = []
    for each in _spoken_of(question):
        encoder = each.encoder
        active = unit_significance(evaluation, question, encoder)
        if not active.can_be_any:
            claim = (
                f"whatever {encoder} sees, none of {active.n_units} perturbations can be told from controls: so few "
            )
            claim += f"wells can pose as one that no adjusted p value falls below {active.least_p:.2g}."
            verdicts.append(Verdict("activity", claim, encoder, task=task, profiling=profiling))
            continue
        claim = f"{encoder} tells {active.n_significant} of {active.n_units} perturbations from controls "
        claim += f"(false discovery rate {ALPHA:.0%})"
        if best not in ("", encoder):
            claim += f"; the best baseline, {best}, {unit_significance(evaluation, question, best).n_significant}"
        share = active.n_significant / active.n_units
        verdicts.append(Verdict("activity", f"{claim}.", encoder, task=task, profiling=profiling, effect=share))
    return verdicts


def _judge_nuisance(question: Question) -> list[Verdict]:
    """Say whether encoders under test, or else the one that does most, reveal a nuisance beyond chance."""
    task, profiling = question.key
    verdicts = []
    for each in _spoken_of(question):
        limits = [(seed.estimate.low, seed.estimate.high) for seed in question.by_encoder[each.encoder]]
        low, high = np.mean(limits, axis=0)
        if each.info.is_baseline:  # picked as the best of many
            low, high = question.best_of_many.low, question.best_of_many.high
        relation = "reveals it" if low > each.chance else "does not reveal it beyond chance"
        said = f"{each.value:.2f} [{low:.2f}, {high:.2f}], chance {each.chance:.2f}"
        claim = f"{each.encoder} {relation}: {question.first.metric} {said}."
        effect = {"effect": each.value - each.chance, "low": low - each.chance, "high": high - each.chance}
        verdicts.append(Verdict("nuisance", claim, each.encoder, task=task, profiling=profiling, **effect))
    return verdicts


def _spoken_of(question: Question) -> Sequence[MeanScore]:
    """Return the encoders under test, the best first; the best baseline where none is."""
    return question.tested or question.means[:1]
