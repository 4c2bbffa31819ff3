"""Nuclei by any segmentation, within limits in microns; and what is said to be implausible of them."""

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from phenolens.core.errors import ImageError
from phenolens.images import CAVEATS, NucleiOptions, Site, caveats_of, find_nuclei, learned, segmentations
from phenolens.images.nuclei import _accept


def discs(centres, radius, size=128):
    y, x = np.mgrid[:size, :size]
    labels = np.zeros((size, size), np.int32)
    for number, (cy, cx) in enumerate(centres, start=1):
        labels[np.hypot(y - cy, x - cx) < radius] = number
    return labels


GRID = discs([(y, x) for y in (25, 64, 103) for x in (25, 64, 103)], 8)


def site_of(labels, **kwargs):
    noise = np.random.default_rng(0).normal(0, 5, labels.shape)
    return Site((100 + 300 * (labels > 0) + noise)[None].astype(np.float32), ("dna",), "s1", **kwargs)


def said(labels, *args, **kwargs):
    return [
        caveat for caveat, applies in zip(CAVEATS, caveats_of(labels[None], *args, **kwargs), strict=True) if applies
    ]


def test_limits_are_in_microns():
    site = site_of(GRID, mpp=0.5)  # nuclei of 8 microns
    assert find_nuclei(site, NucleiOptions(diameter=(4, 20))).max() == 9
    assert find_nuclei(site, NucleiOptions(diameter=(10, 20))).max() == 0
    with pytest.raises(ImageError, match="has no mpp"):
        find_nuclei(site_of(GRID), NucleiOptions(diameter=(4, 20)))


@pytest.mark.parametrize("diameter", [(0, 5), (5, 5), (9, 4), (1, float("inf"))])
def test_limits_must_increase(diameter):
    with pytest.raises(ImageError, match=r"nuclei: diameter takes the least and the greatest in microns"):
        NucleiOptions(diameter=diameter)


def test_an_unknown_segmentation_is_refused_with_the_nearest():
    with pytest.raises(ImageError, match="no segmentation 'classic'; did you mean 'classical'"):
        NucleiOptions("classic")


@pytest.mark.parametrize(("name", "title"), [("cellpose", "Cellpose"), ("instanseg", "InstanSeg")])
def test_a_package_that_is_not_installed_is_named(name, title, monkeypatch):
    monkeypatch.setattr(learned, "find_spec", lambda name: None)
    with pytest.raises(ImageError, match=f"{title} is not installed; install it"):
        NucleiOptions(name)


@pytest.fixture
def packages(monkeypatch):
    """Modules with the interfaces of Cellpose 4 and InstanSeg; return how they were called."""
    calls = []

    class CellposeModel:
        def __init__(self, gpu=False):
            calls.append(("cellpose", gpu))

        def eval(self, x, channel_axis=None):
            calls.append((x.shape, channel_axis))
            return (GRID * 7).astype(np.uint16), [], np.zeros(256)

    class InstanSeg:
        def __init__(self, model_type, verbosity=1):
            calls.append(model_type)

        def eval_small_image(self, image, pixel_size=None, normalise=True, return_image_tensor=True, target="all"):
            assert not return_image_tensor
            calls.append((image.shape, pixel_size, target))
            return GRID[None, None].astype(np.float32)

    cellpose, instanseg = ModuleType("cellpose"), ModuleType("instanseg")
    models = ModuleType("cellpose.models")
    models.CellposeModel, instanseg.InstanSeg = CellposeModel, InstanSeg
    for module in (cellpose, models, instanseg):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(learned, "find_spec", lambda name: SimpleNamespace(name=name))
    for made in (learned._cellpose_model, learned._instanseg_model):
        made.cache_clear()
    yield calls
    for made in (learned._cellpose_model, learned._instanseg_model):
        made.cache_clear()


COLOUR = Site(np.zeros((3, 128, 128), np.uint8), ("red", "green", "blue"), mpp=0.25)


def test_cellpose_gets_the_image_and_its_labels_are_renumbered(packages):
    np.testing.assert_array_equal(find_nuclei(site_of(GRID), NucleiOptions("cellpose")), GRID)
    assert packages[1] == ((128, 128), None)
    find_nuclei(COLOUR, NucleiOptions("cellpose"))
    assert packages[2] == ((128, 128, 3), -1)


def test_instanseg_gets_the_microns_per_pixel(packages):
    np.testing.assert_array_equal(find_nuclei(COLOUR, NucleiOptions("instanseg")), GRID)
    assert packages == ["brightfield_nuclei", ((128, 128, 3), 0.25, "nuclei")]
    find_nuclei(site_of(GRID), NucleiOptions("instanseg"))
    assert packages[2:] == ["fluorescence_nuclei_and_cells", ((1, 128, 128), None, "nuclei")]


def test_limits_hold_for_every_segmentation(packages):
    assert find_nuclei(site_of(GRID, mpp=0.5), NucleiOptions("cellpose", (10, 20))).max() == 0


@pytest.mark.parametrize("labels", [np.zeros((4, 4), int), np.full((128, 128), -1), np.full((128, 128), 0.5)])
def test_what_is_no_labels_is_refused(labels, monkeypatch):
    monkeypatch.setitem(segmentations._loaded, "cellpose", lambda site: labels)
    monkeypatch.setattr("phenolens.images.nuclei.require_installed", lambda name: None)
    with pytest.raises(ImageError, match="s1: the segmentation 'cellpose' must return labels"):
        find_nuclei(site_of(GRID), NucleiOptions("cellpose"))


def test_an_entry_point_must_be_a_function():
    with pytest.raises(TypeError, match="found str"):
        _accept(SimpleNamespace(name="mine"), "labels")


def test_nothing_is_said_of_plausible_nuclei():
    assert said(GRID, [site_of(GRID, mpp=0.5)]) == []


def test_each_implausibility_is_said():
    rng = np.random.default_rng(0)
    ragged = np.where(rng.random(GRID.shape) < 0.4, GRID, 0).astype(np.int32)
    assert said(ragged) == ["show many ragged or sliver-like nuclei"]
    assert said(GRID, [site_of(GRID, mpp=5.0)])[0].startswith("show nuclei of an implausible size")
    flat = Site(rng.normal(100, 5, (1, *GRID.shape)).astype(np.float32), ("dna",))
    assert said(GRID, [flat]) == ["show nuclei that hardly differ from their surroundings"]
    assert said(np.zeros_like(GRID)) == ["show no nuclei"]
    assert said(np.where(GRID == 1, 1, 0)) == ["show a single nucleus"]
    at_the_border = discs([(0, 20), (0, 60), (0, 100), (127, 30), (64, 64)], 8)
    assert said(at_the_border) == ["show mostly nuclei that the border cuts"]
    tiles = np.kron(np.arange(1, 17).reshape(4, 4), np.ones((32, 32), np.int32)).astype(np.int32)
    assert "are mostly covered by nuclei" in said(tiles)


def test_a_pink_section_is_said_unless_a_mask_was_given():
    pixels = np.empty((3, *GRID.shape), np.uint8)
    pixels[:] = np.array([235, 120, 170])[:, None, None]
    pixels[:, GRID > 0] = np.array([90, 60, 140])[:, None]
    site = Site(pixels, ("red", "green", "blue"))
    labels = find_nuclei(site)
    assert labels.max() == 9
    assert said(labels, [site]) == ["are strongly pink sections, in which too many nuclei are found"]
    assert said(labels, [site], given=True) == []


def test_red_cells_are_no_nuclei():
    """They absorb less red light than nuclei do, but more than the white around them."""
    pixels = np.full((3, *GRID.shape), 240, np.uint8)
    pixels[:, (GRID > 0) & (GRID <= 4)] = np.array([90, 60, 140])[:, None]
    pixels[:, GRID > 4] = np.array([160, 40, 60])[:, None]
    labels = find_nuclei(Site(pixels, ("red", "green", "blue")))
    assert labels.max() == 4
    assert not labels[GRID > 4].any()


def test_a_bright_field_is_said():
    bright = site_of(GRID)
    dark = Site(500 - bright.pixels, bright.channels)
    labels = find_nuclei(dark)
    assert labels.max() == 9
    assert said(labels, [dark]) == ["are bright fields, in which counts of nuclei are rough"]
