"""Sets of one row of each plate, by look-up: against the general kernel."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from phenolens.metrics.plate_exchange import PlateExchange
from phenolens.metrics.set_retrieval import set_average_precision


def general(x, pools, sets):
    """Score each set by itself: its members are positives, and all other rows of their plates are negatives."""
    plates = np.empty(len(x), dtype=int)
    for number, pool in enumerate(pools):
        plates[pool] = number
    return np.array([np.nanmean(set_average_precision(x, one[None], plates=plates)) for one in sets])


@pytest.mark.parametrize("kind", ["continuous", "with ties", "one feature", "large common part", "constant"])
@pytest.mark.parametrize("sizes", [(3, 5, 4), (6, 1, 2, 9, 4), (13,) * 12])
def test_mean_ap_is_that_of_the_general_kernel(kind, sizes):
    rng = np.random.default_rng(len(sizes))
    n = sum(sizes)
    x = {
        "continuous": rng.normal(size=(n, 5)),
        "with ties": rng.integers(-1, 2, size=(n, 3)).astype(float),
        "one feature": rng.normal(size=(n, 1)),
        "large common part": 1e4 + rng.normal(size=(n, 4)),
        "constant": np.ones((n, 4)),
    }[kind].astype("f4")
    pools = np.split(rng.permutation(n), np.cumsum(sizes)[:-1])
    sets = np.stack([[rng.choice(pool) for pool in pools] for _ in range(40)])
    # Of cosines that are ties by their rounding, one and the next may be, and the next but one may not be.
    atol = 1e-3 if kind == "large common part" else 1e-12
    assert_allclose(PlateExchange(x, pools).mean_ap(sets), general(x, pools, sets), atol=atol)


def test_without_others_on_any_plate_nothing_is_scored():
    sets = np.array([[0, 1]])
    assert np.isnan(PlateExchange(np.eye(2), [np.array([0]), np.array([1])]).mean_ap(sets)).all()
