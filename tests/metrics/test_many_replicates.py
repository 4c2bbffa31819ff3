"""Perturbations with hundreds of wells, as positive controls have: what is exact, what is valid, and what it costs."""

import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from phenolens.metrics import MOST_COMPARED, control_average_precision, replicate_retrieval_p, spread_rows

PLATES, CONTROLS, WELLS, FEW = 40, 6, 4, 8


def screen(seed, *, effect=0.0):
    """Return a positive control with four wells on each plate, and perturbations with one well on each of two."""
    rng = np.random.default_rng(seed)
    plates = np.repeat(np.arange(PLATES), CONTROLS + WELLS)
    is_control = np.tile(np.arange(CONTROLS + WELLS) < CONTROLS, PLATES)
    plates = np.concatenate([plates, np.tile([0, 1], FEW)])
    is_control = np.concatenate([is_control, np.zeros(2 * FEW, dtype=bool)])
    n_large = PLATES * (CONTROLS + WELLS)
    units = [np.flatnonzero(~is_control[:n_large]), *(n_large + np.arange(2 * FEW).reshape(FEW, 2))]
    x = rng.normal(size=(len(plates), 5)) + rng.normal(size=(PLATES, 5))[plates]
    x[units[0]] += effect
    return x, units, is_control, plates


def asked(seed, n_permutations=49, **options):
    x, units, control, plates = screen(seed, **options)
    rng = np.random.default_rng(seed)
    return replicate_retrieval_p(x, units, control, plates, n_permutations=n_permutations, rng=rng)


def test_as_many_groups_as_possible_are_kept():
    groups = np.repeat(np.arange(30), 10)
    rows = np.arange(300)
    kept = spread_rows(rows, groups, np.random.default_rng(0))
    assert len(kept) == len(np.unique(kept)) == MOST_COMPARED
    assert np.bincount(groups[kept]).min() == 3
    assert_array_equal(spread_rows(rows[:100], groups, np.random.default_rng(0)), rows[:100])


def test_value_and_chance_are_those_of_all_wells(monkeypatch):
    x, units, control, plates = screen(0, effect=1.0)
    found = asked(0, effect=1.0)
    labels = np.full(len(x), -1)
    for number, rows in enumerate(units):
        labels[rows] = number
    ap = control_average_precision(x, labels, plates, control)
    assert_allclose(found.value, [ap[rows].mean() for rows in units])
    assert found.p[0] == 1 / 50
    for module in ("replicate_retrieval", "further_draws"):
        monkeypatch.setattr(f"phenolens.metrics.{module}.MOST_COMPARED", 1000)
    every = asked(0, effect=1.0)
    assert_allclose(every.value, found.value)
    assert found.chance[0] == pytest.approx(every.chance[0], abs=0.01)
    assert_array_equal(found.p[1:], every.p[1:])


@pytest.mark.simulation
def test_p_values_of_inactive_ones_hold_their_level():
    p = np.array([asked(seed).p[0] for seed in range(60)])
    for level in (0.05, 0.2):
        assert abs((p <= level).mean() - level) <= 3.5 * np.sqrt(level * (1 - level) / len(p))


def test_a_thousand_wells_before_a_thousand_controls_need_little_memory():
    script = """
import resource
import numpy as np
from phenolens.metrics import replicate_retrieval_p
x = np.random.default_rng(0).normal(size=(2000, 8))
control = np.arange(2000) < 1000
held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
rng = np.random.default_rng(0)
found = replicate_retrieval_p(x, [np.arange(1000, 2000)], control, np.zeros(2000, int), rng=rng)
assert 0 < found.p[0] <= 1 and abs(found.value[0] - found.chance[0]) < 0.02
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - held)
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert int(run.stdout) < 2**20  # KiB
