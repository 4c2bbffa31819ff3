"""One image that an encoder cannot embed costs one site, not the run."""

from importlib import import_module

import numpy as np
import pytest
import tifffile
import torch
from numpy.testing import assert_array_equal

from phenolens.core.errors import EncoderError, ImageError
from phenolens.embedding import embed, embed_to_folder
from phenolens.encoders import Measurement
from phenolens.encoders.power_spectrum import PowerSpectrum


def replace_site(folder, index, pixels):
    for channel in ("dna", "er"):
        tifffile.imwrite(folder / f"{channel}_{index}.tif", pixels)


class Mean:
    """An encoder that gives the mean of each channel, or does what it is told for dark images."""

    feature_names = ("dna", "er")
    channels = ("dna", "er")
    dim = 2
    weights_hash = "mean"

    def __init__(self, on_dark):
        self.on_dark = on_dark

    def embed(self, pixels, channels):
        pixels = np.asarray(pixels).astype(np.float32)
        vectors = pixels.mean(axis=(2, 3))
        dark = (pixels == 0).all(axis=(1, 2, 3))
        if dark.any():
            vectors[dark] = self.on_dark()
        return vectors


class MeanInWorkers(Mean, Measurement):
    """The same in the processes that read images."""


def fail(error):
    raise error


ON_DARK = {
    "an error": (lambda: fail(ZeroDivisionError("division by zero")), "ZeroDivisionError: division by zero"),
    "an error of torch": (lambda: fail(RuntimeError("Kernel size can't be\n greater")), "Kernel size can't be greater"),
    "an error of ours": (
        lambda: fail(EncoderError("mean: needs light; leave it out")),
        "mean: needs light; leave it out",
    ),
    "NaN": (lambda: np.nan, "NaN or infinite"),
    "infinity": (lambda: np.inf, "NaN or infinite"),
}


@pytest.mark.parametrize("kind", ON_DARK)
@pytest.mark.parametrize("encoder", [Mean, MeanInWorkers])
def test_a_site_that_an_encoder_cannot_embed_is_quarantined_for_all(folder, manifest, encoder, kind):
    replace_site(folder, 4, np.zeros((48, 48), np.uint16))
    on_dark, said = ON_DARK[kind]
    made = encoder(on_dark)
    made.name = "mean"
    embedded = embed(manifest, [made, "pixel-statistics"], workers=0, batch_size=5)
    assert list(embedded.quarantine) == ["s4"]
    assert said in embedded.quarantine["s4"]
    assert "\n" not in embedded.quarantine["s4"]
    for vectors in embedded.embeddings.values():
        assert vectors.obs_names.tolist() == [f"s{index}" for index in range(12) if index != 4]
        assert np.isfinite(vectors.X).all()


def test_a_site_that_a_later_encoder_cannot_embed_is_left_out_of_earlier_ones(folder, manifest, tmp_path, monkeypatch):
    replace_site(folder, 4, np.zeros((48, 48), np.uint16))
    before = embed_to_folder(manifest, ["pixel-statistics"], tmp_path / "out", workers=0)
    assert len(before.embeddings["pixel-statistics"]) == 12
    measure = PowerSpectrum.embed

    def embed_no_dark(self, pixels, channels):
        return measure(self, pixels, channels) if np.asarray(pixels).any() else fail(ZeroDivisionError("dark"))

    monkeypatch.setattr(PowerSpectrum, "embed", embed_no_dark)
    both = ["pixel-statistics", "power-spectrum"]
    for _ in range(2):  # also where nothing is left to do
        found = embed_to_folder(manifest, both, tmp_path / "out", workers=0, max_failed=0.1)
        assert list(found.quarantine) == ["s4"]
        assert [len(found.embeddings[name]) for name in both] == [11, 11]


@pytest.mark.parametrize("shape", [(1, 1), (1, 3), (2, 2)])
def test_a_thumbnail_among_images_is_embedded_or_quarantined(folder, manifest, shape, tmp_path):
    replace_site(folder, 3, np.full(shape, 7, np.uint16))
    embedded = embed_to_folder(
        manifest, ["untrained/test_resnet", "untrained/test_convnext"], tmp_path / "out", workers=0, max_failed=0.1
    )
    assert set(embedded.quarantine) <= {"s3"}
    if shape == (1, 1):
        assert "a single pixel" in embedded.quarantine["s3"]
    others = [f"s{index}" for index in range(12) if index != 3]
    for vectors in embedded.embeddings.values():
        assert vectors.n_obs == 12 - len(embedded.quarantine)
        assert np.isfinite(vectors[others].X).all()


def test_the_other_sites_of_a_batch_keep_their_vectors(folder, manifest):
    whole = embed(manifest, [named(Mean(lambda: 0))], workers=0, batch_size=12).embeddings["mean"]
    replace_site(folder, 4, np.zeros((48, 48), np.uint16))
    rest = embed(manifest, [named(Mean(lambda: fail(ValueError("dark"))))], workers=0, batch_size=12).embeddings["mean"]
    assert_array_equal(rest.X, whole[rest.obs_names].X)


def named(encoder):
    encoder.name = "mean"
    return encoder


def test_an_encoder_that_fits_no_image_says_so(manifest):
    class Never(Mean):
        def embed(self, pixels, channels):
            raise EncoderError("mean: images have another size; set a crop")

    with pytest.raises(ImageError, match="no site could be embedded; the first: mean: images have another size; set a"):
        embed(manifest, [named(Never(None))], workers=0)


def test_an_encoder_that_fails_for_each_of_many_sites_ends_the_run(manifest, monkeypatch):
    monkeypatch.setattr(import_module("phenolens.embedding.embed"), "_HOPELESS", 3)
    calls = []

    class Never(Mean):
        def embed(self, pixels, channels):
            calls.append(len(pixels))
            raise EncoderError("mean: images have another size; set a crop")

    with pytest.raises(EncoderError, match="set a crop"):
        embed(manifest, [named(Never(None))], workers=0, batch_size=1)
    assert len(calls) == 4


def test_a_device_without_memory_ends_the_run(folder, manifest):
    replace_site(folder, 4, np.zeros((48, 48), np.uint16))
    with pytest.raises(torch.OutOfMemoryError):
        embed(manifest, [named(Mean(lambda: fail(torch.OutOfMemoryError("out of memory"))))], workers=0)
