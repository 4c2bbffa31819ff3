"""How scores rise with the operations of training: a line for each question, and the interval of its slope."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from phenolens.core.random import spawn
from phenolens.evaluation import Estimate, Evaluation, joint_draws, values_by_unit
from phenolens.metrics import percentile_interval


@dataclass(frozen=True)
class RunScore:
    """The score of one run in one question, with what its training took.

    Attributes
    ----------
    run
        Its name.
    flops, parameters, images
        The operations of its training, the parameters of its encoder, and how many images it has seen.
    task, profiling, metric
        The question.
    value, low, high
        The score with its 95 % interval.
    chance
        That of chance.
    n_units
        On how many units it rests.
    untrained
        The mean score of its untrained counterpart over seeds; NaN if that could not be scored.
    """

    run: str
    flops: float
    parameters: int
    images: int
    task: str
    profiling: str
    metric: str
    value: float
    low: float
    high: float
    chance: float
    n_units: int
    untrained: float


@dataclass(frozen=True)
class ScalingFit:
    """The line of one question: scores of encoders against the logarithm of the operations that trained them.

    Attributes
    ----------
    task, profiling
        The question.
    slope
        The gain of the score for ten times as many operations. Its interval is of these encoders on other units; it
        says nothing of other runs with other seeds.
    value_at_most_compute
        The line's value at the most operations.
    r_squared
        The share of the variance between encoders that the line explains.
    n_encoders
        How many encoders.
    """

    task: str
    profiling: str
    slope: Estimate
    value_at_most_compute: float
    r_squared: float
    n_encoders: int

    def as_row(self) -> dict[str, Any]:
        """Return it as a row of a table."""
        return {
            "task": self.task,
            "profiling": self.profiling,
            "slope": self.slope.value,
            "low": self.slope.low,
            "high": self.slope.high,
            "value_at_most_compute": self.value_at_most_compute,
            "r_squared": self.r_squared,
            "n_points": self.n_encoders,
            "n_units": self.slope.n_units,
        }


def fit_scaling(evaluation: Evaluation, flops: Mapping[str, float], *, seed: int = 0) -> list[ScalingFit]:
    """Fit a line to the scores of encoders against the logarithm of the operations that trained them.

    Parameters
    ----------
    evaluation
        The scores of all encoders.
    flops
        Encoder -> operations of its training; encoders that are not named, such as untrained ones, are left out.
    seed
        The seed of the bootstrap over the units that all encoders have.

    Returns
    -------
    One fit per question in which all of these encoders have a score, and two units in common.

    Raises
    ------
    ValueError
        If fewer than two encoders were trained with different numbers of operations.
    """
    x = np.log10(list(flops.values()))
    if len(np.unique(x)) < 2:
        raise ValueError("a line needs two encoders that were trained with different numbers of operations")
    slope_weights = (x - x.mean()) / ((x - x.mean()) ** 2).sum()
    fits: list[ScalingFit] = []
    for question in evaluation.questions.values():
        scores = {each.info.id: each.score for each in question.scores}
        if not set(flops) <= set(scores):
            continue
        values = {encoder: values_by_unit(scores[encoder]) for encoder in flops}
        rng = spawn(seed, "scaling", *question.key)
        joint = joint_draws(values, rng, se_inflation=question.first.se_inflation)
        if joint.n_clusters < 2:
            continue
        mean = joint.mean
        slope = float(mean @ slope_weights)
        line = mean.mean() + slope * (x - x.mean())
        total = ((mean - mean.mean()) ** 2).sum()
        fits.append(
            ScalingFit(
                task=question.task.id,
                profiling=question.profiling,
                slope=Estimate(slope, *percentile_interval(joint.draws @ slope_weights), joint.n_units),
                value_at_most_compute=float(line[x.argmax()]),
                r_squared=1 - float(((mean - line) ** 2).sum() / total) if total > 0 else float("nan"),
                n_encoders=len(x),
            )
        )
    return fits
