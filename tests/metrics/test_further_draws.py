"""Few extreme units among many get p values as small as they are; all others keep theirs."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from phenolens.metrics import Labellings, TailUnit, draw_further, replicate_retrieval_p

POOL = np.arange(1000)


def unit(observed, null, *, reached=0, seen=200, number=0, pool=POOL):
    """A unit whose labelling is a single row, and whose statistic is that row's number in `null`."""
    return TailUnit(number, observed, Labellings([pool], [1], lambda sets: null[sets[:, 0]]), reached, seen)


def test_one_of_many_gets_a_small_p_and_the_budget_holds():
    drawn = []

    def statistic(sets):
        drawn.append(len(sets))
        return np.zeros(len(sets))

    pools = [np.arange(100), np.arange(100, 200)]
    tail = [TailUnit(0, 1.0, Labellings(pools, [2, 2], statistic), 0, 200)]
    draw_further(tail, n_permutations=200, n_units=1000, at_once=1000, rng=np.random.default_rng(0))
    assert tail[0].p < 1 / 20_000
    assert 30_000 < sum(drawn) <= 0.2 * 200 * 1000
    assert max(drawn) <= 1000


def test_units_that_share_labellings_share_draws():
    drawn = []

    def statistic(sets):
        drawn.append(len(sets))
        return np.zeros(len(sets))

    shared = Labellings([np.arange(100), np.arange(100, 200)], [2, 2], statistic)
    tail = [TailUnit(number, 1.0, shared, 0, 200) for number in range(5)]
    draw_further(tail, n_permutations=200, n_units=1000, at_once=1000, rng=np.random.default_rng(0))
    assert len({each.p for each in tail}) == 1
    assert 4000 < sum(drawn) == tail[0].seen - 200 <= 0.2 * 200 * 1000 / 5


def test_few_first_labellings_are_not_asked_for_fine_p_values():
    tail = [unit(1.0, np.zeros(1000), seen=20)]
    draw_further(tail, n_permutations=20, n_units=1000, at_once=1000, rng=np.random.default_rng(0))
    assert tail[0].seen == 20


def test_where_many_are_extreme_no_more_is_drawn():
    tail = [unit(1.0, np.zeros(1000), number=number) for number in range(250)]
    draw_further(tail, n_permutations=200, n_units=1000, at_once=1000, rng=np.random.default_rng(0))
    assert [each.p for each in tail] == [1 / 201] * 250


def test_few_labellings_are_enumerated():
    null = np.zeros(300)
    null[7] = 1.0
    tail = [unit(1.0, null, pool=np.arange(300))]
    draw_further(tail, n_permutations=200, n_units=1000, at_once=70, rng=np.random.default_rng(0))
    assert tail[0].p == 1 / 300


def test_nothing_more_is_drawn_once_ten_have_reached_it():
    null = np.zeros(1000)
    null[:20] = 1.0  # p is 0.02, of which the first draws showed nothing
    tail = [unit(1.0, null, pool=np.arange(1000)), unit(1.0, np.zeros(1000), number=1)]
    draw_further(tail, n_permutations=200, n_units=300, at_once=1000, rng=np.random.default_rng(0))
    assert tail[0].seen == 800
    assert 0.01 < tail[0].p < 0.03


@pytest.mark.parametrize("level", [0.05, 0.01, 0.002, 0.0005])
def test_p_values_of_inactive_units_hold_their_level_at_every_limit(level):
    """Statistics are uniform, and the p value of each is known to be its own."""
    rng = np.random.default_rng(1)
    n_units, n_first, p = 400, 200, []
    for _ in range(50):
        observed = rng.random(n_units)
        first = rng.random((n_units, n_first))
        tail = []
        for number in range(n_units):
            reached = int((first[number] >= observed[number]).sum())
            uniform = lambda sets: rng.random(len(sets))  # noqa: E731 - does not depend on the sets
            pools = [np.arange(100), np.arange(100, 200)]
            tail.append(TailUnit(number, observed[number], Labellings(pools, [2, 2], uniform), reached, n_first))
        going_on = [each for each in tail if each.is_undecided]
        draw_further(going_on, n_permutations=n_first, n_units=n_units, at_once=10_000, rng=rng)
        p += [each.p for each in tail]
    error = np.sqrt(level / len(p))
    assert np.mean(np.array(p) <= level) <= level + 4 * error


def screen(rng, n_units, n_active):
    plates = np.concatenate([np.zeros(20, int), np.ones(20, int), np.tile([0, 1], 2 * n_units)])
    x = rng.normal(size=(len(plates), 6))
    units = [40 + 4 * number + np.arange(4) for number in range(n_units)]
    for rows in units[:n_active]:
        x[rows] += 20 * rng.normal(size=6)
    return x, units, np.arange(len(plates)) < 40, plates


def test_five_of_many_are_told_from_chance_and_others_keep_their_p(monkeypatch):
    x, units, control, plates = screen(np.random.default_rng(2), 100, 5)
    rng = np.random.default_rng(3)
    value, p, _ = replicate_retrieval_p(x, units, control, plates, n_permutations=200, rng=rng)
    following = rng.random()
    monkeypatch.setattr("phenolens.metrics.replicate_retrieval.draw_further", lambda *_, **__: None)
    rng = np.random.default_rng(3)
    before = replicate_retrieval_p(x, units, control, plates, n_permutations=200, rng=rng)
    assert following == rng.random()
    assert_array_equal(value, before[0])
    assert_allclose(value[:5], 1.0)
    assert (before[1][:5] >= 1 / 201).all()
    assert (p[:5] < 1 / 600).all()
    outside = before[1] > 11 / 201
    assert outside.sum() > 50
    assert_array_equal(p[outside], before[1][outside])
