"""Knock-downs in fly cells: relations are recalled, and what the data's reference values rest on."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from phenolens.metrics import PairNull
from phenolens.recipes.study import read_recipe
from phenolens.tasks.relations import pairs_among, read_relations, read_translation
from phenolens.workflows.study import run

RECIPE = Path(__file__).parents[2] / "recipes" / "dmelsgi_skd.yaml"
PERMUTATIONS = 39


@pytest.fixture(scope="module")
def results(data_dir, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PHENOLENS_DATA", str(data_dir))
        recipe = read_recipe(RECIPE)
    tasks = [task.model_copy(update={"n_permutations": PERMUTATIONS}) for task in recipe.tasks]
    counts = {"features": ("feat_4x.count", "feat_4x.countpH3")}
    recipe.dataset.tables["two-counts"] = recipe.dataset.tables["cell-count"].model_copy(update=counts)
    with pytest.warns(UserWarning, match="17 of 31032 rows, 1 of 21 features have NaN"):
        return run(recipe.model_copy(update={"tasks": tasks}), tmp_path_factory.mktemp("dmelsgi"))


def recall(results, encoder, profiling):
    units = results.units.query("encoder == @encoder and profiling == @profiling")
    return units.groupby("stratum")[["value", "weight"]].apply(
        lambda own: np.average(own["value"], weights=own["weight"])
    )


def test_complexes_are_recalled_after_scaling_and_not_before(results):
    scaled = recall(results, "image-features", "robust-z@on=all")
    raw = recall(results, "image-features", "raw")
    for source in ("CORUM", "HuMAP", "StringDB", "dpim_complexes", "dpim_interactions"):
        assert scaled[source] > 0.25
        assert raw[source] < 0.12


def test_counts_alone_recall_little(results):
    for profiling in ("raw", "robust-z@on=all"):
        assert recall(results, "cell-count", profiling).max() < 0.2


def test_counts_of_all_and_of_mitotic_nuclei_give_the_reference_value(results):
    counted = recall(results, "two-counts", "robust-z@on=all")
    assert counted["CORUM"] == pytest.approx(0.134, abs=0.01)
    assert counted.max() < 0.2


def test_batches_alone_recall_nothing(results):
    """Every gene stands in every batch, so that the median over replicates makes all genes alike."""
    assert recall(results, "metadata", "robust-z@on=all").to_numpy() == pytest.approx(0.1)


def test_every_source_has_its_size_and_interval(results):
    assert set(results.units["stratum"]) == {
        *("CORUM", "HuMAP", "Reactome", "SIGNOR", "StringDB", "dpim_complexes", "dpim_interactions")
    }
    scores = results.scores.query("encoder != 'metadata'")  # which has one value for all genes
    assert (scores["low"] < scores["value"]).all()
    assert (scores["value"] < scores["high"]).all()


def scaled_median(data_dir, floor):
    """The data's reference protocol: robust z per batch and design, median over replicates, MAD + `floor`."""
    table = pd.read_parquet(data_dir / "dmelsgi_skd" / "skd_profiles.parquet")
    features = [name for name in table if name.startswith("feat_")]
    groups = [table["batch"], table["dsrna_design"]]
    gap = table[features].astype(float) - table[features].astype(float).groupby(groups).transform("median")
    mad = 1.4826 * gap.abs().groupby(groups).transform("median")
    return (gap / (mad + floor)).fillna(0).groupby(table["gene_fbgn"]).median(), mad


def test_reference_values_follow_from_dividing_by_a_spread_of_zero(data_dir):
    """Two quantile features take few values, so that in half of the batches their MAD is zero: divided by next to
    nothing they outweigh all others. That gives the data's reference values; with the mean absolute deviation in its
    place, as `RobustZ` has it, relations are recalled far better (0.30 instead of 0.22 in CORUM)."""
    profiles, mad = scaled_median(data_dir, 1e-9)
    assert sorted(mad.columns[(mad == 0).any()]) == ["feat_4x.areaNucQ0.10", "feat_4x.areaNucQ0.75"]
    null = PairNull(profiles.to_numpy())
    folder = data_dir / "dmelsgi_skd"
    complexes = null.place(pairs_among(read_relations(folder / "dpim_complexes.csv"), list(profiles.index)))
    assert (complexes.lower + complexes.upper).mean() == pytest.approx(0.292, abs=0.01)
    translation = read_translation(folder / "fly_to_human.csv")
    corum = read_relations(data_dir / "gene_relations" / "CORUM.csv.gz")
    human = null.place(pairs_among(corum, list(profiles.index), translation))
    assert (human.lower + human.upper).mean() == pytest.approx(0.198, abs=0.025)
