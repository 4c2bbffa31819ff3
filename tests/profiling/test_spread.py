"""Few numbers spread: cosines that fall with distance, and what that changes for a count."""

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.testing import assert_allclose

from phenolens.metrics import cosine_similarity
from phenolens.profiling import Spread, profile
from phenolens.tasks import evaluate, make_task


def test_cosines_are_the_gaussian_of_the_distance():
    rng = np.random.default_rng(0)
    for d in (1, 2, 3):
        x = rng.normal(5, 3, (200, d))
        spread = Spread().fit_transform(x)
        z = (x - x.mean(0)) / x.std(0, ddof=1)
        expected = np.exp(-((z[:, None] - z[None]) ** 2).sum(-1) / (2 * d))
        assert_allclose(np.linalg.norm(spread, axis=1), 1)
        error = np.abs(spread @ spread.T - expected)
        assert error[expected > 0.8].max() < 0.03
        assert error.max() < 0.2


def test_near_ones_rank_by_distance():
    x = np.linspace(-2, 2, 101)[:, None]
    cosine = cosine_similarity(Spread().fit_transform(x))
    assert (np.diff(cosine[50, 50:75]) < 0).all()


def test_a_constant_stays_finite_and_alike():
    spread = Spread().fit_transform(np.full((5, 2), 3.0))
    assert_allclose(spread @ spread.T, 1)


def counts(seed=0):
    """Six perturbations of four replicates, each with a count of its own."""
    rng = np.random.default_rng(seed)
    names = np.repeat([f"p{index}" for index in range(6)], 4)
    x = 100 + 40 * np.repeat(np.arange(6), 4) + rng.normal(0, 3, 24)
    obs = pd.DataFrame(
        {"perturbation": names, "role": "treatment", "plate": "a", "well": [f"A{i + 1}" for i in range(24)]}
    )
    obs.index = [str(index) for index in range(24)]
    return AnnData(x[:, None].astype(np.float32), obs=obs)


def test_a_count_finds_its_replicates_only_if_spread():
    task = make_task("replicate-retrieval", against="others", n_permutations=100)
    found = {
        name: evaluate({name: counts()}, [task], profilings=["batch-centre@on=all"]).answers[0].score.value
        for name in ("cell-count", "my-count")
    }
    assert found["cell-count"] > 0.95
    assert found["my-count"] < 0.6


def test_measurements_in_unlike_units_are_put_on_one_scale():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(30, 2)) * [1000, 0.1] + [5000, 3]
    plain = AnnData(x.astype(np.float32), obs=pd.DataFrame(index=map(str, range(30))))
    found = profile(plain, form="measurements", level="site").X
    assert_allclose(found.mean(axis=0), 0, atol=1e-5)
    assert_allclose(found.std(axis=0), 1, rtol=1e-5)
    assert profile(plain, level="site") is plain
    assert profile(plain, form="quantities", level="site").shape == (30, 256)
