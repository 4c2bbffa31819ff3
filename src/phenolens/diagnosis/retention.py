"""How much of a score is left once something has been taken away."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from phenolens.core.precision import exceeds
from phenolens.core.random import spawn
from phenolens.diagnosis.records import Retention
from phenolens.evaluation import (
    EncoderScore,
    Estimate,
    Evaluation,
    Question,
    Skipped,
    UnitValues,
    joint_draws,
    paired_p,
)
from phenolens.metrics import percentile_interval
from phenolens.tasks import BeforeAfter


def compare_retention(before: Evaluation, after: Evaluation) -> list[Retention]:
    """Compare the scores of the same questions before and after something was taken away.

    Parameters
    ----------
    before, after
        The scores. Questions that support no claims before, and encoders without a score before, are left out.

    Returns
    -------
    One record per question and encoder; see `retain`.
    """
    found = []
    for key, question in after.questions.items():
        earlier = before.questions.get(key)
        if earlier is None or not earlier.supports_claims:
            continue
        for encoder, scores in question.by_encoder.items():
            if encoder not in earlier.by_encoder:
                continue
            chance = _chance(earlier.by_encoder[encoder])
            pair = BeforeAfter(earlier.values[encoder], question.values[encoder], chance)
            found.append(retain(earlier, encoder, pair, _chance(scores)))
    return found


def retain(question: Question, encoder: str, pair: BeforeAfter, chance_after: float) -> Retention:
    """Return how much of the distance between score and chance is left.

    Parameters
    ----------
    question
        The question before.
    encoder
        The encoder's name.
    pair
        Its values by unit before and after, and chance before.
    chance_after
        The score of a representation without any information, after.

    Returns
    -------
    The share that is left, with its 95 % interval over the clusters of units that both have and the p value that
    nothing was lost or won (`sign_flip_p`); all NaN where the score before is not distinguishable from chance.
    """
    first = question.one_seed[encoder]
    se_inflation = first.score.se_inflation
    cluster = question.values[encoder]["cluster"].groupby(level="unit").first()
    after, before = (_with_clusters(table, cluster) for table in (pair.after, pair.before))
    values = {"after": after, "before": before}
    joint = joint_draws(values, spawn(question.seed, "retention", *question.key), se_inflation=se_inflation)
    score_after, score_before = map(float, joint.mean)
    estimate = Estimate(n_units=joint.n_units)
    if joint.n_clusters > 1 and exceeds(percentile_interval(joint.draws[:, 1])[0], pair.chance):
        share = (score_after - chance_after) / (score_before - pair.chance)
        left, whole = joint.draws[:, 0] - chance_after, np.maximum(joint.draws[:, 1] - pair.chance, 1e-12)
        rng = spawn(question.seed, "retention p", *question.key)
        p = paired_p(after, before, rng, se_inflation=se_inflation)
        estimate = Estimate(share, *percentile_interval(left / whole), joint.n_units, p)
    return Retention(
        estimate,
        task=question.task.id,
        profiling=question.profiling,
        encoder=encoder,
        under_test=first.info.is_tested,
        before=score_before,
        after=score_after,
        chance=pair.chance,
    )


def skipped_after(before: Evaluation, after: Evaluation, part: str, what: str) -> tuple[Skipped, ...]:
    """Return what was scored before and could not be scored after.

    Parameters
    ----------
    before, after
        As in `compare_retention`.
    part, what
        The part of the card, and what was taken away.
    """
    scored = {(*question.key, each.info.id) for question in before.claiming for each in question.scores}
    skipped = []
    for each in after.skipped:
        if (each.task, each.profiling, each.encoder) in scored:
            skipped.append(replace(each, part=part, what=what))
    return tuple(skipped)


def _with_clusters(table: UnitValues, cluster: "pd.Series[Any]") -> UnitValues:
    """Return values with the cluster of their unit; what has none in the question is one by itself."""
    units = table.index.get_level_values("unit")
    return table.assign(cluster=cluster.reindex(units).fillna(units.to_series()).to_numpy())


def _chance(scores: list[EncoderScore]) -> float:
    return float(np.mean([each.score.chance for each in scores]))
