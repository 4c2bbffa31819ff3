"""The simulated screen: its truth is what it says, and its bytes do not depend on the machine."""

import numpy as np
import pandas as pd
import pytest
import tifffile
from scipy.ndimage import gaussian_filter
from scipy.stats import ttest_ind

from phenolens.datasets import read_manifest
from phenolens.datasets.phantom import simulate_cells
from phenolens.errors import ManifestError
from phenolens.images import read_image, segment_nuclei

FACTORS = ["count", "intensity", "nuclear_area", "elongation", "texture", "neighbour_distance"]
OWN = {
    "fewer_cells": "count",
    "brighter": "intensity",
    "larger_nuclei": "nuclear_area",
    "rounder": "elongation",
    "coarse_texture": "texture",
    "clustered": "neighbour_distance",
}


@pytest.fixture(scope="module")
def screen(tmp_path_factory):
    """Two plates of 96 wells, 16 replicates of each perturbation and 64 controls."""
    path = simulate_cells(tmp_path_factory.mktemp("screen"), plates=2, wells=96, size=160, seed=1, workers=1)
    return pd.read_csv(path, dtype={"site": str}), path


def wells(table, perturbation):
    return table[table["perturbation"] == perturbation]


def read(path, table):
    return np.stack([tifffile.imread(path.parent / image) for image in table["image"]]).astype(float)


def files(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_bytes_depend_on_the_seed_and_not_on_the_workers(tmp_path):
    options = {"plates": 1, "wells": 24, "size": 64}
    for name, workers, seed in [("a", 1, 3), ("b", 2, 3), ("c", 1, 4)]:
        simulate_cells(tmp_path / name, workers=workers, seed=seed, **options)
    assert files(tmp_path / "a") == files(tmp_path / "b")
    assert files(tmp_path / "a") != files(tmp_path / "c")


def test_the_manifest_is_valid_and_channels_travel_with_the_pixels(screen):
    _, path = screen
    manifest = read_manifest(path)
    assert manifest.missing_files() == []
    assert len(manifest) == 192
    assert manifest.controls.sum() == 64
    pixels, channels = read_image(manifest.images(0))
    assert channels == ("dna", "er", "actin")
    assert pixels.dtype == np.uint16
    assert pixels.shape == (3, 160, 160)


def test_a_channel_does_not_depend_on_which_others_are_imaged(tmp_path):
    options = {"plates": 1, "wells": 24, "size": 64, "workers": 1}
    simulate_cells(tmp_path / "all", **options)
    simulate_cells(tmp_path / "one", channels=["er"], **options)
    both = [tifffile.imread(tmp_path / name / "images" / "plate1_A01_s1.tif") for name in ("all", "one")]
    assert (both[0][1] == np.squeeze(both[1])).all()


def test_layouts_are_random_and_differ_between_plates(screen):
    table, _ = screen
    one, two = (
        table[table["plate"] == plate].set_index("well")["perturbation"].sort_index() for plate in ("plate1", "plate2")
    )
    assert (one == two).mean() < 0.5
    assert one.value_counts().to_dict() == two.value_counts().to_dict()


@pytest.mark.parametrize("perturbation", OWN)
def test_each_perturbation_moves_its_own_factor_and_it_most(screen, perturbation):
    table, _ = screen
    treated, controls = wells(table, perturbation), wells(table, "DMSO")
    # Crowding follows from the number of cells, by geometry.
    factors = [f for f in FACTORS if not (perturbation == "fewer_cells" and f == "neighbour_distance")]
    t = {f: abs(ttest_ind(treated[f"true_{f}"].dropna(), controls[f"true_{f}"].dropna()).statistic) for f in factors}
    assert max(t, key=t.get) == OWN[perturbation]
    assert t[OWN[perturbation]] > 4
    assert max(value for factor, value in t.items() if factor != OWN[perturbation]) < 3.5


@pytest.mark.parametrize("perturbation", ["inactive_a", "inactive_b"])
def test_inactive_perturbations_move_nothing(screen, perturbation):
    table, _ = screen
    treated, controls = wells(table, perturbation), wells(table, "DMSO")
    p = [ttest_ind(treated[f"true_{f}"].dropna(), controls[f"true_{f}"].dropna()).pvalue for f in FACTORS]
    assert min(p) > 0.05 / len(FACTORS) / 2


def test_the_true_count_is_what_a_segmentation_sees(screen):
    table, path = screen
    some = table.iloc[::6]
    seen = [segment_nuclei(pixels[0]).max() for pixels in read(path, some)]
    assert np.corrcoef(seen, some["true_count"])[0, 1] > 0.85


def test_coarse_texture_is_seen_as_texture_and_not_as_brightness(screen):
    table, path = screen

    def fineness(pixels):
        """Fine over coarse structure, in the brighter half: where cells are."""
        fine, middle, coarse = (gaussian_filter(pixels, sigma) for sigma in (1, 2, 4))
        cells = coarse > np.median(coarse)
        return (fine - middle)[cells].std() / (middle - coarse)[cells].std()

    controls = read(path, wells(table, "DMSO"))[:, 1]
    coarse = read(path, wells(table, "coarse_texture"))[:, 1]
    texture = ttest_ind([fineness(p) for p in coarse], [fineness(p) for p in controls])
    bright = ttest_ind(coarse.mean((1, 2)), controls.mean((1, 2)))
    assert texture.statistic < 0
    assert texture.pvalue < 1e-3
    assert bright.pvalue > 0.01


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"wells": 8}, "wells is 8, too few"),
        ({"wells": 500}, "largest plate has 384"),
        ({"size": 10}, "size is 10 pixels"),
        ({"plates": 0}, "plates is 0"),
        ({"channels": ["dna", "err"]}, "unknown channel 'err'; did you mean 'er'"),
        ({"channels": []}, "no channels"),
        ({"channels": ["er", "er"]}, "channels repeat"),
        ({"workers": 0}, "workers is 0"),
    ],
)
def test_what_cannot_be_simulated_is_refused_before_anything_is_written(tmp_path, options, message):
    with pytest.raises(ManifestError, match=message):
        simulate_cells(tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_a_screen_is_never_overwritten(tmp_path):
    options = {"plates": 1, "wells": 24, "size": 64, "workers": 1}
    simulate_cells(tmp_path, **options)
    with pytest.raises(ManifestError, match="already holds a manifest"):
        simulate_cells(tmp_path, **options)
    with pytest.raises(ManifestError, match="is a file, not a folder"):
        simulate_cells(tmp_path / "manifest.csv", **options)
