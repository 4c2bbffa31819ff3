"""CPJUMP1 compounds: the facts stated with the data, and what the recipe says of them."""

from pathlib import Path

import numpy as np
import pytest
from anndata import AnnData
from sklearn.preprocessing import StandardScaler

from phenolens.embedding import read_embeddings
from phenolens.metrics import cosine_similarity
from phenolens.recipes.study import read_recipe
from phenolens.workflows.study import run

RECIPE = Path(__file__).parents[2] / "recipes" / "cpjump1.yaml"
ASKED = {
    "replicate-retrieval:controls",
    "replicate-retrieval:others",
    "phenotypic-consistency:moa",
    "leakage:edge",
}


@pytest.fixture(scope="module")
def wells(data_dir):
    path = data_dir / "cpjump1" / "profiles" / "cpjump1_compound_cellprofiler_wells.parquet"
    return read_embeddings(path, columns={"perturbation": "broad_sample", "plate": "Plate"}, metadata=["time"])


def test_the_table_is_read_as_pycytominer_writes_it(wells):
    assert wells.shape == (2688, 904)
    assert wells.obs["plate"].nunique() == 7


def standardised(wells, time):
    """The wells of one time, each feature brought to mean 0 and variance 1, which the stated facts rest on."""
    own = wells[(wells.obs["time"] == time).to_numpy()]
    return AnnData(StandardScaler().fit_transform(np.asarray(own.X, dtype=np.float64)), obs=own.obs)


@pytest.mark.parametrize(("time", "same", "other", "above"), [(48, 0.53, 0.12, 0.57), (24, 0.54, 0.08, 0.72)])
def test_replicates_are_as_alike_as_stated(wells, time, same, other, above):
    own = standardised(wells, time)
    own = own[own.obs["control_type"].isna().to_numpy()]
    similarity = cosine_similarity(np.asarray(own.X))
    plate, compound = own.obs["plate"].astype(str).to_numpy(), own.obs["perturbation"].astype(str).to_numpy()
    across = np.triu(plate[:, None] != plate, 1)
    replicate = compound[:, None] == compound
    per_compound = [
        np.median(similarity[across & replicate & (compound == name)[:, None]]) for name in np.unique(compound)
    ]
    between = similarity[across & ~replicate]
    assert len(per_compound) == 260
    assert np.median(per_compound) == pytest.approx(same, abs=0.03)
    assert np.median(between) == pytest.approx(other, abs=0.03)
    assert np.mean(np.array(per_compound) > np.quantile(between, 0.95)) == pytest.approx(above, abs=0.03)


def test_cell_count_explains_the_first_component(wells):
    own = standardised(wells, 48)
    own = own[own.obs["cell_count"].notna().to_numpy()]
    x = np.asarray(own.X)
    left, values, _ = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)
    assert values[0] ** 2 / (values**2).sum() == pytest.approx(0.40, abs=0.02)
    assert abs(np.corrcoef(left[:, 0], own.obs["cell_count"].astype(float))[0, 1]) == pytest.approx(0.78, abs=0.02)


@pytest.fixture(scope="module")
def results(data_dir, tmp_path_factory):
    """The committed recipe without its slower profilings and tasks, and with fewer permutations."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PHENOLENS_DATA", str(data_dir))
        recipe = read_recipe(RECIPE)
    fewer = {"n_permutations": 99}
    tasks = [
        task.model_copy(update=fewer) if "n_permutations" in type(task).model_fields else task
        for task in recipe.tasks
        if task.id in ASKED
    ]
    changed = recipe.model_copy(update={"tasks": tasks, "profiling": ["raw"]})
    with pytest.warns(UserWarning, match="rows left out"):
        return run(changed, tmp_path_factory.mktemp("cpjump1"))


def value(results, encoder, task):
    return results.scores.query("encoder == @encoder and task == @task").iloc[0]


def test_features_find_replicates_and_mechanisms_beyond_chance_and_cell_count(results):
    for task in ("replicate-retrieval:controls", "replicate-retrieval:others", "phenotypic-consistency:moa"):
        row = value(results, "cellprofiler", task)
        assert row["low"] > row["chance"]
        pair = results.comparisons.query("encoder == 'cellprofiler' and baseline == 'cell-count' and task == @task")
        assert pair["low"].iloc[0] > 0


def test_position_is_named_as_a_rival_explanation(results):
    notes = value(results, "cellprofiler", "replicate-retrieval:controls")["notes"]
    assert any("perturbations are in the same well of every plate" in note for note in notes)
    edge = value(results, "cellprofiler", "leakage:edge")
    assert edge["low"] > 0.9
    (verdict,) = [each for each in results.verdicts if each.task == "leakage:edge"]
    assert "whether a well is on the edge can be predicted from" in verdict.claim


def test_position_alone_finds_replicates(results):
    """Every compound stands in one well of each plate, so that a position knows it without an image."""
    position = value(results, "well-position", "replicate-retrieval:others")
    assert position["value"] > 0.95
    assert position["value"] > value(results, "cellprofiler", "replicate-retrieval:others")["value"] + 0.3
    missing = {item["name"]: item["reason"] for item in results.panel_missing}
    assert "needs images, and there are none" in missing["pixel-statistics"]
    assert "metadata" not in missing


def test_gaps_in_the_labels_are_said(results):
    notes = value(results, "cellprofiler", "phenotypic-consistency:moa")["notes"]
    assert any("have no value in 'moa' and are left out" in note for note in notes)
