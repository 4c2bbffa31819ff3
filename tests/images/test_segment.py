"""Nuclei: counted where they are known, none where there are none, and near the masks of real images."""

import numpy as np
import pandas as pd
import pytest

from phenolens.core.errors import ImageError
from phenolens.datasets import read_manifest
from phenolens.images import ellipse_fit, find_nuclei, read_image, read_mask, read_site, segment_nuclei
from phenolens.images.segment import is_dark_on_bright
from phenolens.simulation import simulate_tissue


def discs(centres, radius=9, size=160, brightness=400.0, noise=8.0):
    y, x = np.mgrid[:size, :size]
    image = np.random.default_rng(0).normal(100, noise, (size, size))
    for index, (cy, cx) in enumerate(centres):
        inside = (y - cy) ** 2 + (x - cx) ** 2 < radius**2
        image[inside] += brightness * (0.6 + 0.4 * (index % 2))
    return image


GRID = [(y, x) for y in range(20, 150, 30) for x in range(20, 150, 30)]


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_every_disc_is_one_nucleus_where_it_is(dtype):
    labels = segment_nuclei(discs(GRID).astype(dtype))
    assert labels.max() == len(GRID)
    assert len({labels[y, x] for y, x in GRID}) == len(GRID)
    area = np.bincount(labels.ravel())[1:]
    assert np.abs(area / (np.pi * 81) - 1).max() < 0.35


def test_labels_are_whole_numbers_without_gaps():
    labels = segment_nuclei(discs(GRID[:7]))
    assert labels.dtype == np.int32
    assert set(np.unique(labels)) == set(range(8))


def test_touching_nuclei_are_cut_apart():
    pairs = [(y, x + dx) for y in (30, 80, 130) for x in (30, 100) for dx in (0, 16)]
    assert segment_nuclei(discs(pairs)).max() == len(pairs)


def test_uneven_illumination_hides_none():
    shade = np.linspace(0, 250, 320)[None, :]
    centres = [(y, x) for y in range(20, 310, 32) for x in range(20, 310, 32)]
    labels = segment_nuclei(discs(centres, size=320) + shade)
    assert abs(int(labels.max()) - len(centres)) <= 2


@pytest.mark.parametrize(
    "image",
    [
        np.full((64, 64), 5.0),
        np.zeros((40, 90), np.uint8),
        np.random.default_rng(1).normal(100, 10, (256, 256)),
        np.random.default_rng(2).poisson(3, (128, 128)).astype(np.uint16),
        np.random.default_rng(3).normal(100, 10, (256, 256)) + np.linspace(0, 60, 256)[None],
    ],
    ids=["constant", "black", "noise", "few photons", "shaded noise"],
)
def test_without_contrast_there_is_no_nucleus(image):
    assert segment_nuclei(image).max() == 0


def test_specks_are_no_nuclei():
    image = discs(GRID)
    image[35:37, 35:37] += 2000
    assert segment_nuclei(image).max() == len(GRID)


def test_refuses_what_is_no_image():
    with pytest.raises(ImageError, match="one finite"):
        segment_nuclei(np.zeros((2, 8, 8)))
    with pytest.raises(ImageError, match="one finite"):
        segment_nuclei(np.full((8, 8), np.nan))
    with pytest.raises(ImageError, match="must be positive"):
        segment_nuclei(np.zeros((8, 8)), diameter=0)


def test_counts_agree_with_the_masks_of_real_fluorescence_images(data_dir):
    folder = data_dir / "dsb2018_nuclei"
    table = pd.read_csv(folder / "metadata.csv")
    table = table[table["domain"].str.startswith("fluor")].iloc[::2]
    counts, areas = [], []
    for file in table["image"]:
        labels = segment_nuclei(read_image(folder / file)[0][0])
        counts.append(labels.max())
        areas.append((labels > 0).mean())
    error = np.abs(np.array(counts) - table["n_nuclei"]) / table["n_nuclei"]
    assert np.corrcoef(counts, table["n_nuclei"])[0, 1] > 0.95
    assert np.corrcoef(areas, table["nuclear_area_fraction"])[0, 1] > 0.9
    assert error.median() < 0.15


def test_crops_of_single_nuclei_are_not_empty(data_dir):
    folder = data_dir / "mitocheck_cells"
    table = pd.read_csv(folder / "metadata.csv")
    table = table[table["phenotype"] == "Interphase"].iloc[::10]
    counts = np.array([segment_nuclei(read_image(folder / file)[0][0]).max() for file in table["image"]])
    assert (counts >= 1).mean() > 0.95
    assert np.median(counts) <= 2


def ellipses(shapes, size=160, noise=8.0):
    """An image of ellipses (y, x, half axes, angle), as bright as each other."""
    y, x = np.mgrid[:size, :size]
    inside = np.zeros((size, size), dtype=bool)
    for cy, cx, long, short, angle in shapes:
        along = (y - cy) * np.sin(angle) + (x - cx) * np.cos(angle)
        across = (x - cx) * np.sin(angle) - (y - cy) * np.cos(angle)
        inside |= (along / long) ** 2 + (across / short) ** 2 < 1
    return np.random.default_rng(0).normal(100, noise, (size, size)) + 400 * inside


@pytest.mark.parametrize("angle", [0.0, 0.6, 1.57])
def test_one_long_nucleus_among_round_ones_stays_one(angle):
    round_ones = [(y, x, 9, 9, 0) for y in (20, 140) for x in (20, 60, 100, 140)]
    assert segment_nuclei(ellipses([*round_ones, (80, 80, 26, 8, angle)])).max() == 9


def test_clumps_are_counted():
    clump = [(60, 40, 10, 10, 0), (60, 58, 10, 10, 0), (60, 76, 10, 10, 0)]
    assert segment_nuclei(ellipses([*clump, (120, 120, 10, 10, 0)])).max() == 4


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_dark_on_bright_are_the_same_nuclei(dtype):
    bright = discs(GRID, brightness=100.0, noise=3.0).clip(0, 255)
    found, dark = segment_nuclei(bright.astype(dtype)), segment_nuclei((255 - bright).astype(dtype))
    assert dark.max() == found.max() == len(GRID)
    assert ((dark > 0) == (found > 0)).mean() > 0.99


def test_nuclei_within_dark_cells_of_a_bright_field_are_found():
    y, x = np.mgrid[:400, :400]
    image = np.full((400, 400), 240.0)
    centres = [(cy, cx) for cy in range(60, 350, 90) for cx in range(60, 350, 90)]
    for cy, cx in centres:
        image[(y - cy) ** 2 + (x - cx) ** 2 < 25**2] = 170
        image[(y - cy) ** 2 + (x - cx) ** 2 < 7**2] = 60
    labels = segment_nuclei(image + np.random.default_rng(0).normal(0, 4, image.shape))
    assert labels.max() == len(centres)
    assert len({labels[cy, cx] for cy, cx in centres}) == len(centres)
    assert np.median(np.bincount(labels.ravel())[1:]) == pytest.approx(np.pi * 49, rel=0.35)


def test_polarity_is_known_for_every_domain(data_dir):
    folder = data_dir / "dsb2018_nuclei"
    table = pd.read_csv(folder / "metadata.csv").groupby("domain").head(6)
    table = table[~table["domain"].str.startswith("tissue")]
    for row in table.itertuples():
        red = read_image(folder / row.image)[0][0]
        assert is_dark_on_bright(red) == (not row.domain.startswith("fluor")), row.id


def test_limits_leave_out_what_is_no_nucleus():
    shapes = [(30, 30, 9, 9, 0), (30, 80, 9, 9, 0), (100, 60, 30, 30, 0), (80, 130, 4, 4, 0)]
    image = ellipses(shapes)
    found = segment_nuclei(image, limits=(12, 30))
    assert found.max() == 2
    assert {found[30, 30], found[30, 80]} == {1, 2}
    with pytest.raises(ImageError, match="must be positive and increase"):
        segment_nuclei(image, limits=(20, 10))


def test_rims_of_fat_are_not_filled_and_a_thin_one_is_hardly_counted():
    y, x = np.mgrid[:160, :160]
    rim = np.abs(np.hypot(y - 125, x - 80) - 25) < 1
    labels = segment_nuclei(discs(GRID[:10]) + 300 * rim)
    assert {labels[y, x] for y, x in GRID[:10]} == set(range(1, 11))
    assert labels[125, 80] == 0
    assert labels.max() <= 11  # one piece of the rim is as short as a nucleus; cut at the seams, it would be a dozen


def test_fit_of_an_ellipse_is_that_of_the_moments_by_definition():
    rng = np.random.default_rng(0)
    labels = np.zeros((60, 60), np.int32)
    labels[5:20, 3:40] = 1
    labels[30:55, 30:50] = np.where(rng.random((25, 20)) < 0.5, 3, 0)
    fits = ellipse_fit(labels)
    assert fits[1] == 0  # no such object
    for number in (1, 3):
        y, x = np.nonzero(labels == number)
        spread = np.cov(np.stack([y, x]), bias=True) + np.eye(2) / 12
        assert fits[number - 1] == pytest.approx(len(y) / (4 * np.pi * np.sqrt(np.linalg.det(spread))))


@pytest.mark.simulation
def test_counts_are_those_of_simulated_sections(tmp_path):
    manifest = read_manifest(simulate_tissue(tmp_path, patients=2, slides=1, tiles=3, size=256, workers=1))
    found, true = [], []
    for row in range(len(manifest)):
        site = read_site(manifest.images(row))
        found.append(find_nuclei(site).max())
        true.append(len(np.unique(read_mask(manifest.mask(row), site.pixels.shape[1:]))) - 1)
    assert sum(found) == pytest.approx(sum(true), rel=0.2)
