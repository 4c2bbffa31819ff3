"""2.46 million cells of the intestine: what density, positions, types and their arrangement tell, step by step."""

from pathlib import Path

import pytest

from phenolens.recipes.study import read_recipe
from phenolens.workflows.study import run

RECIPE = Path(__file__).parents[2] / "recipes" / "intestine.yaml"


@pytest.fixture(scope="module")
def results(data_dir, tmp_path_factory):
    """The committed recipe; of its encoders, each step alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PHENOLENS_DATA", str(data_dir))
        recipe = read_recipe(RECIPE)
    return run(recipe.model_copy(update={"tasks": recipe.tasks[:1]}), tmp_path_factory.mktemp("intestine"))


def score(results, step):
    return results.scores.query(f"encoder == 'cell-graph/{step}'").iloc[0]


def test_the_whole_set_is_there(results):
    assert results.dataset["n_cells"] == 2_458_487
    assert results.dataset["n_sites"] == 63
    assert results.dataset["kind"] == "tissue"
    assert results.dataset["groups"] == {"label": 2, "patient": 8}
    assert [item["name"] for item in results.panel_missing] == ["cell-graph/morphology"]  # the table has no shapes


def test_types_tell_small_from_large_intestine_of_unseen_donors(results):
    assert score(results, "composition@alone=true")["value"] == pytest.approx(0.94, abs=0.04)
    assert score(results, "neighbourhoods@alone=true")["value"] > 0.9


def test_positions_tell_little_and_donors_nothing(results):
    assert score(results, "density")["value"] < score(results, "composition@alone=true")["value"] - 0.1
    assert score(results, "positions")["value"] < score(results, "composition@alone=true")["value"] - 0.1
    metadata = results.scores.query("encoder == 'metadata'").iloc[0]
    assert metadata["value"] == pytest.approx(0.5)
