"""The simulated screen: its truth is what it says, and its bytes do not depend on the machine."""

import numpy as np
import pandas as pd
import pytest
import tifffile
from anndata import AnnData
from scipy.ndimage import gaussian_filter
from scipy.stats import skew, ttest_ind

from phenolens.core.errors import ManifestError
from phenolens.datasets import read_manifest
from phenolens.images import read_image, segment_nuclei
from phenolens.simulation import CELL_PAINTING, FACTORS, STAINS, simulate_cells
from phenolens.simulation.biology import Perturbation, choose_preset, draw_library, relations, targets
from phenolens.simulation.screen import plan_screen, simulate_site
from phenolens.tasks import make_task

TRUE = ["count", "intensity", "nuclear_area", "elongation", "texture", "neighbour_distance"]
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
    assert channels == ("dna", "er", "rna", "agp", "mito")
    assert pixels.dtype == np.uint16
    assert pixels.shape == (5, 160, 160)


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
    factors = [f for f in TRUE if not (perturbation == "fewer_cells" and f == "neighbour_distance")]
    t = {f: abs(ttest_ind(treated[f"true_{f}"].dropna(), controls[f"true_{f}"].dropna()).statistic) for f in factors}
    assert max(t, key=t.get) == OWN[perturbation]
    assert t[OWN[perturbation]] > 4
    assert max(value for factor, value in t.items() if factor != OWN[perturbation]) < 3.5


@pytest.mark.parametrize("perturbation", ["inactive_a", "inactive_b"])
def test_inactive_perturbations_move_nothing(screen, perturbation):
    table, _ = screen
    treated, controls = wells(table, perturbation), wells(table, "DMSO")
    p = [ttest_ind(treated[f"true_{f}"].dropna(), controls[f"true_{f}"].dropna()).pvalue for f in TRUE]
    assert min(p) > 0.05 / len(TRUE) / 2


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


def library(preset="strong", n=24, seed=0, **levels):
    return draw_library(n, choose_preset(preset, levels), np.random.default_rng(seed))


def test_genes_of_a_complex_share_a_direction_and_some_do_nothing():
    drawn = library(n=40)
    assert len(drawn) == 40
    assert sum(not own.ratios for own in drawn) == 10
    genes = [own for own in drawn if own.kind == "crispr" and own.mechanism]
    names = sorted({factor for own in genes for factor in own.ratios})
    logs = np.array([[np.log(own.ratios.get(name, 1.0)) for name in names] for own in genes])
    unit = logs / np.linalg.norm(logs, axis=1, keepdims=True)
    same = np.array([own.mechanism for own in genes])
    within = (unit @ unit.T)[(same[:, None] == same) & ~np.eye(len(genes), dtype=bool)]
    assert within.min() > 0.8
    pairs = relations(drawn)
    assert len(pairs) == within.size // 2
    assert set(pairs["entity1"]) <= {own.name for own in genes}


def test_compounds_follow_their_dose_towards_the_genes_they_act_on():
    drawn = library(n=40)
    doses = [own for own in drawn if own.name == "compound_1"]
    effects = [np.linalg.norm([np.log(ratio) for ratio in own.ratios.values()]) for own in doses]
    assert [own.dose for own in doses] == [0.3, 1.0, 10.0]
    assert (np.diff(effects) > 0).all()
    acted = targets(drawn)
    assert len(acted)
    mechanism = {own.name: own.mechanism for own in drawn}
    assert all(mechanism[row.gene] == mechanism[row.compound] for row in acted.itertuples())


@pytest.mark.parametrize(
    ("preset", "allowed"),
    [("count-only", {"count"}), ("arrangement-only", {"segregation"}), ("batch-only", set())],
)
def test_presets_change_nothing_else(preset, allowed):
    assert {factor for own in library(preset) for factor in own.ratios} == allowed


def test_levels_can_be_switched_off_and_weakened():
    plain, weak = library(seed=3), library(seed=3, texture=0.5)
    levels, without = (
        {FACTORS[name].level for own in drawn for name in own.ratios} for drawn in (plain, library(seed=3, intensity=0))
    )
    assert "intensity" in levels
    assert without
    assert "intensity" not in without
    for one, other in zip(plain, weak, strict=True):
        assert one.ratios.keys() == other.ratios.keys()
        for name, ratio in one.ratios.items():
            power = 0.5 if FACTORS[name].level == "texture" else 1.0
            assert other.ratios[name] == pytest.approx(ratio**power)


@pytest.mark.parametrize(
    ("name", "levels", "message"),
    [
        ("storng", {}, "did you mean 'strong'"),
        ("strong", {"textures": 1}, "did you mean 'texture'"),
        ("strong", {"texture": -1}, "must be at least 0"),
        ("count-only", {"density": 0}, "has effects on density only, all of which are switched off"),
        ("one-factor", {"texture": 2}, "has fixed effects"),
    ],
)
def test_contradictory_presets_are_refused(name, levels, message):
    with pytest.raises(ManifestError, match=message):
        choose_preset(name, levels)


def sites(preset, perturbation, n=40, size=160, seed=5):
    """Truth and pixels of sites with and without a perturbation, on one plate."""
    chosen = choose_preset(preset, {})
    plans = plan_screen(1, 3 * n // 2, size, CELL_PAINTING, seed, chosen, [perturbation])
    return [(plan.well.perturbation is not None, *simulate_site(plan)) for plan in plans]


def test_arrangement_changes_who_lies_beside_whom_and_nothing_that_can_be_averaged():
    found = sites("arrangement-only", Perturbation("segregated", "crispr", {"segregation": 18.0}), n=80, size=256)
    treated = np.array([own[0] for own in found])
    facts = pd.DataFrame([own[2] for own in found])
    composition = [own[3].kind[own[3].inside].mean() for own in found]
    moments = {
        f"{channel} {name}": [function(own[1][index].astype(float)) for own in found]
        for index, channel in enumerate(CELL_PAINTING)
        for name, function in (("mean", np.mean), ("sd", np.std), ("skew", lambda x: skew(x, axis=None)))
    }
    nuisance = pd.DataFrame(moments).assign(count=facts["true_count"], composition=composition)
    obs = pd.DataFrame({"label": np.where(treated, "treated", "control")}, index=[f"s{i}" for i in range(len(found))])
    probe = make_task("linear-probe", label="label", folds=5)
    rng = np.random.default_rng(0)
    blind = probe.score(AnnData(nuisance.to_numpy("f4"), obs=obs), rng)
    assert blind.interval(rng)[0] < 0.5
    oracle = probe.score(AnnData(facts[["true_segregation"]].to_numpy("f4"), obs=obs), rng)
    assert oracle.interval(rng)[0] > 0.75


def test_penetrance_is_the_share_of_cells_that_respond():
    found = sites("subtle", Perturbation("half", "crispr", {"nuclear_area": 2.0}, penetrance=0.5), n=20)
    responds = np.concatenate([own[3].responds[own[3].inside] for own in found if own[0]])
    area = np.concatenate([own[3].values["nuclear_area"][own[3].inside] for own in found if own[0]])
    assert responds.mean() == pytest.approx(0.5, abs=0.08)
    assert area[responds].mean() / area[~responds].mean() == pytest.approx(2.0, rel=0.15)


def test_every_cell_and_every_relation_is_written_down(tmp_path):
    options = {"plates": 1, "wells": 48, "size": 96, "channels": ["mito", "golgi"], "workers": 1, "preset": "strong"}
    table = pd.read_csv(simulate_cells(tmp_path, **options))
    cells = pd.read_parquet(tmp_path / "cells.parquet")
    counted = cells.groupby("site_id").size().reindex(table["site_id"]).fillna(0)
    assert (counted.to_numpy() == table["true_count"]).all()
    means = cells.groupby("site_id")["mito_spacing"].mean().reindex(table["site_id"]).to_numpy()
    np.testing.assert_allclose(means, table["true_mito_spacing"], rtol=1e-4)
    known = pd.read_csv(tmp_path / "relations.csv")
    assert len(known)
    assert set(known["entity1"]) | set(known["entity2"]) <= set(table["perturbation"])
    assert table.loc[table["role"] == "negative_control", "moa"].isna().all()
    assert {"true_focus_mito", "true_gain_golgi", "true_unevenness_mito", "true_edge"} <= set(table)
    genes = table[table["perturbation"].str.startswith("GENE")]
    assert (genes.groupby("perturbation")["guide"].nunique() == 2).all()
    shares = genes.groupby(["perturbation", "guide"])["true_penetrance"].first().unstack()
    assert (shares[1] == 1).all()
    assert shares[2].between(0.6, 1, inclusive="left").all()


@pytest.mark.parametrize(("preset", "is_sorted"), [("layout-confounded", True), ("mixed", False)])
def test_a_layout_for_all_plates_is_the_same_on_every_plate(tmp_path, preset, is_sorted):
    path = simulate_cells(tmp_path, preset=preset, plates=2, wells=48, size=64, workers=1, channels=["dna"])
    table = pd.read_csv(path)
    assert (table.groupby("well")["perturbation"].nunique() == 1).all()
    controls = table.loc[table["plate"] == "plate1", "role"].eq("negative_control").to_numpy()
    assert controls[-16:].all() == is_sorted  # with mechanisms side by side, controls come last


def test_the_mixed_screen_changes_numbers_and_textures_alone():
    library = draw_library(24, choose_preset("mixed", {}), np.random.default_rng(0))
    names = {name for given in library for name in given.ratios}
    assert {FACTORS[name].level for name in names} == {"density", "texture"}


@pytest.mark.parametrize("channel", sorted(STAINS))
def test_a_stain_shows_what_it_is_for(channel):
    """Twice the amount of its stain makes a channel brighter, and no other."""
    stain = {"actin": "agp", "golgi": "agp"}.get(channel, channel)
    chosen = choose_preset("one-factor", {"acquisition": 0})
    bright = Perturbation("bright", "crispr", {f"{stain}_amount": 2.0})
    other = Perturbation("other", "crispr", {"dna_amount" if stain != "dna" else "er_amount": 2.0})

    def mean(perturbation):
        plans = plan_screen(1, 9, 128, (channel,), 1, chosen, [perturbation])
        return np.mean([simulate_site(plan)[0].mean() for plan in plans if plan.well.perturbation])

    assert mean(bright) > 1.15 * mean(other)
