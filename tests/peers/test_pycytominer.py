"""Sphering and robust z against pycytominer."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from pycytominer.operations import RobustMAD, Spherize

from phenolens.profiling import RobustZ, Sphering


@pytest.mark.parametrize("method", ["ZCA", "PCA", "ZCA-cor", "PCA-cor"])
def test_sphering_is_equal_up_to_its_epsilon(method):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 6)) @ rng.normal(size=(6, 6)) + 5
    table = pd.DataFrame(x)
    expected = Spherize(epsilon=1e-9, method=method, return_numpy=True).fit(table).transform(table)
    found = Sphering(method.lower(), shrinkage=0.0).fit_transform(x)
    # Principal components come in one order and sign or another.
    assert_allclose(found @ found.T, np.asarray(expected) @ np.asarray(expected).T, rtol=1e-4, atol=1e-4)
    if method.startswith("ZCA"):
        assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_robust_z_is_equal():
    x = pd.DataFrame(np.random.default_rng(1).normal(size=(50, 4)))
    assert_allclose(RobustZ().fit_transform(x.to_numpy()), RobustMAD().fit(x).transform(x), rtol=1e-4)
