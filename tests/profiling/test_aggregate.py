"""Averages of groups."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from numpy.testing import assert_allclose
from scipy.stats import trim_mean

from phenolens.core.errors import ProfilingError
from phenolens.profiling import aggregate


def wells(x, groups, **columns):
    obs = pd.DataFrame({"gene": groups, **columns}, index=[f"w{i}" for i in range(len(x))])
    return AnnData(np.asarray(x, dtype="f4"), obs=obs)


@pytest.mark.parametrize(
    ("how", "function"),
    [
        ("mean", lambda rows: rows.mean(axis=0)),
        ("median", lambda rows: np.median(rows, axis=0)),
        ("trimmed", lambda rows: trim_mean(rows, 0.2, axis=0)),
    ],
)
def test_averages_equal_a_loop(how, function):
    x, groups = np.random.default_rng(0).normal(size=(20, 3)).astype("f4"), np.array(list("abcda" * 4))
    found = aggregate(wells(x, groups), ["gene"], how)
    assert found.obs_names.tolist() == ["a", "b", "c", "d"]
    assert_allclose(found.X, [function(x[groups == name]) for name in "abcd"], rtol=1e-5)
    assert found.obs["n_averaged"].tolist() == [8, 4, 4, 4]


def test_a_row_that_disagrees_counts_for_less():
    rng = np.random.default_rng(1)
    truth = rng.normal(size=400)
    x = np.stack([truth + 0.3 * rng.normal(size=400) for _ in range(4)] + [truth + 5 * rng.normal(size=400)])
    found = aggregate(wells(x, list("aaaaa")), ["gene"], "covariance-weighted").X[0]
    plain = aggregate(wells(x, list("aaaaa")), ["gene"]).X[0]
    assert np.linalg.norm(found - truth) < 0.5 * np.linalg.norm(plain - truth)


def test_covariance_weights_of_few_or_equal_rows_are_equal():
    x = np.array([[1.0, 2.0], [3.0, 6.0], [5.0, 5.0], [5.0, 5.0], [5.0, 5.0]])
    found = aggregate(wells(x, list("aabbb")), ["gene"], "covariance-weighted")
    assert_allclose(found.X, [[2, 4], [5, 5]])


def test_metadata_that_differ_within_a_group_are_dropped_and_views_are_taken():
    data = wells(np.eye(4), list("aabb"), plate=list("1122"), well=list("wxyz"))
    found = aggregate(data[:3], ["gene"])
    assert list(found.obs) == ["gene", "plate", "n_averaged"]
    assert found.obs["plate"].tolist() == ["1", "2"]


def test_averages_are_named_by_what_they_are_of_and_can_be_averaged_again():
    data = wells(np.eye(4), list("aabb"), plate=list("1122"), well=list("xyxx"))
    once = aggregate(data, ["plate", "well"])
    assert once.obs_names.tolist() == ["1_x", "1_y", "2_x"]
    assert aggregate(once, ["plate"]).obs_names.tolist() == ["1", "2"]


def test_refusals():
    data = wells(np.eye(3), ["a", "b", None])
    with pytest.raises(ProfilingError, match="row 'w2' has no value in column 'gene'"):
        aggregate(data, ["gene"])
    with pytest.raises(ProfilingError, match="did you mean 'gene'"):
        aggregate(data, ["genes"])
    with pytest.raises(ProfilingError, match="did you mean 'median'"):
        aggregate(data, ["gene"], "medain")
