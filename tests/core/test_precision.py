"""Float32 where it is enough, float64 where it would lose what differs."""

import numpy as np
import pytest

from phenolens.core.precision import exceeds, narrowed


@pytest.mark.parametrize(
    ("x", "is_float32"),
    [
        (np.random.default_rng(0).normal(size=(50, 3)), True),
        (np.random.default_rng(0).normal(size=(50, 3)) + 1e3, True),
        (np.random.default_rng(0).normal(size=(50, 3)) + 1e5, False),  # rounding of 4e-3 standard deviations
        (np.random.default_rng(0).normal(size=(50, 3)) * [1, 1e20, 1e-20], True),  # floats have an exponent
        (np.random.default_rng(0).normal(size=(50, 3)) * [1, 1e300, 1], False),
        (np.random.default_rng(0).normal(size=(50, 3)) * [1, 1e-60, 1], False),
        (np.full((50, 3), 0.1), True),
        (np.full((50, 3), 0.1) + 1e-17 * np.arange(50)[:, None], True),  # a constant, and rounding
        (np.full((50, 3), 0.1) * (1 + 5e-8 * np.random.default_rng(0).uniform(size=(50, 3))), True),
        (np.array([[np.nan, 1.0], [np.inf, 2.0]]), True),
        (np.empty((0, 3)), True),
        (np.arange(6).reshape(3, 2), True),
    ],
)
def test_float64_is_kept_where_float32_would_lose_differences(x, is_float32):
    found = narrowed(x)
    assert found.dtype == (np.float32 if is_float32 else np.float64)
    np.testing.assert_allclose(found, x, rtol=1e-6)


def test_rounding_is_no_difference():
    assert not exceeds(0.33333333333333337, 1 / 3)
    assert exceeds(0.334, 1 / 3)
    assert not exceeds(float("nan"), 1 / 3)
