"""Random Fourier features of a few numbers: cosines that fall with distance, and what that changes for a count."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from numpy.testing import assert_allclose

from phenolens.core.errors import PhenolensWarning
from phenolens.evaluation import evaluate
from phenolens.metrics import cosine_similarity
from phenolens.profiling import RandomFourierFeatures, parse_profiling, profile
from phenolens.tasks import make_task


def test_the_waves_are_the_gaussian_of_the_distance_and_the_numbers_stand_beside_them():
    rng = np.random.default_rng(0)
    for d in (1, 2, 3):
        x = rng.normal(5, 3, (200, d))
        found = RandomFourierFeatures().fit_transform(x)
        z = (x - x.mean(0)) / x.std(0, ddof=1)
        assert_allclose(found[:, :d], z / np.sqrt(d))
        waves = found[:, d:]
        assert_allclose(np.linalg.norm(waves, axis=1), 1)
        expected = np.exp(-((z[:, None] - z[None]) ** 2).sum(-1) / (2 * d))
        error = np.abs(waves @ waves.T - expected)
        assert error[expected > 0.8].max() < 0.03
        assert error.max() < 0.2


def test_on_either_side_the_nearest_are_most_alike():
    x = np.linspace(-3, 3, 121)[:, None]
    cosine = cosine_similarity(RandomFourierFeatures().fit_transform(x))
    for middle in (20, 60, 100):
        assert cosine[middle].argsort()[-3:].tolist()[-1] == middle
        assert (np.diff(cosine[middle, middle : middle + 20]) < 0).all()
        assert (np.diff(cosine[middle, middle - 20 : middle + 1]) > 0).all()
    assert cosine[0, 20] > cosine[0, 60] > cosine[0, 100]


def test_a_constant_stays_finite_and_alike():
    found = RandomFourierFeatures().fit_transform(np.full((5, 2), 3.0))
    assert_allclose(cosine_similarity(found), 1)


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


def test_a_count_finds_its_replicates_only_if_expanded():
    task = make_task("replicate-retrieval", measures="distinctiveness", n_permutations=100)
    found = {
        name: evaluate({name: counts()}, [task], profilings=["batch-centre@on=all"]).scores[0].score.value
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
    assert profile(plain, form="quantities", level="site").shape == (30, 258)


def test_the_old_name_is_read_with_a_warning():
    with pytest.warns(PhenolensWarning, match="'spread' is a former spelling; write 'random-fourier-features'"):
        (step,) = parse_profiling("spread")
    assert isinstance(step.profiler, RandomFourierFeatures)
    (new,) = parse_profiling("random-fourier-features")  # warnings of ours are errors here
    assert isinstance(new.profiler, RandomFourierFeatures)
