"""Numbers of items above and tied with others, by search, by comparison and by order, against counting them."""

import numpy as np
import pytest
import torch

from phenolens.metrics.ties import (
    SINGLE,
    Tolerance,
    count_reaching,
    count_reaching_each_other,
    expected_precision,
    harmonic_numbers,
    order_rows,
)

WIDER = Tolerance(1e-9, 1e-3)


def counted(items, values, tolerance):
    """Count one by one."""
    width = np.broadcast_to(tolerance.at(values), values.shape)[:, :, None]
    items, values = items[:, None, :], values[:, :, None]
    above = (items > values + width).sum(axis=2)
    return above, (items >= values - width).sum(axis=2) - above


def cosines(shape, rng, share_of_ties):
    values = rng.uniform(-1, 1, shape)
    values[rng.random(shape) < share_of_ties] = 0.25
    return values


@pytest.mark.parametrize("tolerance", [SINGLE, WIDER])
@pytest.mark.parametrize("share_of_ties", [0.0, 0.3])
@pytest.mark.parametrize(("q", "n", "k"), [(40, 3, 5), (7, 100, 30), (3, 300, 20), (300, 128, 2), (5, 1, 1)])
def test_values_among_items(q, n, k, share_of_ties, tolerance):
    rng = np.random.default_rng(q)
    items, values = np.sort(cosines((q, n), rng, share_of_ties)), cosines((q, k), rng, share_of_ties)
    found = count_reaching(torch.from_numpy(items), torch.from_numpy(values), tolerance)
    for one, expected in zip(found, counted(items, values, tolerance), strict=True):
        assert (one.numpy() == expected).all()


@pytest.mark.parametrize("tolerance", [SINGLE, WIDER])
@pytest.mark.parametrize("share_of_ties", [0.0, 0.02, 0.5])
def test_items_among_each_other(share_of_ties, tolerance):
    rng = np.random.default_rng(0)
    items = np.sort(cosines((60, 12), rng, share_of_ties))
    chosen = rng.random(items.shape) < 0.4
    found = count_reaching_each_other(torch.from_numpy(items), tolerance=tolerance)
    for one, expected in zip(found, counted(items, items, tolerance), strict=True):
        assert (one.numpy() == expected).all()
    found = count_reaching_each_other(torch.from_numpy(items), torch.from_numpy(chosen), tolerance)
    expected = counted(np.where(chosen, items, -np.inf), items, tolerance)
    for one, other in zip(found, expected, strict=True):
        assert (one.numpy() == other).all()


def test_rows_are_put_in_order_with_their_places():
    values = torch.from_numpy(np.random.default_rng(0).normal(size=(5, 9)))
    ascending, places = order_rows(values)
    assert (ascending[:, 1:] >= ascending[:, :-1]).all()
    assert (values.gather(1, places) == ascending).all()


def test_ties_of_some_change_the_precision_of_no_others():
    above, tied = torch.tensor([[0, 3], [1, 2]]), torch.tensor([[0, 0], [0, 4]])
    before, beside = torch.tensor([[0, 1], [2, 0]]), torch.tensor([[1, 1], [1, 2]])
    found = expected_precision(above, tied, before, beside, harmonic_numbers(20))
    alone = [
        expected_precision(
            *(each[i : i + 1, j : j + 1] for each in (above, tied, before, beside)), harmonic_numbers(20)
        )
        for i in range(2)
        for j in range(2)
    ]
    assert found.flatten().tolist() == pytest.approx([float(each) for each in alone])
    assert found[0].tolist() == pytest.approx([1.0, 2 / 5])
