"""Crops and tiles are where they should be, and the same every time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phenolens.core.errors import ImageError
from phenolens.images import Crop, Site, corners, cut
from phenolens.images.crop import tile_origins

PIXELS = np.arange(2 * 30 * 40, dtype=np.uint16).reshape(2, 30, 40)
SITE = Site(PIXELS, ("dna", "er"), "s1")


def crops(site, crop):
    """Cut the pixels of a site at its corners, as the loader does."""
    return cut(site.pixels, corners(site, crop), crop)


@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 30))
def test_tiles_fit_do_not_overlap_and_leave_equal_margins(height, width, size):
    origins = tile_origins(height, width, size)
    assert len(origins) == (height // size) * (width // size)
    covered = np.zeros((height, width), int)
    for y, x in origins:
        covered[y : y + size, x : x + size] += 1
    assert covered.sum() == len(origins) * size**2
    assert covered.max(initial=0) <= 1
    if len(origins):
        top, left = origins.min(axis=0)
        bottom, right = height - origins[:, 0].max() - size, width - origins[:, 1].max() - size
        assert 0 <= bottom - top <= 1
        assert 0 <= right - left <= 1


def test_whole_and_centre():
    assert (crops(SITE, Crop()) == PIXELS[None]).all()
    assert (crops(SITE, Crop("centre", 10))[0] == PIXELS[:, 10:20, 15:25]).all()


def test_random_crops_depend_on_seed_and_site_alone():
    crop = Crop("random", 8, count=5, seed=3)
    first = crops(SITE, crop)
    assert first.shape == (5, 2, 8, 8)
    assert (first == crops(SITE, crop)).all()
    assert not (first == crops(SITE, Crop("random", 8, count=5, seed=4))).all()
    assert not (first == crops(Site(PIXELS, ("dna", "er"), "s2"), crop)).all()
    assert len(set(first[:, 0, 0, 0].tolist())) > 1


def test_random_crops_reach_every_corner():
    places = {int(c) for c in crops(SITE, Crop("random", 29, count=200))[:, 0, 0, 0]}
    assert places == {y * 40 + x for y in range(2) for x in range(12)}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mode": "tiles"}, "needs a size"),
        ({"mode": "centre", "size": 0}, "at least 1 pixel"),
        ({"mode": "middle", "size": 8}, "unknown"),
        ({"mode": "tiles", "size": 8, "count": 2}, "count is for mode 'random' only"),
        ({"size": 8}, "takes no size"),
    ],
)
def test_contradictions_are_refused(arguments, message):
    with pytest.raises(ImageError, match=message):
        Crop(**arguments)


def test_an_image_smaller_than_the_crop_is_refused_by_name():
    with pytest.raises(ImageError, match="s1: the image of 30x40 is smaller than the crop of 32x32"):
        crops(SITE, Crop("tiles", 32))


@pytest.mark.parametrize(
    ("pixels", "channels", "message"),
    [
        (PIXELS[0], ("dna",), r"must be \(C, H, W\)"),
        (PIXELS, ("dna",), "2 channels of pixels but 1 names"),
        (PIXELS, ("dna", "dna"), "repeat"),
        (PIXELS.astype(np.int32), ("dna", "er"), "found int32"),
    ],
)
def test_a_site_refuses_what_does_not_fit(pixels, channels, message):
    with pytest.raises(ImageError, match=message):
        Site(pixels, channels, "s")
