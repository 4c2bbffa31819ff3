"""Recipes that would grow, run for ever, or become something else than they say are refused at once."""

import time

import pytest
import yaml

from phenolens.core.errors import RecipeError
from phenolens.recipes.bounded_yaml import load_yaml
from phenolens.recipes.load import load_recipe

LEVELS = [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]" for n in range(1, 10)]
MERGES = [f"m{n}: &m{n}\n  <<: [{', '.join([f'*m{n - 1}'] * 9)}]" for n in range(1, 10)]
BAD = {
    "a billion laughs": "\n".join(["l0: &l0 [lol, lol]", *LEVELS, "name: *l9"]),
    "a billion merged keys": "\n".join(["m0: &m0 {a: 1}", *MERGES, "name: x"]),
    "a long text many times": f"a: &a {'x' * 100_000}\nname: [{', '.join(['*a'] * 1000)}]",
    "a list within itself": "name: &a [*a]",
    "a mapping within itself": "name: &a {b: *a}",
    "deep lists": "name: " + "[" * 1000 + "]" * 1000,
    "deep mappings": "name: " + "{a: " * 200 + "}" * 200,
    "deep lists that do not end": "name: " + "[" * 100_000,
    "a long number": "name: x\nseed: " + "9" * 5000,
    "a long hexadecimal number": "name: x\nseed: 0x" + "f" * 5000,
    "a long sexagesimal number": "name: x\nseed: 1" + ":0" * 5000,
    "a day that does not exist": "name: !!timestamp 2001-99-99",
    "no number": "name: !!int ''",
    "no answer": "name: !!bool perhaps",
    "an object": 'name: !!python/object/apply:os.system ["touch pwned"]',
    "a module": "name: !!python/name:os.system",
    "two documents": "name: x\n---\nname: y",
    "a list as key": "? [a]\n: b",
    "no text": "name: \x00",
    "a large file": "# " + "x" * 300_000 + "\nname: x",
}


@pytest.mark.parametrize("kind", BAD)
def test_refused_in_one_line_within_seconds(tmp_path, kind):
    path = tmp_path / "recipe.yaml"
    path.write_text(BAD[kind])
    began = time.monotonic()
    with pytest.raises(RecipeError) as caught:
        load_recipe(path)
    assert time.monotonic() - began < 10  # on a machine that does much else, too
    message = str(caught.value)
    assert message.startswith(f"{path}: is not valid YAML: ")
    assert "\n" not in message
    assert len(message) < 1000


def test_what_is_no_utf_8_is_refused(tmp_path):
    (tmp_path / "recipe.yaml").write_bytes(b"name: \xff")
    with pytest.raises(RecipeError, match="is not valid YAML"):
        load_recipe(tmp_path / "recipe.yaml")


def test_a_variable_that_is_never_closed_takes_no_time(tmp_path):
    path = tmp_path / "recipe.yaml"
    content = {"name": "${PHENOLENS_A:-" * 15_000, "dataset": {"manifest": "m.csv"}, "tasks": [{"task": "none"}]}
    path.write_text(yaml.safe_dump(content, width=10**6))
    began = time.monotonic()
    with pytest.raises(RecipeError):
        load_recipe(path)
    assert time.monotonic() - began < 10


def test_more_runs_than_anyone_trains_are_refused(tmp_path):
    values = list(range(1, 1001))
    content = {
        "train": {"name": "x", "dataset": {"manifest": "m.csv"}, "model": {"objective": "masked-autoencoder"}},
        "vary": {"run.steps": values, "seed": values, "data.batch_size": values},
    }
    content["train"]["diagnose"] = {"dataset": {"manifest": "m.csv"}, "tasks": [{"task": "replicate-retrieval"}]}
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(content))
    began = time.monotonic()
    with pytest.raises(RecipeError, match="1000000000 runs"):
        load_recipe(path)
    assert time.monotonic() - began < 10


def test_aliases_merges_and_days_of_ordinary_recipes_are_read():
    content = b"base: &base {a: 1, day: 2024-05-01}\nmore: {<<: *base, b: [1.5, 0x10, true, null]}\nagain: *base"
    found = load_yaml(content)
    assert found["more"] == {"a": 1, "day": "2024-05-01", "b": [1.5, 16, True, None]}
    assert found["again"] == found["base"]
