"""Does more training computation buy biology? Scores against operations, with a line and its interval."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from phenolens.core.random import spawn
from phenolens.evaluation import Evaluation, joint_draws, values_by_unit
from phenolens.metrics import percentile_interval

COLUMNS = ("task", "profiling", "slope", "low", "high", "at_most", "r_squared", "n_points", "n_units")


def fit_scaling(evaluation: Evaluation, flops: Mapping[str, float], *, seed: int = 0) -> pd.DataFrame:
    """Fit a line to the scores of encoders against the logarithm of the operations that trained them.

    Parameters
    ----------
    evaluation
        The answers of all encoders.
    flops
        Encoder -> operations of its training; encoders that are not named, such as untrained twins, are left out.
    seed
        The seed of the bootstrap.

    Returns
    -------
    One row per task and profiling: the gain of the score for ten times as many operations, its 95 % cluster-bootstrap
    interval over the units that all encoders have, the line's value at the most operations, the share of the variance
    between encoders that it explains, and how many encoders and units there are. The interval is of these encoders on
    other units; it says nothing of other runs with other seeds.

    Raises
    ------
    ValueError
        If fewer than two encoders were trained with different numbers of operations.
    """
    x = np.log10([flops[encoder] for encoder in flops])
    if len(np.unique(x)) < 2:
        raise ValueError("a line needs two encoders that were trained with different numbers of operations")
    slope_weights = (x - x.mean()) / ((x - x.mean()) ** 2).sum()
    rows = []
    for question in evaluation.questions.values():
        values = {each.info.id: values_by_unit(each.score) for each in question.scores if each.info.id in flops}
        if len(values) < len(flops):
            continue
        ordered = {encoder: values[encoder] for encoder in flops}
        rng = spawn(seed, "scaling", *question.key)
        joint = joint_draws(ordered, rng, se_inflation=question.first.se_inflation)
        mean, draws = joint.mean, joint.draws
        if joint.n_units < 2:
            continue
        slope = float(mean @ slope_weights)
        low, high = percentile_interval(draws @ slope_weights)
        line = mean.mean() + slope * (x - x.mean())
        total = ((mean - mean.mean()) ** 2).sum()
        explained = 1 - float(((mean - line) ** 2).sum() / total) if total > 0 else float("nan")
        rows.append(
            {
                "task": question.task.id,
                "profiling": question.profiling,
                "slope": slope,
                "low": low,
                "high": high,
                "at_most": float(line[x.argmax()]),
                "r_squared": explained,
                "n_points": len(x),
                "n_units": joint.n_units,
            }
        )
    return pd.DataFrame(rows, columns=list(COLUMNS))
