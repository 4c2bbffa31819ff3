"""How much of a score is left once something has been taken away."""

import numpy as np
import pandas as pd

from phenolens.core.random import spawn
from phenolens.evaluation import EncoderScore, Evaluation, joint_draws, paired_p
from phenolens.metrics import percentile_interval
from phenolens.tasks import BeforeAfter

COLUMNS = ("family", "task", "profiling", "value", "before", "chance", "retention", "low", "high", "p", "n_units")


def compare_retention(before: Evaluation, after: Evaluation, *, seed: int = 0) -> pd.DataFrame:
    """Compare scores after something was taken away with those before.

    Parameters
    ----------
    before, after
        Scores in the same questions; those that were not asked before are left out.
    seed
        Of the bootstrap.

    Returns
    -------
    One row per encoder and question: the score, that before, chance before, and the ``retention``, the share of
    the distance from chance that is left, with its 95 % interval over the units that both have, and the p value that
    nothing was lost or won (`sign_flip_p`), NaN where the score before is not distinguishable from chance; and the
    number of these units.
    """
    rows = []
    for key, question in after.questions.items():
        earlier = before.questions.get(key)
        if earlier is None or not earlier.supports_claims:
            continue
        for encoder, scores in question.by_encoder.items():
            then = earlier.by_encoder[encoder]
            pair = BeforeAfter(earlier.values[encoder], question.values[encoder], _chance(then))
            left = retain(pair, _chance(scores), key, then[0].score.se_inflation, seed)
            rows.append({"family": encoder, "task": key[0], "profiling": key[1]} | left)
    return pd.DataFrame(rows, columns=list(COLUMNS))


def retain(
    pair: BeforeAfter, chance_after: float, question: tuple[str, str], se_inflation: float, seed: int
) -> dict[str, float]:
    """Return what a row says of one score before and after, from ``value`` on.

    Parameters
    ----------
    pair
        Values by unit before and after, and chance before.
    chance_after
        The score of a representation that knows nothing, after.
    question
        Task and profiling.
    se_inflation
        As in `joint_draws`.
    seed
        Of the bootstrap.
    """
    values = {"after": pair.after, "before": pair.before}
    joint = joint_draws(values, spawn(seed, "retention", *question), se_inflation=se_inflation)
    after, before = float(joint.mean[0]), float(joint.mean[1])
    row = {"value": after, "before": before, "chance": pair.chance}
    row |= dict.fromkeys(("retention", "low", "high", "p"), float("nan")) | {"n_units": joint.n_units}
    if joint.n_units < 2 or percentile_interval(joint.draws[:, 1])[0] <= pair.chance:
        return row
    left, whole = joint.draws[:, 0] - chance_after, np.maximum(joint.draws[:, 1] - pair.chance, 1e-12)
    row["retention"] = (after - chance_after) / (before - pair.chance)
    row["low"], row["high"] = percentile_interval(left / whole)
    row["p"] = paired_p(pair.after, pair.before, spawn(seed, "retention p", *question), se_inflation=se_inflation)
    return row


def _chance(scores: list[EncoderScore]) -> float:
    return float(np.mean([each.score.chance for each in scores]))
