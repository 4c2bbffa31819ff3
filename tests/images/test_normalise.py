"""Normalisation against float64."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from phenolens.core.errors import ImageError
from phenolens.images import scale_to_unit, self_standardise, standardise


@pytest.mark.parametrize(
    ("dtype", "offset", "spread"),
    [
        (np.uint8, 100, 20),
        (np.uint16, 60_000, 2),
        (np.uint16, 300, 100),
        (np.float32, 0, 1e-3),
        (np.float64, 1e7, 1),
    ],
)
def test_self_standardise_equals_float64(dtype, offset, spread):
    x = np.random.default_rng(0).normal(offset, spread, (3, 2, 40, 50)).astype(dtype)
    wide = x.astype(np.float64)
    expected = (wide - wide.mean((2, 3), keepdims=True)) / wide.std((2, 3), keepdims=True)
    before = x.copy()
    found = self_standardise(torch.from_numpy(x))
    assert found.dtype == torch.float32
    assert_allclose(found, expected, atol=2e-5)
    assert (x == before).all()


@pytest.mark.parametrize("value", [0, 7, 60_000])
def test_a_constant_channel_becomes_zeros(value):
    assert not self_standardise(torch.from_numpy(np.full((1, 2, 9, 9), value, np.uint16))).any()


def test_images_and_channels_do_not_mix():
    x = torch.rand(4, 3, 16, 16)
    alone = torch.cat([self_standardise(x[i : i + 1, j : j + 1]) for i in range(4) for j in range(3)])
    assert_allclose(self_standardise(x), alone.view(4, 3, 16, 16), atol=1e-5)


def test_scale_to_unit():
    for dtype, full in ((np.uint8, 255), (np.uint16, 65_535)):
        pixels = torch.from_numpy(np.array([[[[0, full]]]], dtype))
        assert_allclose(scale_to_unit(pixels), [[[[0, 1]]]])
    assert_allclose(scale_to_unit(torch.tensor([[[[0.5]]]])), 0.5)
    with pytest.raises(ImageError, match="no full scale"):
        scale_to_unit(torch.zeros(1, 1, 2, 2, dtype=torch.int32))


def test_standardise_with_given_statistics():
    x = torch.rand(2, 3, 5, 5)
    mean, sd = [0.1, 0.2, 0.3], [1.0, 2.0, 4.0]
    expected = (x.numpy() - np.reshape(mean, (1, 3, 1, 1))) / np.reshape(sd, (1, 3, 1, 1))
    assert_allclose(standardise(x, mean, sd), expected, rtol=1e-5, atol=1e-7)  # near its mean a pixel has few digits
    with pytest.raises(ImageError, match="3 channels but 2 means"):
        standardise(x, mean[:2], sd)
    with pytest.raises(ImageError, match="must be positive"):
        standardise(x, mean, [1.0, 0.0, 1.0])
    with pytest.raises(ImageError, match=r"\(B, C, H, W\)"):
        self_standardise(x[0])
