"""The translocation plate, whose dose response is known: top doses are found, the lowest are not."""

from pathlib import Path

import pytest

from phenolens.recipes.study import read_recipe
from phenolens.workflows.study import run

RECIPE = Path(__file__).parents[2] / "recipes" / "bbbc013.yaml"
TOP = [f"wortmannin {dose} uM" for dose in ("0.0625", "0.125", "0.15", "0.25")]  # of nM, as the other compound's
TOP += [f"LY294002 {dose} uM" for dose in ("20", "40", "80")]
LOWEST = [f"wortmannin {dose} uM" for dose in ("0.00098", "0.00195")]
LOWEST += [f"LY294002 {dose} uM" for dose in ("0.31", "0.63")]


@pytest.fixture(scope="module")
def results(data_dir, tmp_path_factory):
    """The committed recipe with one seed instead of three, without the slowest of the panel, and every profiling."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PHENOLENS_DATA", str(data_dir))
        recipe = read_recipe(RECIPE)
    left_out = dict.fromkeys(("untrained/*@mixing=concat", "untrained/resnet18@mixing=joint"), "a quick test")
    recipe = recipe.model_copy(update={"seeds": 1, "leave_out": left_out})
    return run(recipe, tmp_path_factory.mktemp("bbbc013"))


def by_dose(results, encoder, profiling="tvn"):
    return results.units.query("encoder_id == @encoder and profiling == @profiling").set_index("unit")


def test_the_whole_panel_is_scored_under_every_profiling(results):
    missing = {item["name"]: item["reason"] for item in results.panel_missing}
    assert "differs between sites" in missing.pop("metadata")
    assert set(missing.values()) == {"a quick test"}
    assert len(missing) == 3
    assert len(results.scores) == 10 * 3
    assert results.dataset["n_sites"] == 96
    assert results.dataset["n_negative_controls"] == 12
    assert results.quarantine == []


@pytest.mark.parametrize("encoder", ["pixel-statistics", "untrained/vit_small_patch16@mixing=joint,seed=0"])
def test_top_doses_are_retrieved_and_the_lowest_are_not(results, encoder):
    doses = by_dose(results, encoder)
    assert (doses.loc[TOP, "p_adjusted"] <= 0.05).all()
    assert (doses.loc[LOWEST, "p_adjusted"] > 0.05).all()
    assert doses.loc[TOP, "value"].min() > doses.loc[LOWEST, "value"].max()


@pytest.mark.parametrize("blind", ["cell-count", "area-fraction", "cell-graph/positions"])
def test_classical_features_find_the_translocation_and_counting_cells_does_not(results, blind):
    assert (by_dose(results, "classical-features").loc[TOP, "p_adjusted"] <= 0.05).all()
    counted = by_dose(results, blind)
    assert (counted["p_adjusted"] > 0.05).all()
    assert counted.loc[TOP, "value"].mean() < by_dose(results, "classical-features").loc[TOP, "value"].mean() - 0.2


def test_position_is_found_to_be_a_rival_explanation(results):
    """Doses stand in columns of their own, so that the place of a well tells them apart without an image."""
    assert (by_dose(results, "well-position")["p_adjusted"] <= 0.05).sum() >= 8


def test_empty_wells_are_no_treatment_and_technical_replicates_are_together(results):
    units = by_dose(results, "cell-count")
    assert len(units) == 19
    assert not units.index.str.contains("DMSO").any()
    assert len(results.comparisons) == 10 * 9 / 2 * 3  # each pair of baselines once
