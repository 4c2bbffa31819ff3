"""The two simplest baselines against what they claim to measure."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from phenolens.datasets import read_manifest
from phenolens.embedding import embed
from phenolens.encoders import create_encoder


def test_pixel_statistics_equal_scipy():
    x = np.random.default_rng(0).gamma(2, 100, (2, 2, 40, 40)).astype(np.float32)
    encoder = create_encoder("pixel-statistics", ("a", "b"))
    found = pd.DataFrame(encoder.embed(x, ("a", "b")), columns=encoder.feature_names)
    for index, channel in enumerate("ab"):
        flat = x[:, index].reshape(2, -1).astype(float)
        assert_allclose(found[f"{channel}_mean"], flat.mean(axis=1), rtol=1e-5)
        assert_allclose(found[f"{channel}_sd"], flat.std(axis=1), rtol=1e-5)
        assert_allclose(found[f"{channel}_skewness"], stats.skew(flat, axis=1), rtol=1e-4)
        assert_allclose(found[f"{channel}_kurtosis"], stats.kurtosis(flat, axis=1), rtol=1e-4)
        expected = np.quantile(flat, 0.95, axis=1, method="higher")
        assert_allclose(found[f"{channel}_p95"], expected, rtol=1e-6)


def test_pixel_statistics_see_no_arrangement():
    rng = np.random.default_rng(1)
    x = rng.integers(0, 4000, (1, 1, 32, 32)).astype(np.uint16)
    shuffled = rng.permutation(x.ravel()).reshape(x.shape)
    encoder = create_encoder("pixel-statistics", ("a",))
    assert_allclose(encoder.embed(x, ("a",)), encoder.embed(shuffled, ("a",)), rtol=1e-6)


def test_a_constant_channel_has_no_shape():
    encoder = create_encoder("pixel-statistics", ("a",))
    vector = encoder.embed(np.full((1, 1, 8, 8), 9, np.uint8), ("a",))[0]
    assert_allclose(vector[:4], [9, 0, 0, 0])
    assert_allclose(vector[4:], 9)


def test_cell_count_counts_discs():
    y, x = np.mgrid[:128, :128]
    image = np.random.default_rng(2).normal(100, 3, (128, 128))
    centres = [(25, 30), (25, 90), (80, 40), (95, 100)]
    for cy, cx in centres:
        image[(y - cy) ** 2 + (x - cx) ** 2 < 144] += 500
    encoder = create_encoder("cell-count", ("gfp", "DAPI"))
    assert encoder.channels == ("DAPI",)
    pixels = np.stack([image * 0, image])[None].astype(np.float32)
    assert encoder.embed(pixels, ("gfp", "DAPI")).tolist() == [[4]]
    fraction = create_encoder("area-fraction", ("gfp", "DAPI")).embed(pixels, ("gfp", "DAPI"))[0, 0]
    assert abs(fraction - 4 * np.pi * 144 / 128**2) < 0.03


@pytest.mark.slow
def test_cell_count_agrees_with_an_independent_count_of_a_real_plate(data_dir):
    manifest = read_manifest(
        data_dir / "bbbc013_sbs" / "metadata.csv",
        columns={"site_id": "well"},
        values={"role": {"empty_no_drug": "empty"}},
    )
    vectors = embed(manifest, ["cell-count"], channels=["dna"], workers=0).embeddings["cell-count"]
    reference = vectors.obs["derived_nuclei_count"].astype(float)
    # The reference is itself a plain threshold, which misses dim nuclei.
    assert np.corrcoef(vectors.X[:, 0], reference)[0, 1] > 0.85
