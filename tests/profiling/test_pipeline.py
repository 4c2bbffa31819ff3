"""Profilers by name, and one after another."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from numpy.testing import assert_allclose

from phenolens.core.errors import ProfilingError
from phenolens.profiling import TVN, InverseNormal, RobustZ, parse_profiling, profile


@pytest.fixture
def wells():
    rng = np.random.default_rng(0)
    obs = pd.DataFrame({"batch": np.repeat(["a", "b"], 30), "design": np.tile(["1", "2"], 30)})
    obs["role"] = np.where(np.arange(60) % 3 == 0, "negative_control", "treatment")
    obs["cell_count"] = rng.normal(100, 10, 60)
    obs.index = [f"w{i}" for i in range(60)]
    return AnnData(rng.normal(size=(60, 4)).astype("f4"), obs=obs)


def test_options_reach_the_profiler():
    (step,) = parse_profiling("tvn@coral=0.5,shrinkage=0.1")
    assert step.profiler.get_params() == TVN(coral=0.5, shrinkage=0.1).get_params()
    assert step.on_controls
    first, second = parse_profiling("robust-z@on=all+inverse-normal")
    assert isinstance(first.profiler, RobustZ)
    assert isinstance(second.profiler, InverseNormal)
    assert not first.on_controls
    assert not second.on_controls
    assert parse_profiling("raw") == []


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("tvm", "did you mean 'tvn'"),
        ("tvn@corral=1", "did you mean 'coral'"),
        ("tvn@coral", "expected each option once as name=value, found 'coral'"),
        ("tvn@on=treatments", "on must be 'controls' or 'all', found 'treatments'"),
        ("regress-out", "name the covariates"),
        ("tvn@covariates=x", "has no option 'covariates'"),
        ("robust-z+", "no profiling ''"),
    ],
)
def test_names_that_stand_for_nothing(how, message):
    with pytest.raises(ProfilingError, match=message):
        parse_profiling(how)


def test_steps_follow_one_another_within_batches_of_several_columns(wells):
    found = profile(wells, "robust-z@on=all+batch-centre@on=all", batch_by=["batch", "design"])
    expected = np.empty((60, 4))
    for _, rows in wells.obs.reset_index().groupby(["batch", "design"]).groups.items():
        scaled = RobustZ().fit_transform(wells.X[rows])
        expected[rows] = scaled - scaled.mean(axis=0)
    assert_allclose(found.X, expected, atol=1e-5)
    assert "fitted_on" not in found.obs


def test_controls_are_held_out_only_where_they_are_fitted_on(wells):
    assert "fitted_on" in profile(wells, "robust-z", hold_out=True).obs
    assert "fitted_on" not in profile(wells, "inverse-normal", hold_out=True).obs


def test_covariates_come_from_metadata(wells):
    wells.X[:, 0] = wells.obs["cell_count"]
    found = profile(wells, "regress-out@covariates=cell_count,on=all")
    assert_allclose(found.X[:, 0], wells.obs["cell_count"].mean(), atol=1e-3)
    with pytest.raises(ProfilingError, match="did you mean 'cell_count'"):
        profile(wells, "regress-out@covariates=cell_counts")
    with pytest.raises(ProfilingError, match="column 'role' to regress out holds 'negative_control'"):
        profile(wells, "regress-out@covariates=role")


def test_refusals(wells):
    with pytest.raises(ProfilingError, match="no column 'plates' to define batches"):
        profile(wells, "robust-z", batch_by=["plates"])
    wells.obs["role"] = "treatment"
    with pytest.raises(ProfilingError, match="write @on=all"):
        profile(wells, "robust-z")
    wells.obs["batch"] = [None, *wells.obs["batch"][1:]]
    with pytest.raises(ProfilingError, match="row 'w0' has no value in column 'batch'"):
        profile(wells, "robust-z@on=all", batch_by=["batch"])
