"""Nuclei: counted where they are known, none where there are none, and near the masks of real images."""

import numpy as np
import pandas as pd
import pytest

from phenolens.core.errors import ImageError
from phenolens.images import read_image, segment_nuclei


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
