"""Sets of one row of each plate, by look-up: against the general kernel."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from phenolens.metrics.directions import directions
from phenolens.metrics.plate_exchange import PlateExchange
from phenolens.metrics.set_retrieval import set_average_precision


def general(x, wells, controls, sets):
    """Score each set by itself: its members are positives, and the other places of their plates are negatives."""
    plates = np.full(len(x), -1)
    for number, (well, rows) in enumerate(zip(wells, controls, strict=True)):
        plates[[well, *rows]] = number
    places = [[well, *rows] for well, rows in zip(wells, controls, strict=True)]
    members = np.array([[on_plate[place] for on_plate, place in zip(places, one, strict=True)] for one in sets])
    return np.array([np.nanmean(set_average_precision(x, one[None], plates=plates)) for one in members])


@pytest.mark.parametrize("kind", ["continuous", "with ties", "one feature", "large common part", "constant"])
@pytest.mark.parametrize("sizes", [(3, 5, 4), (6, 1, 2, 9, 4), (13,) * 12])
def test_mean_ap_is_that_of_the_general_kernel(kind, sizes):
    rng = np.random.default_rng(len(sizes))
    n = sum(sizes) + len(sizes)
    x = {
        "continuous": rng.normal(size=(n, 5)),
        "with ties": rng.integers(-1, 2, size=(n, 3)).astype(float),
        "one feature": rng.normal(size=(n, 1)),
        "large common part": 1e4 + rng.normal(size=(n, 4)),
        "constant": np.ones((n, 4)),
    }[kind].astype("f4")
    first, second, *controls = np.split(rng.permutation(n), np.cumsum([len(sizes)] * 2 + [size - 1 for size in sizes]))
    controls = controls[:-1]
    exchange = PlateExchange(directions(x), controls)
    sets = np.stack([[rng.integers(size) for size in sizes] for _ in range(40)])
    # Of cosines that are ties by their rounding, one and the next may be, and the next but one may not be.
    atol = 1e-3 if kind == "large common part" else 1e-12
    for wells in (first, second):  # of two perturbations, before the same controls
        assert_allclose(exchange.mean_ap(wells, sets), general(x, wells, controls, sets), atol=atol)


def test_many_sets_are_scored_block_by_block(monkeypatch):
    rng = np.random.default_rng(0)
    exchange = PlateExchange(directions(rng.normal(size=(15, 3))), np.arange(3, 15).reshape(3, 4))
    sets = rng.integers(5, size=(50, 3))
    together = exchange.mean_ap(np.arange(3), sets)
    monkeypatch.setattr("phenolens.metrics.plate_exchange._BLOCK_CELLS", 70)
    assert_allclose(exchange.mean_ap(np.arange(3), sets), together, atol=1e-15)
