"""Does more training computation buy biology? Scores against operations, with a line and its interval."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from phenolens.core.random import spawn
from phenolens.diagnosis.comparison import by_question, family_values, joint_draws
from phenolens.metrics import percentile_interval
from phenolens.tasks import Evaluation

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
    rows: list[tuple[object, ...]] = []
    for (task, how), answers in by_question(evaluation.answers).items():
        values = {
            answer.encoder: family_values([answer])[answer.family] for answer in answers if answer.encoder in flops
        }
        if len(values) < len(flops):
            continue
        ordered = {encoder: values[encoder] for encoder in flops}
        rng = spawn(seed, "scaling", task, how)
        mean, draws, n_units = joint_draws(ordered, rng, spread=answers[0].score.spread)
        if n_units < 2:
            continue
        slope = float(mean @ slope_weights)
        low, high = percentile_interval(draws @ slope_weights)
        line = mean.mean() + slope * (x - x.mean())
        spread = ((mean - mean.mean()) ** 2).sum()
        explained = 1 - float(((mean - line) ** 2).sum() / spread) if spread > 0 else float("nan")
        rows.append((task, how, slope, low, high, float(line[x.argmax()]), explained, len(x), n_units))
    return pd.DataFrame(rows, columns=list(COLUMNS))
