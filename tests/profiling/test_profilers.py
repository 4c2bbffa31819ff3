"""What each profiler promises of its own."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import norm, rankdata

from phenolens.core.errors import PhenolensWarning, ProfilingError
from phenolens.profiling import TVN, BatchCentre, Harmony, InverseNormal, PCACentreScale, RegressOut, RobustZ, Sphering


@pytest.mark.parametrize("profiler", [PCACentreScale(None), TVN(shrinkage=0.0), BatchCentre()])
def test_controls_of_each_plate_end_at_mean_zero(plates, profiler):
    x, controls, batch = plates(np.random.default_rng(0))
    y = profiler.fit_transform(x, controls=controls, batch=batch)
    for plate in ("p1", "p2"):
        assert_allclose(y[controls & (batch == plate)].mean(axis=0), 0, atol=1e-8)
    assert np.abs(y[~controls].mean(axis=0)).max() > 0.5


def test_pca_centre_scale_gives_controls_of_each_plate_unit_variance(plates):
    x, controls, batch = plates(np.random.default_rng(1))
    y = PCACentreScale(None).fit_transform(x, controls=controls, batch=batch)
    for plate in ("p1", "p2"):
        assert_allclose(y[controls & (batch == plate)].std(axis=0, ddof=1), 1)


@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_tvn_without_shrinkage_whitens_controls(plates, offset):
    x, controls, batch = plates(np.random.default_rng(2))
    y = TVN(shrinkage=0.0).fit_transform(x + offset, controls=controls, batch=batch)[controls]
    assert_allclose(y.T @ y / (len(y) - 2), np.eye(6), atol=1e-8)


def test_coral_gives_each_batch_the_covariance_of_all(plates):
    rng = np.random.default_rng(12)
    x, controls, batch = plates(rng)
    x[batch == "p2"] = x[batch == "p2"] @ rng.normal(size=(6, 6))
    plain, aligned = (
        TVN(shrinkage=0.0, coral=coral).fit_transform(x, controls=controls, batch=batch) for coral in (0.0, 1e-6)
    )
    for plate in ("p1", "p2"):
        own = controls & (batch == plate)
        assert np.abs(np.cov(plain[own], rowvar=False) - np.eye(6)).max() > 0.2
        assert_allclose(np.cov(aligned[own], rowvar=False), np.eye(6), atol=1e-4)


def test_tvn_with_fewer_controls_than_dimensions_keeps_them_all_and_says_so():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(40, 100)).astype(np.float32)
    controls = np.arange(40) < 12
    with pytest.warns(PhenolensWarning, match="12 negative controls are fewer than the dimensions"):
        y = TVN().fit_transform(x, controls=controls)
    assert y.shape == x.shape
    assert y.dtype == np.float32
    assert np.abs(y).max() < 100
    with pytest.raises(ProfilingError, match="is not invertible"):
        TVN(shrinkage=0.0).fit(x, controls=controls)


@pytest.mark.parametrize("profiler", [TVN, Sphering])
@pytest.mark.parametrize("shrinkage", ["automatic", -0.1, 1.5])
def test_a_shrinkage_out_of_range_is_refused(profiler, shrinkage):
    with pytest.raises(ProfilingError, match="shrinkage"):
        profiler(shrinkage=shrinkage).fit(np.eye(3))


def test_tvn_refuses_a_coral_below_zero():
    with pytest.raises(ProfilingError, match="coral"):
        TVN(coral=-1).fit(np.eye(3))


@pytest.mark.parametrize("offset", [0.0, 1000.0])
@pytest.mark.parametrize("method", ["zca", "pca", "zca-cor", "pca-cor"])
def test_sphering_whitens_controls(plates, method, offset):
    x, controls, _ = plates(np.random.default_rng(5))
    y = Sphering(method, shrinkage=0.0).fit_transform(x + offset, controls=controls)[controls]
    assert_allclose(y.mean(axis=0), 0, atol=1e-8)
    assert_allclose(np.cov(y, rowvar=False), np.eye(6), atol=1e-7)


def test_zca_cor_keeps_features_nearest_to_themselves(plates):
    x, controls, _ = plates(np.random.default_rng(6))
    y = Sphering("zca-cor", shrinkage=0.0).fit_transform(x, controls=controls)
    own = np.corrcoef(x[controls], y[controls], rowvar=False)[:6, 6:]
    assert (np.diag(own) > 0).all()
    with pytest.raises(ProfilingError, match="did you mean 'zca'"):
        Sphering("zac").fit(x)


def test_robust_z_ignores_outliers():
    rng = np.random.default_rng(7)
    x = rng.normal(5, 2, size=(2000, 2))
    x[:200] = 1e6
    y = RobustZ().fit_transform(x)
    assert_allclose([np.median(y[200:, 0]), y[200:, 0].std()], [0, 1], atol=0.3)


def test_inverse_normal_gives_normal_quantiles_of_ranks():
    x = np.random.default_rng(8).lognormal(size=(200, 3))
    y = InverseNormal().fit_transform(x)
    ranks = rankdata(x[:, 0])
    assert (np.argsort(y[:, 0]) == np.argsort(ranks)).all()
    inner = (ranks > 10) & (ranks < 190)
    assert_allclose(y[inner, 0], norm.ppf((ranks[inner] - 0.5) / 200), atol=0.05)


def test_regressing_out_takes_the_covariate_and_leaves_the_effect():
    rng = np.random.default_rng(9)
    count, controls = rng.normal(100, 20, size=400), np.arange(400) < 200
    x = np.outer(count, [1.0, -2.0]) + rng.normal(size=(400, 2))
    x[300:, 0] += 50
    y = RegressOut().fit_transform(x, controls=controls, covariates=count)
    assert abs(np.corrcoef(count[controls], y[controls, 0])[0, 1]) < 1e-8
    assert abs(y[300:, 0].mean() - y[200:300, 0].mean() - 50) < 1
    with pytest.raises(ProfilingError, match="3 rows of covariates"):
        RegressOut().fit(x, covariates=count[:3])
    with pytest.raises(ProfilingError, match="row 1 has a covariate that is missing"):
        RegressOut().fit(x, covariates=np.where(np.arange(400) == 1, np.nan, count))
    with pytest.raises(ProfilingError, match="0 covariates, but the regression was fitted on 1"):
        RegressOut().fit(x, covariates=count).transform(x)


def test_harmony_mixes_batches_and_has_no_rule_for_new_rows():
    rng = np.random.default_rng(10)
    batch, kind = np.repeat(["a", "b"], 150), np.tile([0, 1, 2], 100)
    x = rng.normal(size=(300, 5)) + 6 * np.eye(3, 5)[kind]
    x[batch == "b"] += 3
    fitted = Harmony().fit(x, batch=batch)
    y = fitted.transform(x, batch=batch)

    def apart(z):
        return np.linalg.norm(z[batch == "a"].mean(axis=0) - z[batch == "b"].mean(axis=0))

    assert apart(y) < 0.3 * apart(x)
    with pytest.raises(ProfilingError, match="cannot correct new rows"):
        fitted.transform(x + 1, batch=batch)
    with pytest.raises(ProfilingError, match="needs at least two batches"):
        Harmony().fit(x)


@pytest.mark.parametrize("exponent", [-400, 400, 500])
@pytest.mark.parametrize("method", ["zca", "pca", "zca-cor", "pca-cor"])
def test_sphering_is_the_same_in_units_whose_squares_no_number_holds(method, exponent):
    x = np.random.default_rng(0).normal(size=(60, 7)) * np.arange(1, 8)
    controls = np.arange(60) < 30
    one, other = (Sphering(method).fit(rows, controls=controls).transform(rows) for rows in (x, x * 2.0**exponent))
    assert np.isfinite(one).all()
    np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9)
