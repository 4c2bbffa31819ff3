"""The range of each metric on these data, the losses that it detects, and the stability of its ranking."""

from dataclasses import dataclass

import numpy as np
from anndata import AnnData

from phenolens.core.errors import ProfilingError, TaskNotApplicable
from phenolens.core.precision import exceeds
from phenolens.diagnosis.evidence import Found
from phenolens.diagnosis.parts.metric_range.ceiling import reachable_score
from phenolens.diagnosis.parts.metric_range.dilution import Dilution, detect_dilution
from phenolens.diagnosis.parts.metric_range.stability import by_distance, other_protocols, rank_agreement
from phenolens.diagnosis.records import GROSS_LOSS, LEAST_HEADROOM, NAN, Grade, MetricRange
from phenolens.evaluation import ALPHA, Evaluation, Question, Skipped

_NOT_EVALUATED = (TaskNotApplicable, ProfilingError)


@dataclass(frozen=True)
class _Ceiling:
    value: float = 1.0
    source: str = "maximum"


def describe_metrics(evaluation: Evaluation) -> Found:
    """Say of every question that supports claims whether its metric can tell better encoders from worse.

    *Headroom* is the share of the range between chance and ceiling that the best baseline leaves. The ceiling is the
    metric's maximum; for replicate retrieval it is what is known to be reachable in spite of the noise between
    replicates: the score of the best encoder, or what all encoders together reach (`reachable_score`). This is a lower
    bound of what could be reached. The best baseline is not its own ceiling, which would leave no room to anyone.

    *Sensitivity* is whether the best encoder is distinguishable from copies of it that are known to be worse
    (`detect_dilution`).

    *Stability* is whether encoders keep their ranks under other protocols (`rank_agreement`): after other
    post-processing, by another probe or measure and, for replicate retrieval, by Euclidean distances.

    Means over seeds are ranked. Where vectors are scored again, one seed stands for its encoder, and of larger data
    4,000 wells or rows (1,000 for distances): on all of them finer differences may be detected.

    Parameters
    ----------
    evaluation
        The scores, and the profiles that they are of.

    Returns
    -------
    One `MetricRange` per question. It ``tells``; ``leaves little room``, if baselines leave less than a tenth of the
    range; ``tells only gross differences``, if only losses of more than half of the variance are detected; or
    ``cannot tell``, if the best encoder is not distinguishable from chance, as the best of so many, or from a copy
    without any truth. Before that, there may be ``too few units``: if nothing is detected and even a difference that is
    equal in all units would not be significant, or the best encoder is above chance and more units, at the observed
    difference, would tell it from a copy without any truth.
    """
    found = Found()
    for question in evaluation.claiming:
        found += _describe(question, evaluation)
    return found


def _describe(question: Question, evaluation: Evaluation) -> Found:
    task, best, baseline = question.task, question.best, question.best_baseline
    seed = evaluation.settings.seed
    profiles = _profiles_of(question, evaluation)
    ceiling, dilution = _Ceiling(), Dilution()
    protocols = other_protocols(question, evaluation.claiming)
    skipped = []
    try:
        dilution = detect_dilution(task, profiles[best.encoder], question.profiling, seed=seed)
    except _NOT_EVALUATED as error:
        skipped.append(_skip(question, "sensitivity", error))
    if task.retrieves_replicates:
        try:
            ceiling = _known_ceiling(question, profiles, seed)
        except _NOT_EVALUATED as error:
            skipped.append(_skip(question, "ceiling", error))
        try:
            protocols.append(by_distance(task, profiles, question.profiling, seed=seed))
        except _NOT_EVALUATED as error:
            skipped.append(_skip(question, "distances", error))
    best_baseline_value = NAN if baseline is None else baseline.value
    span = ceiling.value - best.chance
    headroom = (ceiling.value - best_baseline_value) / span if span > 0 else NAN
    agreement = rank_agreement(protocols, question.key, se_inflation=question.first.se_inflation, seed=seed)
    record = MetricRange(
        task=task.id,
        profiling=question.profiling,
        chance=best.chance,
        ceiling=ceiling.value,
        ceiling_is=ceiling.source,
        best_baseline="" if baseline is None else baseline.encoder,
        best_baseline_value=best_baseline_value,
        best_encoder=best.encoder,
        best_value=best.value,
        best_low=question.best_of_many.low,
        headroom=headroom,
        finest=dilution.finest,
        sensitivity=dilution.sensitivity,
        grade=_grade(question, dilution, headroom),
        stability=agreement.tau,
        n_protocols=agreement.n_protocols,
        unit=question.first.unit,
        n_units=dilution.n_units,
        n_clusters=dilution.n_clusters,
        clusters_needed=dilution.clusters_needed,
        least_p=dilution.least_p,
    )
    return Found((record,), tuple(skipped))


def _skip(question: Question, what: str, error: Exception) -> Skipped:
    return Skipped("metric range", str(error), what, task=question.task.id, profiling=question.profiling)


def _profiles_of(question: Question, evaluation: Evaluation) -> dict[str, AnnData]:
    """Return encoder -> profiles of its first seed: of the best encoder, of all where replicates are retrieved."""
    encoders = list(question.one_seed) if question.task.retrieves_replicates else [question.best.encoder]
    profiles = {}
    for encoder in encoders:
        with_seed = question.one_seed[encoder].info.id
        profiles[encoder] = evaluation.profiles.ranked(question.task, with_seed, question.profiling)
    return profiles


def _known_ceiling(question: Question, profiles: dict[str, AnnData], seed: int) -> _Ceiling:
    """Return the highest score that is known to be reachable."""
    best = question.best
    images = {name: rows for name, rows in profiles.items() if question.one_seed[name].info.role != "oracle"}
    reachable = reachable_score(question.task, images, best.chance, question.profiling, seed=seed)
    if reachable > best.value:
        return _Ceiling(reachable, "replicates")
    return _Ceiling(best.value, best.encoder) if best.info.is_tested else _Ceiling()


def _is_above_chance(question: Question) -> bool:
    return exceeds(question.best_of_many.low, question.best.chance)  # False of one unit, which has no limits


def _has_too_few_units(question: Question, dilution: Dilution) -> bool:
    """Return whether nothing was detected for want of units: even equal differences, or these, would need more."""
    if not np.isnan(dilution.finest):
        return False
    if dilution.least_p > ALPHA:
        return True
    return _is_above_chance(question) and dilution.clusters_needed > dilution.n_clusters


def _grade(question: Question, dilution: Dilution, headroom: float) -> Grade:
    if _has_too_few_units(question, dilution):
        return "too few units"
    if not _is_above_chance(question) or np.isnan(dilution.finest):
        return "cannot tell"
    if dilution.finest > GROSS_LOSS:
        return "tells only gross differences"
    return "leaves little room" if headroom < LEAST_HEADROOM else "tells"
