"""How much data does it need? Probes that learn from few rows of each class, and retrieval with few replicates."""

import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd
from anndata import AnnData

from phenolens.core.errors import TaskNotApplicable
from phenolens.core.random import spawn
from phenolens.diagnosis.rescore import rescore
from phenolens.evaluation import (
    EncoderScore,
    Estimate,
    Evaluation,
    Question,
    joint_draws,
    mean_by_unit,
    paired_difference,
)
from phenolens.metrics import percentile_interval
from phenolens.tasks import LessData, Score

COLUMNS = (
    "family",
    "baseline",
    "task",
    "profiling",
    "data",
    "amount",
    "value",
    "chance",
    "low",
    "high",
    "difference",
    "difference_low",
    "difference_high",
    "n_units",
    "caveat",
)

Curve = dict[int, list[Score]]  # amount -> a score for each draw


def data_efficiency(evaluation: Evaluation, *, seed: int = 0) -> pd.DataFrame:
    """Ask encoders under test, and the best baseline of each question, again with less data.

    How, each task says itself: see `fewer_shots` and `fewer_replicates`. Wells find each other one by one: more of them
    raise chance, and narrow intervals, and need not raise the score above chance.

    Post-processing has seen all data: it is the question that has less. Only the first post-processing of each task is
    asked, one seed of each encoder, and a sample of whole perturbations beyond 1,000 treated wells.

    Parameters
    ----------
    evaluation
        The scores, and the profiles that they are of.
    seed
        Of what is drawn.

    Returns
    -------
    One row per question that supports claims, encoder and amount, the last of all data: the value, its 95 % interval
    over units, and chance; and the paired difference to the best baseline on the same amount, with its interval, NaN
    for the baseline itself. ``data`` is ``shots``, rows of each class to learn from (of all data: their mean), or
    ``replicates``, wells of a perturbation (of all data: their median). ``caveat`` says so where there was no less to
    ask with, or a sample was asked; without numbers, why nothing could be.
    """
    first: dict[str, Question] = {}
    for question in evaluation.questions.values():
        first.setdefault(question.task.id, question)
    rows: list[dict[str, object]] = []
    for question in first.values():
        if question.tested and question.supports_claims and question.task.takes_less_data:
            rows += _ask(question, evaluation, seed)
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _ask(question: Question, evaluation: Evaluation, seed: int) -> list[dict[str, object]]:
    """Return the rows of one question: the best baseline's first, whose curve the others are held against."""
    task, profiling = question.task, question.profiling
    best = "" if question.best_baseline is None else question.best_baseline.encoder
    asked = {"baseline": best, "task": task.id, "profiling": profiling, "data": task.takes_less_data}
    rows: list[dict[str, object]] = []
    against: Curve = {}
    for encoder in [*filter(None, [best]), *(each.encoder for each in question.tested)]:
        scored = question.one_seed[encoder]
        profiles = evaluation.profiles.ranked(task, scored.info.id, profiling)
        row = {"family": encoder, **asked}
        try:
            less = task.with_less_data(profiles, scored.score, seed)
            if less is None:
                continue
            curve = _curve(less, scored, seed)
        except TaskNotApplicable as error:
            rows.append(row | {"amount": 0, "n_units": 0, "caveat": str(error)})
            continue
        for amount, scores in curve.items():
            rng = spawn(seed, "efficiency", *question.key)
            compared = _compare(scores, against.get(amount), rng)
            rows.append(row | {"amount": amount} | compared | {"caveat": less.note})
        if encoder == best:
            against = curve
    return rows


def _curve(less: LessData, scored: EncoderScore, seed: int) -> Curve:
    """Return the scores for each amount of data, all of it last."""
    curve: Curve = {}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The number of unique classes")  # of few rows each is nearly one
        for amount in less.amounts if less.scored else (*less.amounts, less.whole):
            curve[amount] = [
                rescore(task, rows, _vectors(rows), scored.profiling, seed=seed) for task, rows in less.draws(amount)
            ]
    if less.scored:
        curve[less.whole] = [scored.score]
    return curve


def _vectors(rows: AnnData) -> np.ndarray:
    return np.asarray(rows.X)


def _compare(scores: Sequence[Score], best: Sequence[Score] | None, rng: np.random.Generator) -> dict[str, object]:
    """Return value, chance, limits, the difference to the best baseline, its limits, and the number of units."""
    score = scores[0]
    values = {"encoder": mean_by_unit([each.units for each in scores])}
    if best:
        values["best"] = mean_by_unit([each.units for each in best])
    joint = joint_draws(values, rng, se_inflation=score.order)  # limits as the score itself has them
    row: dict[str, object] = {"chance": float(np.mean([each.chance for each in scores])), "n_units": joint.n_units}
    if joint.n_units < 2:
        return row
    row["value"] = float(joint.mean[0])
    row["low"], row["high"] = percentile_interval(joint.draws[:, 0])
    difference = Estimate()
    if best:
        found = paired_difference(values["encoder"], values["best"], rng, se_inflation=score.se_inflation)
        difference = found.estimate
    row |= {"difference": difference.value, "difference_low": difference.low, "difference_high": difference.high}
    return row
