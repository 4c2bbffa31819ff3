"""Profilers: scikit-learn's own checks, what they promise, and what they refuse."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.utils.estimator_checks import parametrize_with_checks

from phenolens.errors import PhenolensWarning, ProfilingError
from phenolens.profiling import TVN, PCACentreScale

PROFILERS = [PCACentreScale(), TVN(shrinkage=0.5)]


@parametrize_with_checks(PROFILERS)
def test_scikit_learn_contract(estimator, check):
    check(estimator)


def plates(rng, n_controls=200, n_treated=50, d=6):
    """Two plates with an offset and a scale of their own, correlated features, and an effect."""
    batch = np.repeat(["p1", "p2"], n_controls + n_treated)
    controls = np.tile(np.arange(n_controls + n_treated) < n_controls, 2)
    x = rng.normal(size=(len(batch), d)) @ rng.normal(size=(d, d))
    x[~controls] += 3
    x[batch == "p2"] = 2 * x[batch == "p2"] + 100
    return x, controls, batch


@pytest.mark.parametrize("profiler", [PCACentreScale(None), TVN(shrinkage=0.0)])
def test_controls_of_each_plate_end_at_mean_zero(profiler):
    x, controls, batch = plates(np.random.default_rng(0))
    y = profiler.fit_transform(x, controls=controls, batch=batch)
    for plate in ("p1", "p2"):
        assert_allclose(y[controls & (batch == plate)].mean(axis=0), 0, atol=1e-8)
    assert np.abs(y[~controls].mean(axis=0)).max() > 0.5


def test_pca_centre_scale_gives_controls_of_each_plate_unit_variance():
    x, controls, batch = plates(np.random.default_rng(1))
    y = PCACentreScale(None).fit_transform(x, controls=controls, batch=batch)
    for plate in ("p1", "p2"):
        assert_allclose(y[controls & (batch == plate)].std(axis=0, ddof=1), 1)


@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_tvn_without_shrinkage_whitens_controls(offset):
    x, controls, batch = plates(np.random.default_rng(2))
    y = TVN(shrinkage=0.0).fit_transform(x + offset, controls=controls, batch=batch)[controls]
    assert_allclose(y.T @ y / (len(y) - 2), np.eye(6), atol=1e-8)


def test_tvn_with_fewer_controls_than_dimensions_keeps_them_all_and_says_so():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(40, 100)).astype(np.float32)
    controls = np.arange(40) < 12
    with pytest.warns(PhenolensWarning, match="12 negative controls are fewer than the dimensions"):
        y = TVN().fit_transform(x, controls=controls)
    assert y.shape == x.shape
    assert y.dtype == np.float32
    assert np.abs(y).max() < 100
    with pytest.raises(ProfilingError, match="has no inverse"):
        TVN(shrinkage=0.0).fit(x, controls=controls)


@pytest.mark.parametrize("profiler", [PCACentreScale(None), TVN()])
def test_a_feature_that_is_constant_among_controls_stays_finite(profiler):
    x, controls, batch = plates(np.random.default_rng(4))
    x[:, 0] = 7.1
    assert np.isfinite(profiler.fit_transform(x, controls=controls, batch=batch)).all()


@pytest.mark.parametrize("profiler", PROFILERS)
def test_input_is_not_changed_and_fitting_twice_is_the_same(profiler):
    x, controls, batch = plates(np.random.default_rng(5))
    before = x.copy()
    first = profiler.fit_transform(x, controls=controls, batch=batch)
    assert_allclose(profiler.fit_transform(x, controls=controls, batch=batch), first)
    assert_allclose(x, before)


@pytest.mark.parametrize("profiler", PROFILERS)
def test_refusals(profiler):
    x, controls, batch = plates(np.random.default_rng(6))
    with pytest.raises(ProfilingError, match="0 negative controls"):
        profiler.fit(x, controls=np.zeros(len(x), bool))
    with pytest.raises(ProfilingError, match="mask of 500 booleans"):
        profiler.fit(x, controls=controls[:3])
    one = controls & ((batch == "p1") | (np.arange(len(x)) == 250))
    with pytest.raises(ProfilingError, match="batch 'p2' has 1 negative controls"):
        profiler.fit(x, controls=one, batch=batch)
    fitted = profiler.fit(x, controls=controls, batch=batch)
    with pytest.raises(ProfilingError, match="batch 'p9' was not there"):
        fitted.transform(x[:1], batch=np.array(["p9"]))
    with pytest.raises(ProfilingError, match="2 batch labels"):
        fitted.transform(x, batch=np.array(["p1", "p2"]))


@pytest.mark.parametrize("shrinkage", ["automatic", -0.1, 1.5])
def test_tvn_refuses_a_shrinkage_out_of_range(shrinkage):
    with pytest.raises(ProfilingError, match="shrinkage"):
        TVN(shrinkage).fit(np.eye(3))
