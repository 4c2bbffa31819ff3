"""Recipes: what is read, filled in, and refused by entry."""

from pathlib import Path

import pytest
import yaml

from phenolens.core.errors import PhenolensWarning, RecipeError
from phenolens.recipes.study import read_recipe

GOOD = {
    "name": "x",
    "dataset": {"manifest": "m.csv"},
    "tasks": [{"task": "replicate-retrieval"}, {"task": "linear-probe", "label": "phenotype"}],
}


def write(tmp_path, **changes):
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump({**GOOD, **changes}))
    return path


def test_defaults_and_paths_that_start_at_the_recipe(tmp_path):
    recipe = read_recipe(write(tmp_path))
    assert recipe.dataset.manifest == tmp_path / "m.csv"
    assert recipe.baselines == []
    assert recipe.leave_out == {}
    assert recipe.seeds == 3
    assert [task.task for task in recipe.tasks] == ["replicate-retrieval", "linear-probe"]
    assert recipe.embedding.crop.mode == "whole"


def test_a_recipe_written_out_reads_back_the_same(tmp_path):
    recipe = read_recipe(write(tmp_path, embedding={"crop": {"mode": "tiles", "size": 64}}))
    again = tmp_path / "again.yaml"
    again.write_text(recipe.as_yaml())
    assert read_recipe(again) == recipe


def test_variables_of_our_own_are_filled_in_and_no_others(tmp_path, monkeypatch):
    dataset = {"manifest": "${PHENOLENS_DATA:-data}/m.csv", "names": ["${HOME}"]}
    monkeypatch.delenv("PHENOLENS_DATA", raising=False)
    recipe = read_recipe(write(tmp_path, dataset=dataset))
    assert recipe.dataset.manifest == tmp_path / "data" / "m.csv"
    assert recipe.dataset.names == ("${HOME}",)
    monkeypatch.setenv("PHENOLENS_DATA", "/elsewhere")
    assert str(read_recipe(write(tmp_path, dataset=dataset)).dataset.manifest) == "/elsewhere/m.csv"
    with pytest.raises(RecipeError, match="set the environment variable PHENOLENS_NONE"):
        read_recipe(write(tmp_path, dataset={"manifest": "${PHENOLENS_NONE}"}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"nam": "y"}, "nam: no such entry; did you mean 'name'?"),
        ({"tasks": []}, "tasks: list should have at least 1 item"),
        ({"tasks": [{"task": "probing"}]}, "tasks.0: no task 'probing'"),
        ({"tasks": [{"task": "linear-prob"}]}, "tasks.0: no task 'linear-prob'; did you mean 'linear-probe'"),
        ({"tasks": [{"label": "phenotype"}]}, "tasks.0: a task is a mapping whose entry 'task' names it"),
        ({"tasks": ["linear-probe"]}, "tasks.0: a task is a mapping whose entry 'task' names it"),
        ({"tasks": [{"task": "linear-probe"}]}, "tasks.0.linear-probe.label: field required"),
        ({"tasks": [{"task": "leakage", "folds": 1}]}, "tasks.0.leakage.folds: input should be greater"),
        ({"tasks": [{"task": "leakage", "fold": 2}]}, "tasks.0.leakage.fold: no such option; did you mean 'folds'?"),
        ({"profiling": ["zca"]}, "profiling.0: no profiling 'zca'"),
        ({"embedding": {"batch_size": 0}}, "embedding.batch_size: input should be greater"),
        ({"embedding": {"max_failed": 2}}, "embedding.max_failed"),
        ({"dataset": {}}, "dataset: give either a manifest of images or tables of vectors"),
        (
            {"dataset": {"manifest": "m.csv", "chanels": ["a"]}},
            "dataset.chanels: no such entry; did you mean 'channels'?",
        ),
        ({"embedding": {"crop": {"mod": "whole"}}}, "embedding.crop.mod: no such entry; did you mean 'mode'?"),
        ({"embedding": {"crop": {"mode": "tiles"}}}, "mode 'tiles' needs a size"),
        ({"encoders": ["cell-counts"]}, "encoders.0: no encoder 'cell-counts'; did you mean 'cell-count'?"),
        ({"encoders": [{"nam": "x"}]}, "encoders.0.nam: no such entry; did you mean 'name'?"),
        ({"seeds": "many"}, "seeds: input should be a valid integer"),
    ],
)
def test_refusals_name_the_entry_on_one_line(tmp_path, changes, message):
    path = write(tmp_path, **changes)
    with pytest.raises(RecipeError) as caught:
        read_recipe(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("former", "current"), [("controls", "activity"), ("others", "distinctiveness")])
def test_a_former_spelling_is_read_with_a_warning_and_written_anew(tmp_path, former, current):
    with pytest.warns(PhenolensWarning, match=f"'against={former}' is a former spelling; write 'measures={current}'"):
        recipe = read_recipe(write(tmp_path, tasks=[{"task": "replicate-retrieval", "against": former}]))
    (task,) = recipe.tasks
    assert task.measures == current
    assert task.id == f"replicate-retrieval:{former}"  # random numbers are drawn by it
    assert f"measures: {current}" in recipe.as_yaml()


def test_a_value_that_no_spelling_ever_had_is_refused_by_entry(tmp_path):
    with pytest.raises(RecipeError, match=r"replicate-retrieval\.against: no such option"):
        read_recipe(write(tmp_path, tasks=[{"task": "replicate-retrieval", "against": "neither"}]))


@pytest.mark.parametrize("text", ["a: [1", "- a\n- b", "!!python/object/apply:os.system ['true']", ""])
def test_what_is_no_recipe(tmp_path, text):
    path = tmp_path / "r.yaml"
    path.write_text(text)
    with pytest.raises(RecipeError) as caught:
        read_recipe(path)
    assert "\n" not in str(caught.value)


def test_a_missing_recipe(tmp_path):
    with pytest.raises(RecipeError, match="no recipe at"):
        read_recipe(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    "path",
    [
        path
        for folder in ("", "trained")
        for path in sorted((Path(__file__).parents[2] / "recipes" / folder).glob("*.yaml"))
    ],
    ids=lambda path: f"{path.parent.name}-{path.stem}",
)
def test_committed_recipes_are_valid(path):
    assert read_recipe(path).tasks


def test_each_encoder_under_test_has_a_name_and_a_model(tmp_path):
    named = {"name": "mine", "encoder": "untrained/resnet18@seed=1"}
    recipe = read_recipe(write(tmp_path, encoders=["timm/resnet18", named]))
    assert [(each.name, each.model) for each in recipe.tested] == [
        ("timm/resnet18", "timm/resnet18"),
        ("mine", "untrained/resnet18@seed=1"),
    ]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cell-count", "'cell-count' is the name of another encoder; choose a different one"),
        ("mine@seed=1", "string should match pattern"),
        ("our/mine", "string should match pattern"),
        ("", "string should match pattern"),
    ],
)
def test_a_name_that_reads_as_another_encoder_is_refused_in_one_line(tmp_path, name, message):
    with pytest.raises(RecipeError) as refused:
        read_recipe(write(tmp_path, encoders=[{"name": name, "encoder": "timm/resnet18"}]))
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_name_is_given_once(tmp_path):
    twice = [{"name": "mine", "encoder": "timm/resnet18"}, {"name": "mine", "encoder": "timm/resnet50"}]
    with pytest.raises(RecipeError, match="two encoders are called 'mine'; give each a name"):
        read_recipe(write(tmp_path, encoders=twice))
