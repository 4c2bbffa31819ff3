"""Verdicts on scores: against whom an encoder wins, and whether the score can be believed."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from phenolens.core.random import spawn
from phenolens.diagnosis.claims import (
    ALPHA,
    best_baselines,
    is_above_chance,
    is_leaking,
    limits_of_best,
    means_by_family,
    own_twin,
    supports_gains,
)
from phenolens.diagnosis.comparison import by_question, family_values, paired_difference
from phenolens.diagnosis.verdicts.verdict import (
    Kind,
    Verdict,
    difference_within,
    p_words,
    percent,
    share_within,
    units_shared,
)
from phenolens.encoders import is_baseline
from phenolens.tasks import Answer, Evaluation, Probe, ReplicateRetrieval


def judge_scores(evaluation: Evaluation, comparisons: pd.DataFrame, *, seed: int = 0) -> list[Verdict]:
    """Hold every encoder, in every question, against the best baselines; leaks come first.

    Parameters
    ----------
    evaluation
        The answers.
    comparisons
        As `control_claims` returns them.
    seed
        Of the bootstrap.
    """
    questions = by_question(evaluation.answers).values()
    verdicts = [_judge_leak(answers, evaluation.answers, seed) for answers in questions if is_leaking(answers)]
    n_activities = sum(map(_is_activity, questions))
    for answers in questions:
        if supports_gains(answers):
            verdicts += _judge_gain(answers, comparisons)
            verdicts += _judge_activity(answers, n_activities) if _is_activity(answers) else []
        elif not is_leaking(answers):
            verdicts += _judge_nuisance(answers, seed)
    return verdicts


def judge_pairs(evaluation: Evaluation, pairs: pd.DataFrame) -> list[Verdict]:
    """Say which encoders under test differ in a question, and which cannot be told apart.

    Parameters
    ----------
    evaluation
        The answers.
    pairs
        As `control_claims` returns them.
    """
    verdicts = []
    questions = by_question(evaluation.answers)
    for row in pairs.itertuples():
        answers = questions[str(row.task), str(row.profiling)]
        better = str(row.encoder if row.difference > 0 else row.other)
        relation, but = _relate(row.difference, row.p_adjusted, "loses to", can=is_above_chance(answers, better))
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


def judge_robustness(nuisances: pd.DataFrame) -> list[Verdict]:
    """Say whether the neighbours of encoders under test agree in biology or in a nuisance.

    Parameters
    ----------
    nuisances
        As `compare_nuisance` returns them.
    """
    verdicts = []
    for row in nuisances.itertuples():
        if is_baseline(str(row.family)) or np.isnan(row.robustness_low):
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
    for (family, task, how), own in by_strength.groupby(["family", "task", "profiling"], sort=False):
        rows = own.set_index("stratum")
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


def _judge_leak(answers: Sequence[Answer], every: Sequence[Answer], seed: int) -> Verdict:
    """Say how much better the best family looks on the leaking split than on groups it has not seen."""
    task, how = answers[0].task, answers[0].profiling
    assert isinstance(task, Probe)  # noqa: S101 - only probes have splits
    best, value = means_by_family(answers).head(1).squeeze(axis=0).loc[["family", "value"]]
    leaked = answers[0].score.caveat.split(";")[0].removeprefix("leaking: ")
    opening = f"the random split leaks: {leaked}"
    asked_honestly = task.model_copy(update={"split": "grouped"})
    honest = [
        answer for answer in every if (answer.task, answer.profiling, answer.family) == (asked_honestly, how, best)
    ]
    if not honest:
        claim = f"{opening}; its scores ({best}: {value:.2f}) say nothing about new groups. Split by group."
        return Verdict("leak", claim, best, task=task.id, profiling=how)
    rng = spawn(seed, "leak", task.id, how)
    leaking, unseen = family_values(answers)[best], family_values(honest)[best]
    difference, low, high, *_ = paired_difference(leaking, unseen, rng)
    grouped = means_by_family(honest)["value"].iloc[0]
    claim = (
        f"{opening}. {best} scores {value:.2f} on it and {grouped:.2f} on unseen groups: "
        f"{difference_within(difference, low, high)}" + ("." if low > 0 else ", an interval that holds zero.")
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
    best = best_baselines(answers)
    if tested.empty:
        return [_judge_baselines(best[0], baselines, pairs, answers)]
    kinds: tuple[Kind, ...] = ("gain", "twins")
    return [
        _judge_against(kind, str(family), baseline, pairs, answers)
        for family in tested["family"]
        for kind, baseline in zip(kinds, best, strict=False)
    ]


def _judge_against(kind: Kind, family: str, baseline: str, pairs: pd.DataFrame, answers: Sequence[Answer]) -> Verdict:
    """Hold an encoder against the best baseline, or the best untrained network."""
    pair = pairs[(pairs["encoder"] == family) & (pairs["baseline"] == baseline)].iloc[0]
    difference, low, high, p = (float(pair[name]) for name in ("difference", "low", "high", "p_adjusted"))
    can = is_above_chance(answers, family if difference > 0 else baseline)
    relation, but = _relate(difference, p, "falls short of", can=can)
    what = "best baseline" if kind == "gain" else "best untrained network"
    names = (family, baseline, str(pair["task"]), str(pair["profiling"]))
    if np.isnan(difference):
        why = units_shared(int(pair["n_units"]))
        return Verdict(kind, f"{family} cannot be compared with the {what}, {baseline}: {why}.", *names)
    claim = f"{family} {relation} the {what}, {baseline}: {difference_within(difference, low, high)}"
    if pair["seeds_low"] < pair["seeds_high"]:
        claim += f" ({pair['seeds_low']:+.2f} to {pair['seeds_high']:+.2f} over its seeds)"
    scaled = float(pair["scaled"])
    claim += f", {percent(scaled)} of the range from chance to the ceiling" if scaled > 0 else ""
    claim += f"; adjusted p {p_words(p)}{but}"
    own = pairs[
        (pairs["encoder"] == family) & (pairs["baseline"] == own_twin(family)) & (pairs["baseline"] != baseline)
    ]
    if baseline == best_baselines(answers)[-1] and len(own):
        claim += f"; over its own twin {difference_within(*own.iloc[0][['difference', 'low', 'high']])}"
    claim += "." if but or is_above_chance(answers, family) else f"; {family} cannot be told from chance."
    return Verdict(kind, claim, *names, difference, low, high, p)


def _relate(difference: float, p: float, less: str, *, can: bool) -> tuple[str, str]:
    """Return how one stands to another, and what must be added, given whether the better one is above chance."""
    if p > ALPHA or np.isnan(p):
        return "cannot be told from", ""
    if not can:
        return "cannot be ranked with", "; neither can be told from chance"
    return ("beats" if difference > 0 else less), ""


def _judge_baselines(best: str, baselines: pd.DataFrame, pairs: pd.DataFrame, answers: Sequence[Answer]) -> Verdict:
    """Name the best baseline and those that cannot be told from it."""
    task, how = answers[0].task.id, answers[0].profiling
    behind = pairs[(pairs["baseline"] == best) & ~(pairs["high"] < 0)]
    tied = [family for family in baselines["family"] if family in set(behind["encoder"])]
    value, chance = baselines[["value", "chance"]].iloc[0]
    claim = f"the best baseline is {best} at {value:.2f} (chance {chance:.2f})"
    if tied:
        claim += f"; not to be told from it: {', '.join(tied)}."
    else:
        claim += "; its difference to every other has an interval above zero." if len(baselines) > 1 else "."
    return Verdict("baselines", claim, best, task=task, profiling=how, effect=value - chance)


def _is_activity(answers: Sequence[Answer]) -> bool:
    task = answers[0].task
    return isinstance(task, ReplicateRetrieval) and task.against == "controls"


def _judge_activity(answers: Sequence[Answer], n_questions: int) -> list[Verdict]:
    """Count the perturbations that families under test, or else the best baseline, tell from controls.

    P values are adjusted over the perturbations of one encoder, and multiplied by the number of such questions and of
    families under test; where none is, of baselines, of which the best is named. Beside an encoder under test stands
    the best baseline.
    """
    task, how = answers[0].task.id, answers[0].profiling
    best = best_baselines(answers)[:1]
    verdicts = []
    families = means_by_family(answers)["family"]
    n_tested = int((~families.map(is_baseline).astype(bool)).sum())
    of_many = n_questions * (n_tested or len(families))
    for family in _spoken_of(answers):
        least, total = _least_p(answers, family), len(_units_of(answers, family)[0])
        if of_many * least > ALPHA:
            claim = f"whatever {family} sees, none of {total} perturbations can be told from controls: so few wells can"
            claim += f" pose as one that no adjusted p value falls below {of_many * least:.2g}."
            verdicts.append(Verdict("activity", claim, family, task=task, profiling=how))
            continue
        found = _count_active(answers, family, of_many)
        claim = f"{family} tells {found} of {total} perturbations from controls (false discovery rate {ALPHA:.0%})"
        for baseline in best if family not in best else ():
            claim += f"; the best baseline, {baseline}, {_count_active(answers, baseline, of_many)}"
        verdicts.append(Verdict("activity", f"{claim}.", family, task=task, profiling=how, effect=found / total))
    return verdicts


def _units_of(answers: Sequence[Answer], family: str) -> list[pd.DataFrame]:
    """Return the units of each seed of a family."""
    return [answer.score.units for answer in answers if answer.family == family]


def _count_active(answers: Sequence[Answer], family: str, times: int) -> int:
    """Return how many units are active, in the median over seeds, once p values have been multiplied."""
    return int(np.median([(times * own["p_adjusted"] <= ALPHA).sum() for own in _units_of(answers, family)]))


def _least_p(answers: Sequence[Answer], family: str) -> float:
    """Return the least adjusted p value that units of a family can have; 0 if the task does not say."""
    return min(
        answer.score.details.get("", {}).get("least_p_adjusted", 0.0) for answer in answers if answer.family == family
    )


def _judge_nuisance(answers: Sequence[Answer], seed: int) -> list[Verdict]:
    """Say whether families under test, or else the one that does most, reveal a nuisance beyond chance."""
    means = means_by_family(answers).set_index("family")
    task, how = answers[0].task.id, answers[0].profiling
    verdicts = []
    for family in _spoken_of(answers):
        value, chance = means.loc[family, ["value", "chance"]]
        own = [(answer.low, answer.high) for answer in answers if answer.family == family]
        low, high = limits_of_best(answers, seed=seed) if is_baseline(family) else np.mean(own, axis=0)
        relation = "reveals it" if low > chance else "does not reveal it beyond chance"
        said = f"{value:.2f} [{low:.2f}, {high:.2f}], chance {chance:.2f}"
        claim = f"{family} {relation}: {answers[0].score.metric} {said}."
        limits = {"effect": value - chance, "low": low - chance, "high": high - chance}
        verdicts.append(Verdict("nuisance", claim, family, task=task, profiling=how, **limits))
    return verdicts


def _spoken_of(answers: Sequence[Answer]) -> list[str]:
    """Return the families under test, the best first; the best baseline where none is."""
    families = means_by_family(answers)["family"].astype(str)
    tested = families[~families.map(is_baseline).astype(bool)]
    return list(tested) if len(tested) else list(families.head(1))
