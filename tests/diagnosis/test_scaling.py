"""A line through scores against operations: its slope by hand, its interval against the truth."""

import numpy as np
import pandas as pd
import pytest
from made_up import evaluation_of, scored

from phenolens.diagnosis.scaling import fit_scaling
from phenolens.tasks import Score, make_task

TASK = make_task("knn-probe", label="label", group="group")


def evaluation(values, names):
    """Scores of encoders (columns) for units (rows)."""
    answers = []
    for column, name in enumerate(names):
        units = pd.DataFrame(
            {
                "unit": [f"u{row}" for row in range(len(values))],
                "stratum": "all",
                "value": values[:, column],
                "weight": 1.0,
                "chance": 0.5,
                "p": np.nan,
                "p_adjusted": np.nan,
            }
        )
        answers.append(scored(name, Score("accuracy", "well", units), TASK))
    return evaluation_of(*answers)


def test_the_slope_is_that_of_least_squares():
    rng = np.random.default_rng(0)
    flops = {"a": 1e12, "b": 3e13, "c": 2e14, "d": 5e15}
    values = rng.random((30, 5))
    (fit,) = fit_scaling(evaluation(values, [*flops, "untrained"]), flops)
    x, y = np.log10(list(flops.values())), values[:, :4].mean(axis=0)
    slope, intercept = np.polyfit(x, y, 1)
    assert fit.slope.value == pytest.approx(slope)
    assert fit.value_at_most_compute == pytest.approx(intercept + slope * x.max())
    assert fit.r_squared == pytest.approx(np.corrcoef(x, y)[0, 1] ** 2)
    assert (fit.n_encoders, fit.slope.n_units) == (4, 30)


def test_the_interval_covers_the_truth_as_often_as_it_says():
    """Units differ in level and in slope; the slope of the mean is known."""
    flops = {str(power): 10.0**power for power in (12, 13, 14, 15)}
    x = np.array([12.0, 13, 14, 15])
    rng = np.random.default_rng(1)
    covered, flat = 0, 0
    for seed in range(120):
        level, slope = rng.normal(0.5, 0.2, (60, 1)), rng.normal(0.03, 0.1, (60, 1))
        (fit,) = fit_scaling(evaluation(level + slope * (x - 13.5), list(flops)), flops, seed=seed)
        covered += fit.slope.low <= 0.03 <= fit.slope.high
        none = level + (slope - 0.03) * (x - 13.5)
        (found,) = fit_scaling(evaluation(none, list(flops)), flops, seed=seed)
        flat += found.slope.low > 0 or found.slope.high < 0
    assert covered >= 0.89 * 120
    assert flat <= 0.11 * 120


def test_runs_that_do_not_differ_have_no_line():
    with pytest.raises(ValueError, match="different numbers of operations"):
        fit_scaling(evaluation(np.ones((4, 2)), ["a", "b"]), {"a": 1e12, "b": 1e12})
