"""A scaling study from recipe to figure."""

from pathlib import Path

import pandas as pd
import pytest
import yaml

from phenolens.core.errors import RecipeError, TaskNotApplicable
from phenolens.recipes.scaling import read_scaling_recipe
from phenolens.simulation import simulate_cells
from phenolens.workflows.scaling import run_scaling

pytestmark = pytest.mark.training

MODEL = {"objective": "masked-autoencoder", "size": "micro_patch8", "decoding": "shared", "decoder": [16, 1, 2]}


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    folder = tmp_path_factory.mktemp("screen")
    return simulate_cells(folder, preset="strong", plates=2, wells=24, size=64, channels=["dna", "er"], seed=3)


def write(path, manifest, vary, **changes):
    train = {
        "name": "small",
        "dataset": {"manifest": str(manifest)},
        "model": MODEL,
        "data": {"crop": 32, "batch_size": 8},
        "optimiser": {"name": "adamw"},
        "run": {"steps": 2},
        "diagnose": {
            "dataset": {"manifest": str(manifest)},
            "tasks": [{"task": "replicate-retrieval", "measures": "distinctiveness"}],
        },
    }
    path.write_text(yaml.safe_dump({"train": train | changes, "vary": vary, "twin_seeds": 2}, sort_keys=False))
    return path


def test_every_combination_is_trained_asked_and_drawn(manifest, tmp_path):
    size = {"width": 24, "depth": 1, "heads": 2, "patch": 8}
    recipe = read_scaling_recipe(
        write(tmp_path / "r.yaml", manifest, {"run.steps": [2, 4], "model.size": ["micro_patch8", size]})
    )
    result = run_scaling(recipe, tmp_path / "out")
    scores = pd.DataFrame(result.scores)
    assert len(scores) == scores["flops"].nunique() == 4
    by_run = scores.set_index("run")["flops"]
    assert by_run["steps=2,size=width24-depth1-heads2-patch8"] == by_run.min()
    assert by_run["steps=4,size=micro_patch8"] == 2 * by_run["steps=2,size=micro_patch8"]
    assert scores.groupby("parameters")["untrained"].nunique().eq(1).all()  # one architecture, one counterpart
    (fit,) = result.fits
    assert fit.n_encoders == 4
    assert fit.slope.low <= fit.slope.value <= fit.slope.high
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "out" / "scores.csv"), scores)
    (row,) = pd.read_csv(tmp_path / "out" / "fits.csv", float_precision="round_trip").to_dict("records")
    assert row == fit.as_row()
    page = (tmp_path / "out" / "scaling.html").read_text()
    assert "untrained counterparts" in page
    assert "replicate-retrieval" in page
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.h5ad")}
    assert run_scaling(recipe, tmp_path / "out") == result
    assert len(kept) == 4 + 2 * 2 * 2
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


@pytest.mark.parametrize(
    ("vary", "changes", "message"),
    [
        ({"run.step": [2, 4]}, {}, r"vary gives an invalid run: run.step"),
        ({"run.steps": [0]}, {}, r"vary gives an invalid run: run.steps"),
        ({}, {}, "vary"),
        ({"run.steps": [2, 4]}, {"diagnose": None}, "train.diagnose is missing"),
    ],
)
def test_what_cannot_be_run_is_refused_before_any_work(manifest, tmp_path, vary, changes, message):
    with pytest.raises(RecipeError, match=message):
        read_scaling_recipe(write(tmp_path / "r.yaml", manifest, vary, **changes))


def test_runs_of_one_cost_are_refused_before_any_work(manifest, tmp_path):
    recipe = read_scaling_recipe(write(tmp_path / "r.yaml", manifest, {"seed": [0, 1]}))
    with pytest.raises(RecipeError, match="same number of operations"):
        run_scaling(recipe, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_study_that_no_question_is_scored_in_is_refused_with_the_reason(manifest, tmp_path):
    questions = {"dataset": {"manifest": str(manifest)}, "tasks": [{"task": "knn-probe", "label": "donor"}]}
    recipe = read_scaling_recipe(write(tmp_path / "r.yaml", manifest, {"run.steps": [1, 2]}, diagnose=questions))
    with pytest.raises(TaskNotApplicable, match=r"no line can be fitted: .*no column 'donor'"):
        run_scaling(recipe, tmp_path / "out")
    assert not (tmp_path / "out" / "fits.csv").exists()


@pytest.mark.parametrize("path", sorted((Path(__file__).parents[2] / "recipes" / "scale").glob("*.yaml")), ids=str)
def test_every_scaling_recipe_is_valid(path):
    assert len(read_scaling_recipe(path).runs()) > 1
