"""How well a batch, plate or position can be read off the vectors of encoders."""

import numpy as np

from phenolens.diagnosis.evidence import Found
from phenolens.diagnosis.records import NuisanceReadout
from phenolens.evaluation import Estimate, Evaluation, MeanScore, Question
from phenolens.metrics import permutation_p


def read_nuisances(evaluation: Evaluation) -> Found:
    """Gather the scores of encoders under test, or of the best baseline, in questions where a high score is bad.

    Limits are the mean of those of an encoder's seeds. A baseline that is picked as the best of many has limits, and a
    p value, that allow for that.

    Returns
    -------
    `NuisanceReadout` records.
    """
    records = []
    for question in evaluation.questions.values():
        if question.supports_claims or question.leak is not None:
            continue
        for mean in question.reported:
            low, high = np.mean(
                [(each.estimate.low, each.estimate.high) for each in question.by_encoder[mean.encoder]], 0
            )
            if mean.info.is_baseline:
                low, high = question.best_of_many.low, question.best_of_many.high
            n_units = question.one_seed[mean.encoder].estimate.n_units
            estimate = Estimate(mean.value, float(low), float(high), n_units, _p_value(question, mean))
            read = question.task.gives_away, question.first.metric
            records.append(NuisanceReadout(*question.key, mean.encoder, *read, estimate, mean.chance))
    return Found(tuple(records))


def _p_value(question: Question, found: MeanScore) -> float:
    """Return the p value of a score, the mean over seeds, against what is permuted before post-processing.

    It is NaN where nothing is permuted. All encoders have the same permutations: the best of many baselines is held
    against the best of each.
    """
    compared = question.by_encoder if found.info.is_baseline else [found.encoder]
    nulls = []
    for encoder in compared:
        of_seeds = [each.score.null for each in question.by_encoder[encoder]]
        if not all(of_seeds):
            return float("nan")
        nulls.append(np.mean(of_seeds, axis=0))
    return permutation_p(found.value, np.max(nulls, axis=0))
