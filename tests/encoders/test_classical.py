"""Classical features: that they measure what their names say, and nothing of place or number."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from phenolens.encoders import create_encoder


def scene(centres=((40, 40), (40, 88), (88, 40)), radius=10, size=128):
    """Nuclei in cells of twice their radius: two channels without noise."""
    y, x = np.mgrid[:size, :size]
    labels = np.zeros((size, size), np.int32)
    body = np.full((size, size), 20.0)
    for number, (cy, cx) in enumerate(centres, start=1):
        distance = np.hypot(y - cy, x - cx)
        labels[distance < radius] = number
        body[distance < 2 * radius] = 200
    dna = np.where(labels > 0, 500.0, 50.0)
    return labels, np.stack([dna, body])


def measure(labels, image, channels=("dna", "er")):
    encoder = create_encoder("classical-features", channels)
    return dict(zip(encoder.feature_names, encoder.embed(image[None], channels, labels[None])[0], strict=True))


def test_features_are_those_of_the_objects():
    labels, image = scene()
    found = measure(labels, image)
    assert_allclose(found["nuclei_Area"], (labels == 1).sum())
    assert_allclose(found["nuclei_Intensity_MeanIntensity_dna"], 500)
    assert_allclose(found["cells_Intensity_MeanIntensity_er"], 200, rtol=0.1)
    assert found["nuclei_Eccentricity"] < 0.1
    assert 2.5 < found["cells_Area"] / found["nuclei_Area"] < 5
    assert all(np.isfinite(list(found.values())))


def test_all_kinds_of_measurements_are_there():
    names = create_encoder("classical-features", ("dna", "er")).feature_names
    kinds = ["Area", "Intensity_", "Texture_Contrast", "Granularity_1", "RadialDistribution_", "Correlation_Pearson"]
    assert all(any(kind in name for name in names) for kind in kinds)
    assert not [name for name in names if "Location" in name or "Center" in name or "Orientation" in name]


def test_neither_place_nor_number_nor_turn_is_known():
    labels, image = scene()
    more = scene(centres=((40, 40), (40, 88), (88, 40), (88, 88)))
    expected = measure(labels, image)
    for other in (more, (np.rot90(labels).copy(), np.rot90(image, axes=(1, 2)).copy())):
        found = measure(*other)
        for name, value in expected.items():
            if "Granularity" not in name:  # measured at a quarter of the resolution, on a grid of its own
                assert_allclose(found[name], value, rtol=0.05, atol=0.05, err_msg=name)


def test_nuclei_that_the_border_cuts_are_left_out_where_there_are_others():
    labels, image = scene()
    cut = labels.copy()
    cut[0:4, 60:100] = 9
    assert_allclose(measure(cut, image)["nuclei_Area"], measure(labels, image)["nuclei_Area"])
    alone = np.where(cut == 9, 9, 0).astype(np.int32)
    assert measure(alone, image)["nuclei_Area"] == 160


def test_translocation_is_seen():
    """What moves from the cytoplasm into the nucleus changes correlation and radial distribution, not the cells."""
    labels, image = scene()
    cytoplasm = np.where((image[1] > 100) & (labels == 0), 300.0, 20.0)
    nucleus = np.where(labels > 0, 800.0, np.where(image[1] > 100, 100.0, 20.0))
    before, after = (measure(labels, np.stack([image[0], gfp]), ("dna", "gfp")) for gfp in (cytoplasm, nucleus))
    assert after["cells_Correlation_Pearson_dna_gfp"] > before["cells_Correlation_Pearson_dna_gfp"] + 0.5
    first = "cells_RadialDistribution_FracAtD_1of4_gfp"
    assert after[first] > 2 * before[first]
    assert_allclose(after["nuclei_Area"], before["nuclei_Area"])


def test_brightness_changes_intensities_alone():
    labels, image = scene()
    one, brighter = measure(labels, image), measure(labels, 3 * image)
    for name, value in one.items():
        expected = 3 * value if "_Intensity_" in name and "Displacement" not in name else value
        assert_allclose(brighter[name], expected, rtol=1e-4, atol=1e-4, err_msg=name)


def test_a_stained_section_is_measured_in_its_stains():
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 255, (1, 3, 96, 96)).astype(np.uint8)
    encoder = create_encoder("classical-features", ("red", "green", "blue"))
    assert encoder.channels == ("red", "green", "blue")
    assert any(name.endswith("_haematoxylin_eosin") for name in encoder.feature_names)
    assert np.isfinite(encoder.embed(rgb, ("red", "green", "blue"))).all()


@pytest.mark.parametrize("channels", [("dna",), ("dna", "er"), ("er", "gfp", "dna")])
def test_names_are_unique_for_any_channels(channels):
    names = create_encoder("classical-features", channels).feature_names
    assert len(set(names)) == len(names)
