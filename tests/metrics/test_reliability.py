import numpy as np
import pytest
from numpy.testing import assert_allclose

from phenolens.metrics import split_half_reliability


def test_it_equals_the_formula_of_spearman_and_brown():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(50, 3))
    one, other = truth + rng.normal(size=truth.shape), truth + rng.normal(size=truth.shape)
    for column, found in enumerate(split_half_reliability(one, other)):
        r = np.corrcoef(one[:, column], other[:, column])[0, 1]
        assert_allclose(found, 2 * r / (1 + r))


@pytest.mark.parametrize("error", [0.5, 1.0, 3.0])
def test_it_is_the_share_of_the_variance_that_is_no_error_and_bounds_correlations(error):
    rng = np.random.default_rng(1)
    truth = rng.normal(size=(40_000, 1))
    one, other = (truth + error * rng.normal(size=truth.shape) for _ in range(2))
    (found,) = split_half_reliability(one, other)
    assert_allclose(found, 1 / (1 + error**2 / 2), atol=0.02)
    r = np.corrcoef(truth[:, 0], (one + other)[:, 0])[0, 1]
    assert_allclose(r, np.sqrt(found), atol=0.02)


def test_halves_that_do_not_agree_or_vary():
    one = np.array([[1.0, 1.0], [2.0, 1.0], [3.0, 1.0]])
    assert_allclose(split_half_reliability(one, -one), [0, np.nan])
