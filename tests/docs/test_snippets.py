"""Every block of code on the pages is right: recipes validate, Python runs or names what exists, commands parse."""

import ast
import importlib
import inspect
import re
import shlex
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import numpy as np
import pandas as pd
import pytest
import yaml
from anndata import AnnData
from pages import DOCS, PAGES, ROOT, all_blocks, name_of, prose_of

import phenolens as pl
from phenolens.cli.app import app
from phenolens.cli.simulate import simulate_app
from phenolens.core.errors import PhenolensError
from phenolens.recipes import Recipe, ScalingRecipe, TrainingRecipe, load_recipe
from phenolens.tasks import TASKS

YAML, PYTHON, SHELL = all_blocks("yaml"), all_blocks("python"), all_blocks("bash")
WHOLE = {
    Recipe: {
        "name": "example",
        "dataset": {"manifest": "manifest.csv"},
        "tasks": [{"task": "replicate-retrieval", "measures": "activity"}],
    },
    TrainingRecipe: {
        "name": "example",
        "dataset": {"manifest": "manifest.csv"},
        "model": {"objective": "masked-autoencoder", "size": "micro_patch8"},
        "data": {"crop": 64, "batch_size": 8},
        "run": {"steps": 10},
    },
}


def _completed(entries: dict) -> dict:
    """Return a recipe of which a page shows only some entries."""
    if set(entries) & set(ScalingRecipe.model_fields) - set(TrainingRecipe.model_fields):
        return entries
    kind = max(WHOLE, key=lambda kind: len(set(entries) & set(kind.model_fields)))
    return {**WHOLE[kind], **entries}


@pytest.mark.parametrize("block", YAML, ids=str)
def test_recipes_validate(block, tmp_path):
    entries = yaml.safe_load(block.text)
    assert isinstance(entries, dict)
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(_completed(entries), sort_keys=False))
    try:
        with pl.allow_code():
            load_recipe(path)
    except PhenolensError as error:  # of an option that needs a package which is not among the tools of the tests
        if "is not installed" not in str(error):
            raise


def test_a_recipe_with_a_wrong_entry_is_found(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(_completed({"encoders": ["cell-count"], "profling": ["tvn"]})))
    with pytest.raises(PhenolensError, match="did you mean 'profiling'"):
        load_recipe(path)


def _missing_names(tree: ast.AST) -> list[str]:
    """Return what a block takes from Phenolens, and which arguments it gives, that do not exist."""
    missing = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "phenolens":
            module = importlib.import_module(node.module)
            missing += [f"{node.module}.{name.name}" for name in node.names if not hasattr(module, name.name)]
        if isinstance(node, ast.Attribute) and _from_phenolens(node) and _found(node) is None:
            missing.append(ast.unparse(node))
        if isinstance(node, ast.Call) and _from_phenolens(node.func) and callable(_found(node.func)):
            given = {keyword.arg for keyword in node.keywords if keyword.arg}
            parameters = inspect.signature(_found(node.func)).parameters
            if not any(each.kind is each.VAR_KEYWORD for each in parameters.values()):
                missing += [f"{ast.unparse(node.func)}({name}=)" for name in given - set(parameters)]
    return missing


def _from_phenolens(node: ast.AST) -> bool:
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name) and node.id == "pl"


def _found(node: ast.AST) -> object:
    if isinstance(node, ast.Attribute):
        return getattr(_found(node.value), node.attr, None)
    return pl


@pytest.mark.parametrize("block", PYTHON, ids=str)
def test_python_compiles_and_names_what_exists(block):
    tree = ast.parse(block.text)
    assert _missing_names(tree) == []


def test_python_that_names_what_does_not_exist_is_found():
    block = "pl.embde(manifest)\npl.embed(manifest, [], encoder=3)\nfrom phenolens.metrics import lisa"
    assert sorted(_missing_names(ast.parse(block))) == ["phenolens.metrics.lisa", "pl.embde", "pl.embed(encoder=)"]


def _embeddings(folder: Path) -> None:
    """Write the files that the page on embeddings starts from: twelve wells of three perturbations and controls."""
    rng = np.random.default_rng(0)
    names = ["DMSO", "a", "b", "c"] * 3
    wells = pd.DataFrame({"plate": np.repeat(["p1", "p2", "p3"], 4), "well": ["A01", "A02", "A03", "A04"] * 3})
    wells["perturbation"] = names
    wells["role"] = ["negative_control" if name == "DMSO" else "treatment" for name in names]
    x = np.eye(4, 8)[pd.Categorical(names).codes] + rng.normal(0, 0.5, (12, 8))
    np.save(folder / "vectors.npy", x)
    wells.to_csv(folder / "wells.csv", index=False)
    obs = wells.set_index(wells["plate"] + "_" + wells["well"])
    AnnData(x, obs=obs, obsm={"X_mine": x + rng.normal(0, 0.1, x.shape)}).write_h5ad(folder / "screen.h5ad")


BEFORE = {"docs/embeddings.md": _embeddings}
RUNS = sorted({name_of(block.page) for block in PYTHON if block.mark == "runs"})


@pytest.mark.parametrize("page", RUNS)
def test_python_runs_in_the_order_of_the_page(page, tmp_path, monkeypatch, capsys):
    BEFORE[page](tmp_path)
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in PYTHON:
        if name_of(block.page) == page and block.mark == "runs":
            exec(compile(block.text, str(block), "exec"), names)  # noqa: S102 - of our own page
    assert re.search("mine .*yours", capsys.readouterr().out)


def test_there_are_blocks_of_each_kind():
    assert min(map(len, (YAML, PYTHON, SHELL, RUNS))) >= 1
    assert len(SHELL) > len(RUNS)


def _callbacks() -> dict[str, Callable[..., Any]]:
    """Return the function of each command, by its words."""
    found = {}
    for prefix, group in (("", app), ("simulate ", simulate_app)):
        for each in group.registered_commands:
            found[prefix + (each.name or each.callback.__name__.replace("_", "-"))] = each.callback
    return found


COMMANDS = _callbacks()


def _options(command: str) -> dict[str, set[str] | None]:
    """Return the options of a command, each with the values that it allows (None: any)."""
    found: dict[str, set[str] | None] = {"--help": None}
    for name, annotated in get_type_hints(COMMANDS[command], include_extras=True).items():
        if name == "return":
            continue
        kind, info = get_args(annotated) if get_origin(annotated) is Annotated else (annotated, None)
        allowed = set(get_args(kind)) if get_origin(kind) is Literal else None
        given = (getattr(info, "default", None), *(getattr(info, "param_decls", None) or ()))
        named = [option for option in given if isinstance(option, str) and option.startswith("--")]
        by_name = name.replace("_", "-")
        for option in named or ([f"--{by_name}", f"--no-{by_name}"] if kind is bool else [f"--{by_name}"]):
            found[option] = allowed
    return found


def _commands(text: str) -> list[str]:
    """Return the commands of Phenolens in lines of a shell, without comments."""
    joined = text.replace("\\\n", " ")
    found = []
    for line in joined.splitlines():
        found += re.findall(r"(?:^|&& |\s)phenolens (?![^\s]*:)[^#\n]*", line.split(" #")[0])
    return [each.strip().removeprefix("&& ") for each in found]


def _wrong(command: str) -> str | None:
    """Return what is wrong with a command, None if the command line takes it."""
    words = shlex.split(command.replace("|", " "))[1:]
    name = " ".join(words[: 2 if words[:1] == ["simulate"] else 1])
    if name in ("", "--help", "simulate"):
        return None
    if name not in COMMANDS:
        return f"{command}: no command {name}"
    options = _options(name) | dict.fromkeys(_options_of_task(words))
    for index, word in enumerate(words):
        if re.fullmatch(r"recipes/[^$]+\.yaml", word) and not (ROOT / word).is_file():
            return f"{command}: no file {word}"
        if not word.startswith("--"):
            continue
        option, _, value = word.partition("=")
        value = value or next(iter(words[index + 1 :]), "")
        if option not in options:
            return f"{command}: no option {option}"
        if value not in (options[option] or {value}):
            return f"{command}: {option} is not {value}"
    return None


def _options_of_task(words: list[str]) -> set[str]:
    """Return the options of the task that `evaluate` is given."""
    if "--task" not in words:
        return set()
    task = TASKS[words[words.index("--task") + 1]]
    return {f"--{name.replace('_', '-')}" for name in getattr(task, "model_fields", {})}


@pytest.mark.parametrize("block", SHELL, ids=str)
def test_commands_parse(block):
    assert [wrong for command in _commands(block.text) if (wrong := _wrong(command))] == []


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CHANGELOG.md"], ids=name_of)
def test_commands_in_sentences_parse(page):
    named = [
        code for code in re.findall(r"`(phenolens [^`]+)`", prose_of(page).replace("\n", " ")) if "COMMAND" not in code
    ]
    assert [wrong for command in named if (wrong := _wrong(command.replace("...", "")))] == []


def test_wrong_commands_are_found():
    assert _wrong("phenolens rum recipe.yaml") == "phenolens rum recipe.yaml: no command rum"
    assert "no option --output" in (_wrong("phenolens run recipe.yaml --output out") or "")
    assert "--missing is not drop" in (_wrong("phenolens diagnose a.h5ad --missing drop") or "")
    assert "no option --lable" in (_wrong("phenolens evaluate a.h5ad --task linear-probe --lable moa") or "")
    assert "no file" in (_wrong("phenolens run recipes/dmeo.yaml") or "")
    assert _wrong("phenolens evaluate a.h5ad --task linear-probe --label moa") is None


def test_every_command_is_on_the_page_of_commands():
    page = (DOCS / "commands.md").read_text()
    assert [name for name in COMMANDS if not re.search(rf"^phenolens {name}\b", page, re.M)] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_extras_and_targets_exist(page):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.M)
    text = page.read_text()
    extras = [name for found in re.findall(r"(?:phenolens|')\.?\[([\w,]+)\]'", text) for name in found.split(",")]
    made = re.findall(r"(?:`|^)make ([a-z-]+)(?: ([a-z-]+))*", text, re.M)
    assert [name for name in extras if name not in project["optional-dependencies"]] == []
    assert [name for found in made for name in found if name and name not in targets] == []


def test_all_of_the_public_interface_is_on_its_page():
    shown = re.findall(r"^::: ([\w.]+)$", (DOCS / "api.md").read_text(), re.M)
    figures = {each.rpartition(".")[2] for each in shown if each.startswith("phenolens.plot.")}
    names = {each.rpartition(".")[2] for each in shown}
    assert set(pl.plot.__all__) == figures
    assert set(pl.__all__) <= names


@pytest.mark.parametrize("page", sorted(DOCS.glob("api*.md")), ids=name_of)
def test_the_reference_shows_what_exists_and_is_described(page):
    names = re.findall(r"^::: ([\w.]+)$", page.read_text(), re.M)
    assert names
    # Where a module has the name of what it holds, the reference would show the module.
    modules = [name for name in names if (ROOT / "src" / name.replace(".", "/")).with_suffix(".py").is_file()]
    assert [name for name in modules if name != "phenolens.diagnosis.records"] == []
    assert [name for name in names if not inspect.getdoc(_imported(name))] == []


def _imported(name: str) -> object:
    """Return a module, or what a module holds, by its full name."""
    module, _, member = name.rpartition(".")
    found = getattr(importlib.import_module(module), member, None)
    return importlib.import_module(name) if found is None else found
