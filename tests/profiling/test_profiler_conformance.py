"""What every profiler promises, by one suite over all of them; and scikit-learn's own checks."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

from phenolens.core.errors import ProfilingError
from phenolens.profiling import (
    PROFILERS,
    TVN,
    ArmCentre,
    BatchCentre,
    InverseNormal,
    PCACentreScale,
    RegressOut,
    RobustZ,
    Sphering,
)

# Harmony has no rule for new rows, which scikit-learn's checks demand.
SCIKIT_LEARN = [
    PCACentreScale(),
    TVN(shrinkage=0.5),
    TVN(shrinkage=0.5, coral=0.5),
    Sphering(shrinkage=0.5),
    Sphering("pca-cor", shrinkage=0.5),
    RobustZ(),
    BatchCentre(),
    InverseNormal(),
    RegressOut(),
    ArmCentre(),
]
EVERY = [pytest.param(profiler(), id=name) for name, profiler in PROFILERS.items()]
BY_BATCH = [
    pytest.param(PROFILERS[name](), id=name) for name in ("tvn", "pca-centre-scale", "robust-z", "batch-centre")
]


@parametrize_with_checks(SCIKIT_LEARN)
def test_scikit_learn_contract(estimator, check):
    check(estimator)


@pytest.fixture
def screen(plates):
    return plates(np.random.default_rng(0), 60, 30)


@pytest.mark.parametrize("profiler", EVERY)
def test_fitting_twice_is_the_same_and_leaves_the_input_alone(profiler, screen):
    x, controls, batch = screen
    before = x.copy()
    first = profiler.fit_transform(x, controls=controls, batch=batch)
    again = clone(profiler).fit(x, controls=controls, batch=batch).transform(x, batch=batch)
    assert_array_equal(first, again)
    assert_array_equal(x, before)
    assert first.shape[0] == len(x)
    assert np.isfinite(first).all()


@pytest.mark.parametrize("profiler", EVERY)
def test_float32_stays_float32_and_says_the_same(profiler, screen):
    x, controls, batch = screen
    double = profiler.fit_transform(x, controls=controls, batch=batch)
    single = profiler.fit_transform(x.astype(np.float32), controls=controls, batch=batch)
    assert single.dtype == np.float32
    assert_allclose(np.abs(single), np.abs(double), rtol=0.02, atol=0.02)


@pytest.mark.parametrize("profiler", [p for p in EVERY if p.id != "harmony"])
@pytest.mark.parametrize("far", [1e3, 1e5])
def test_a_large_common_part_loses_nothing_in_float32(profiler, far, screen):
    x, controls, batch = screen
    x = (x + far).astype(np.float32)  # what float32 holds of it
    double = profiler.fit_transform(x.astype(np.float64), controls=controls, batch=batch)
    single = profiler.fit_transform(x, controls=controls, batch=batch)
    off = np.abs(np.abs(single - single.mean(axis=0, dtype=float)) - np.abs(double - double.mean(axis=0)))
    assert off.max() <= 0.002 * double.std(axis=0).max() + np.finfo(np.float32).eps * np.abs(single).max()


@pytest.mark.parametrize("profiler", [p for p in EVERY if p.id != "harmony"])
def test_the_order_of_rows_does_not_matter(profiler, screen):
    x, controls, batch = screen
    order = np.random.default_rng(1).permutation(len(x))
    found = profiler.fit_transform(x, controls=controls, batch=batch)
    shuffled = profiler.fit_transform(x[order], controls=controls[order], batch=batch[order])
    assert_allclose(np.abs(shuffled), np.abs(found[order]), atol=1e-6)


@pytest.mark.parametrize("profiler", EVERY)
def test_constant_features_and_names_of_batches_do_no_harm(profiler, screen):
    x, controls, batch = screen
    x[:, 2] = 7.1
    found = profiler.fit_transform(x, controls=controls, batch=batch)
    assert np.isfinite(found).all()
    numbered = profiler.fit_transform(x, controls=controls, batch=(batch == "p2").astype(int))
    assert_allclose(numbered, found)


@pytest.mark.filterwarnings("ignore:.*negative controls are fewer")
@pytest.mark.parametrize("profiler", EVERY)
def test_more_dimensions_than_controls_are_handled(plates, profiler):
    x, controls, batch = plates(np.random.default_rng(2), 5, 20, 40)
    found = profiler.fit_transform(x, controls=controls, batch=batch)
    assert np.isfinite(found).all()
    assert np.abs(found).max() < 1e4


@pytest.mark.parametrize("profiler", BY_BATCH)
def test_one_control_in_a_batch_is_refused_by_name(profiler, screen):
    x, controls, batch = screen
    lonely = controls & ((batch == "p1") | (np.arange(len(x)) == 90))
    with pytest.raises(ProfilingError, match="batch 'p2' needs at least 2 negative controls, found 1"):
        profiler.fit(x, controls=lonely, batch=batch)


@pytest.mark.parametrize("profiler", BY_BATCH)
def test_an_unknown_batch_is_refused_by_name(profiler, screen):
    x, controls, batch = screen
    fitted = profiler.fit(x, controls=controls, batch=batch)
    with pytest.raises(ProfilingError, match="batch 'p9' was not among the rows"):
        fitted.transform(x[:1], batch=np.array(["p9"]))


@pytest.mark.parametrize("profiler", EVERY)
def test_wrong_masks_and_labels_are_refused(profiler, screen):
    x, controls, batch = screen
    with pytest.raises(ProfilingError, match="needs at least 2 negative controls, found 0"):
        profiler.fit(x, controls=np.zeros(len(x), bool), batch=batch)
    with pytest.raises(ProfilingError, match="mask of 180 booleans"):
        profiler.fit(x, controls=controls[:3], batch=batch)
    with pytest.raises(ProfilingError, match="2 batch labels"):
        profiler.fit(x, controls=controls, batch=np.array(["p1", "p2"]))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("profiler", EVERY)
def test_missing_and_infinite_values_are_refused(profiler, bad, screen):
    x, controls, batch = screen
    x[3, 1] = bad
    with pytest.raises(ValueError, match=r"NaN|infinity"):
        profiler.fit(x, controls=controls, batch=batch)
