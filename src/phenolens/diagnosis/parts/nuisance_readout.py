"""How well a batch, plate or position can be read off the vectors of encoders."""

import numpy as np

from phenolens.diagnosis.evidence import Found
from phenolens.diagnosis.records import NuisanceReadout
from phenolens.evaluation import Estimate, Evaluation


def read_nuisances(evaluation: Evaluation) -> Found:
    """Gather the scores of encoders under test, or of the best baseline, in questions where a high score is bad.

    Limits are the mean of those of an encoder's seeds. A baseline that is picked as the best of many has limits that
    allow for that.

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
            estimate = Estimate(mean.value, float(low), float(high), question.one_seed[mean.encoder].estimate.n_units)
            records.append(NuisanceReadout(*question.key, mean.encoder, question.first.metric, estimate, mean.chance))
    return Found(tuple(records))
