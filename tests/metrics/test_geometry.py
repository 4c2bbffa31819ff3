"""Shapes of clouds, by brute force and by what is known of them."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.spatial.distance import pdist
from scipy.stats import spearmanr

from phenolens.metrics import (
    hubness,
    linear_cka,
    participation_ratio,
    similarity_rank_correlation,
    top_share,
    uniformity,
    variance_spectrum,
)


@pytest.mark.parametrize("shape", [(40, 5), (5, 40)])
def test_spectrum_equals_the_covariance_of_numpy(shape):
    x = np.random.default_rng(0).normal(size=shape) * 3 + 7
    expected = np.linalg.eigvalsh(np.cov(x, rowvar=False))[::-1][: min(shape)]
    assert_allclose(variance_spectrum(x), expected, atol=1e-10)


def test_rank_of_known_spectra():
    assert participation_ratio(np.ones(7)) == pytest.approx(7)
    assert participation_ratio(np.array([5.0, 0, 0])) == pytest.approx(1)
    assert top_share(np.array([3.0, 1.0])) == 0.75
    nothing = variance_spectrum(np.ones((4, 3)))
    assert np.isnan(participation_ratio(nothing))
    assert np.isnan(top_share(nothing))


def test_uniformity_equals_brute_force():
    x = np.random.default_rng(1).normal(size=(30, 4))
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    assert_allclose(uniformity(x), np.log(np.exp(-2 * pdist(unit) ** 2).mean()))
    assert_allclose(uniformity(np.ones((5, 3))), 0, atol=1e-12)
    assert np.isnan(uniformity(np.ones((1, 3))))


def test_hubness():
    assert hubness(np.array([[1], [0], [3], [2]])) == 0
    assert hubness(np.array([[1], [0], [0], [0], [0], [0]])) > 1


@pytest.mark.parametrize("n", [10, 60])
def test_cka_is_one_under_rotation_and_scale_and_low_for_noise(n):
    rng = np.random.default_rng(2)
    x = rng.normal(size=(n, 20))
    rotation = np.linalg.qr(rng.normal(size=(20, 20)))[0]
    assert_allclose(linear_cka(x, 3 * x @ rotation + 5), 1)
    y = rng.normal(size=(n, 25))
    gram_x, gram_y = ((a - a.mean(axis=0)) @ (a - a.mean(axis=0)).T for a in (x, y))
    expected = (gram_x * gram_y).sum() / np.linalg.norm(gram_x) / np.linalg.norm(gram_y)
    assert_allclose(linear_cka(x, y), expected)
    assert np.isnan(linear_cka(x, np.ones((n, 2))))
    with pytest.raises(ValueError, match="cannot be matched"):
        linear_cka(x, y[1:])


def test_rank_correlation_of_similarities():
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(20, 4)), rng.normal(size=(20, 6))
    unit = [a / np.linalg.norm(a, axis=1, keepdims=True) for a in (x, y)]
    expected = spearmanr(*((u @ u.T)[np.triu_indices(20, 1)] for u in unit)).statistic
    assert_allclose(similarity_rank_correlation(x, y), expected)
    assert_allclose(similarity_rank_correlation(x, 2 * x), 1)
    assert np.isnan(similarity_rank_correlation(x, np.ones((20, 2))))
    with pytest.raises(ValueError, match="cannot be matched"):
        similarity_rank_correlation(x, y[1:])
