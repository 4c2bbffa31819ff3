"""Nuclei from movies: a split that ignores the movies looks better, and is called leaking."""

from pathlib import Path

import pytest

from phenolens.recipes.study import read_recipe
from phenolens.workflows.study import run

RECIPE = Path(__file__).parents[2] / "recipes" / "mitocheck.yaml"
NETWORK = "untrained/resnet18@mixing=joint,seed=0"


@pytest.fixture(scope="module")
def study(data_dir, tmp_path_factory):
    """The committed recipe with four quick baselines, one of them a network of one seed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PHENOLENS_DATA", str(data_dir))
        recipe = read_recipe(RECIPE)
    left_out = ["metadata", "file-size", "cell-graph/*", "classical-features", "power-*", "untrained/*", "random-*"]
    out = tmp_path_factory.mktemp("mitocheck")
    changes = {"baselines": [NETWORK], "leave_out": dict.fromkeys(left_out, "a quick test")}
    return run(recipe.model_copy(update=changes), out), out


@pytest.mark.parametrize("probe", ["linear-probe", "knn-probe"])
@pytest.mark.parametrize("encoder", ["pixel-statistics", NETWORK])
def test_the_random_split_looks_better_than_the_grouped_one(study, probe, encoder):
    results, _ = study
    scores = results.scores.query("encoder_id == @encoder").set_index("task")
    random, grouped = scores.loc[f"{probe}:label|random"], scores.loc[f"{probe}:label|grouped by movie"]
    assert random["value"] > grouped["value"] > grouped["chance"]
    assert grouped["leak"] == ""
    assert grouped["notes"] == []
    assert random["leak"].startswith("77 of 77 groups")


def test_the_report_calls_it_leaking(study):
    results, out = study
    leaks = [verdict for verdict in results.verdicts if verdict.kind == "leak"]
    assert {leak.task for leak in leaks} == {"linear-probe:label|random", "knn-probe:label|random"}
    assert all(leak.low > 0 for leak in leaks)
    assert "77 of 77 groups are on both sides" in (out / "report.html").read_text()


def test_every_nucleus_is_there(study):
    results, _ = study
    assert results.dataset["n_sites"] == 3277
    assert results.dataset["groups"] == {"label": 16, "movie": 77}
    assert set(results.scores["n_units"]) == {77}
