"""Scores with less data: probes that learn from few rows of each class, and retrieval with few replicates."""

import warnings
from collections.abc import Sequence
from functools import partial

import numpy as np

from phenolens.core.errors import TaskNotApplicable
from phenolens.core.random import spawn
from phenolens.diagnosis.evidence import Found
from phenolens.diagnosis.records import LessDataScore
from phenolens.diagnosis.rescore import rescore
from phenolens.evaluation import (
    EncoderScore,
    Estimate,
    Evaluation,
    Question,
    Skipped,
    joint_draws,
    mean_by_unit,
    paired_difference,
)
from phenolens.tasks import LessData, Score

_Curve = dict[int, list[Score]]  # amount -> the score of each draw of so much


def compare_with_less_data(evaluation: Evaluation) -> Found:
    """Score encoders under test, and the best baseline of each question, with less data.

    What less data means, each task says itself: see `fewer_shots` and `fewer_replicates`. Wells are retrieved one by
    one: more of them raise chance and narrow intervals, and need not raise the score above chance.

    Post-processing is fitted on all data: the question alone has less. Only the first post-processing of each task is
    scored, one seed of each encoder, and a sample of whole perturbations beyond 1,000 treated wells.

    Parameters
    ----------
    evaluation
        The scores, and the profiles that they are of.

    Returns
    -------
    One record per question that supports claims, encoder and amount; the last amount is all data: the mean number of
    rows of a class, or the median number of wells of a perturbation.
    """
    first: dict[str, Question] = {}
    for question in evaluation.questions.values():
        first.setdefault(question.task.id, question)
    found = Found()
    for question in first.values():
        if question.tested and question.supports_claims and question.task.takes_less_data:
            found += _compare_in_question(question, evaluation)
    return found


def _compare_in_question(question: Question, evaluation: Evaluation) -> Found:
    task, profiling, seed = question.task, question.profiling, evaluation.settings.seed
    baseline = "" if question.best_baseline is None else question.best_baseline.encoder
    # The baseline comes first: the others are compared with its curve.
    encoders = [baseline] if baseline else []
    encoders += [each.encoder for each in question.tested]
    skip = partial(Skipped, "less data", what=task.takes_less_data or "", task=task.id, profiling=profiling)
    records: list[LessDataScore] = []
    skipped: list[Skipped] = []
    of_baseline: _Curve = {}
    for encoder in encoders:
        scored = question.one_seed[encoder]
        profiles = evaluation.profiles.ranked(task, scored.info.id, profiling)
        try:
            less = task.with_less_data(profiles, scored.score, seed)
            if less is None:
                continue
            curve = _score_amounts(less, scored, seed)
        except TaskNotApplicable as error:
            skipped.append(skip(str(error), encoder=encoder))
            continue
        for amount, scores in curve.items():
            # Every encoder and amount meets the same draws of units.
            rng = spawn(seed, "efficiency", *question.key)
            estimate, gain = _compare(scores, of_baseline.get(amount, []), rng)
            if np.isnan(estimate.value):
                reason = f"{amount} {less.kind}: needs at least 2 independent units, found {estimate.n_units}"
                skipped.append(skip(reason, encoder=encoder))
                continue
            records.append(
                LessDataScore(
                    encoder=encoder,
                    baseline=baseline,
                    task=task.id,
                    profiling=profiling,
                    data=less.kind,
                    amount=amount,
                    estimate=estimate,
                    chance=scores[0].chance,
                    gain=gain,
                    note=less.note,
                )
            )
        if encoder == baseline:
            of_baseline = curve
    return Found(tuple(records), tuple(skipped))


def _score_amounts(less: LessData, scored: EncoderScore, seed: int) -> _Curve:
    """Return the scores with each amount of data, all of it last; chance is known of the first draw of each.

    It takes exchanges of labels, and hardly depends on which wells are drawn.
    """
    amounts = less.amounts if less.scored else (*less.amounts, less.whole)
    curve: _Curve = {amount: [] for amount in amounts}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The number of unique classes")  # of few rows each is nearly one
        for amount, scores in curve.items():
            for task, rows in less.draws(amount):
                x = np.asarray(rows.X)
                scores.append(rescore(task, rows, x, scored.profiling, with_chance=not scores, seed=seed))
    if less.scored:
        curve[less.whole] = [scored.score]
    return curve


def _compare(
    scores: Sequence[Score], of_baseline: Sequence[Score], rng: np.random.Generator
) -> tuple[Estimate, Estimate]:
    """Return the mean score over draws, and its gain over the baseline's; NaN where there is none."""
    first = scores[0]
    values = {"encoder": mean_by_unit([each.units for each in scores])}
    if of_baseline:
        values["best"] = mean_by_unit([each.units for each in of_baseline])
    joint = joint_draws(values, rng, se_inflation=first.order)  # limits as the score itself has them
    if joint.n_clusters < 2:
        return Estimate(n_units=joint.n_units), Estimate()
    estimate = Estimate(float(joint.mean[0]), *first.limits(joint.draws[:, 0]), joint.n_units)
    if not of_baseline:
        return estimate, Estimate()
    gain = paired_difference(values["encoder"], values["best"], rng, se_inflation=first.se_inflation)
    return estimate, gain.estimate
