"""Averages and the way from sites to profiles."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from numpy.testing import assert_allclose

from phenolens.core.errors import ProfilingError
from phenolens.profiling import aggregate, profile


@pytest.fixture
def sites():
    obs = pd.DataFrame(
        {
            "plate": ["1", "1", "1", "1"],
            "well": ["B", "A", "B", "A"],
            "role": ["treatment", "negative_control"] * 2,
            "site": ["1", "1", "2", "2"],
        },
        index=list("abcd"),
    ).astype("category")
    return AnnData(np.array([[1.0, 0], [2, 0], [3, 2], [4, 4]], "f4"), obs=obs)


def test_aggregate_is_the_mean_in_order_of_appearance(sites):
    wells = aggregate(sites, ["plate", "well"])
    assert wells.obs_names.tolist() == ["1_B", "1_A"]
    assert_allclose(wells.X, [[2, 1], [3, 2]])
    assert wells.obs["n_averaged"].tolist() == [2, 2]
    assert wells.X.dtype == np.float32


def test_only_metadata_that_a_group_shares_survive(sites):
    wells = aggregate(sites, ["plate", "well"])
    assert "role" in wells.obs
    assert "site" not in wells.obs


def test_aggregate_refuses_missing_columns_and_values(sites):
    with pytest.raises(ProfilingError, match="no column 'wel' to average over; did you mean 'well'"):
        aggregate(sites, ["wel"])
    sites.obs["well"] = pd.Categorical(["A", None, "B", "B"])
    with pytest.raises(ProfilingError, match="row 'b' has no value in column 'well'"):
        aggregate(sites, ["well"])


def test_profile_levels(sites):
    assert profile(sites).n_obs == 2
    assert profile(sites, level="site").n_obs == 4


def test_profile_without_controls_is_refused(sites):
    sites.obs["role"] = "treatment"
    with pytest.raises(ProfilingError, match="no row has role 'negative_control'"):
        profile(sites, "tvn")
