"""One contract for every encoder."""

import numpy as np
import pytest
import timm
import torch
from numpy.testing import assert_allclose
from safetensors.torch import save_file

from phenolens.core.errors import EncoderError
from phenolens.encoders import Encoder, create_encoder

CHANNELS = ("dna", "er", "actin")
NAMES = [
    "pixel-statistics",
    "power-spectrum",
    "cell-count",
    "area-fraction",
    "classical-features",
    "cell-graph/density",
    "cell-graph/positions",
    "cell-graph/morphology@edges=knn",
    "random-convolutions",
    "random-convolutions@mixing=joint,seed=2",
    "untrained/vit_small_patch16",
    "untrained/channel_vit_tiny_patch16",
    "untrained/resnet18@init=orthogonal",
    "untrained/resnet18@init=scaled",
    "twin/timm/test_vit@mixing=joint",
    "twin/timm/test_resnet",
    pytest.param("untrained/vit_small_patch16@mixing=concat,seed=1", marks=pytest.mark.slow),
    "untrained/resnet18",
    "untrained/resnet18@mixing=concat",
    "timm/test_vit@mixing=joint",
    "timm/test_resnet",
]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Local weights for timm's smallest models: a replica of what the hub would send."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(7)
    for name in ("test_vit", "test_resnet"):
        save_file(timm.create_model(name, pretrained=False).state_dict(), folder / f"{name}.safetensors")
    return folder


@pytest.fixture(params=NAMES, scope="module")
def encoder(request, weights):
    name = request.param
    if name.startswith("timm/"):
        base, _, options = name.partition("@")
        path = weights / f"{base.removeprefix('timm/')}.safetensors"
        name = f"{base}@" + ",".join(part for part in (options, f"weights={path}") if part)
    return create_encoder(name, CHANNELS)


def images(n=3, size=64, seed=0, dtype=np.uint16):
    """Bright discs on a noisy background."""
    rng = np.random.default_rng(seed)
    pixels = rng.normal(300, 20, (n, 3, size, size))
    y, x = np.mgrid[:size, :size]
    for image in range(n):
        for _ in range(image + 1):
            cy, cx = rng.integers(12, size - 12, 2)
            pixels[image, :, (y - cy) ** 2 + (x - cx) ** 2 < 64] += 2000
    return pixels.astype(dtype)


def test_declares_what_it_is(encoder):
    assert isinstance(encoder, Encoder)
    assert encoder.dim == len(encoder.feature_names) == len(set(encoder.feature_names))
    assert set(encoder.channels) <= set(CHANNELS)
    assert len(encoder.weights_hash) == 16


def test_gives_finite_float32_vectors(encoder):
    vectors = encoder.embed(images(), CHANNELS)
    assert vectors.shape == (3, encoder.dim)
    assert vectors.dtype == np.float32
    assert np.isfinite(vectors).all()


def test_same_input_same_output_and_input_untouched(encoder):
    pixels = images()
    before = pixels.copy()
    assert_allclose(encoder.embed(pixels, CHANNELS), encoder.embed(torch.from_numpy(pixels), CHANNELS))
    assert (pixels == before).all()


def test_a_vector_does_not_depend_on_the_batch(encoder):
    pixels = images()
    together = encoder.embed(pixels, CHANNELS)
    alone = np.concatenate([encoder.embed(pixels[[i]], CHANNELS) for i in range(3)])
    assert_allclose(together, alone, rtol=1e-3, atol=1e-4)


def test_different_images_differ(encoder):
    vectors = encoder.embed(images(), CHANNELS)
    assert not np.allclose(vectors[0], vectors[2])


def test_channels_are_found_by_name_in_any_order_and_among_more(encoder):
    pixels = images()
    pixels[:, 1] = pixels[:, 1][:, ::-1]
    order = [2, 0, 1]
    shuffled = encoder.embed(pixels[:, order], [CHANNELS[i] for i in order])
    more = encoder.embed(np.concatenate([pixels[:, :1] // 2, pixels], axis=1), ("rna", *CHANNELS))
    expected = encoder.embed(pixels, CHANNELS)
    assert_allclose(shuffled, expected, rtol=1e-5)
    assert_allclose(more, expected, rtol=1e-5)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
def test_takes_every_dtype(encoder, dtype):
    pixels = (images() // 30).astype(dtype)
    expected = encoder.embed((images() // 30).astype(np.float32), CHANNELS)
    assert_allclose(encoder.embed(pixels, CHANNELS), expected, rtol=1e-3, atol=1e-3)


def test_a_constant_image_gives_finite_vectors(encoder):
    assert np.isfinite(encoder.embed(np.full((1, 3, 64, 64), 7, np.uint8), CHANNELS)).all()


def test_refuses_what_does_not_fit(encoder):
    pixels = images()
    with pytest.raises(EncoderError, match=r"\(B, C, H, W\)"):
        encoder.embed(pixels[0], CHANNELS)
    with pytest.raises(EncoderError, match="3 channels but 2 names"):
        encoder.embed(pixels, CHANNELS[:2])
    with pytest.raises(EncoderError, match="no channel 'dna'"):
        encoder.embed(pixels, ("dnx", "ery", "actinz"))
    broken = pixels.astype(np.float32)
    broken[0, :, 0, 0] = np.nan
    with pytest.raises(EncoderError, match="NaN"):
        encoder.embed(broken, CHANNELS)
