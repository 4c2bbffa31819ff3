"""The command line as a user meets it: exit codes, stdout, stderr."""

import json

import numpy as np
import pandas as pd
import pytest

from phenolens.tasks import TASKS


@pytest.fixture
def table(tmp_path):
    """Profiles of twelve controls, and of two perturbations of which one is active."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(24, 5))
    x[12:18] += 8
    frame = pd.DataFrame(x, columns=[f"f{i}" for i in range(5)])
    frame["role"] = ["negative_control"] * 12 + ["treatment"] * 12
    frame["perturbation"] = ["dmso"] * 12 + ["active"] * 6 + ["inactive"] * 6
    frame.to_csv(tmp_path / "mine.csv", index=False)
    return tmp_path / "mine.csv"


def test_evaluate_prints_one_json_object(call, table):
    code, out, _ = call("evaluate", table, "--task", "replicate-retrieval", "--json")
    assert code == 0
    answer = json.loads(out)
    (score,) = answer["scores"]
    assert score["encoder"] == "mine"
    assert {"value", "chance", "interval", "n_units"} <= set(score)
    assert score["n_units"] == 2
    assert answer["verdicts"]


def test_evaluate_for_people_and_of_several_files(call, table):
    other = table.with_name("theirs.csv")
    other.write_bytes(table.read_bytes())
    code, out, _ = call("evaluate", table, other, "--task", "replicate-retrieval", "--profiling", "tvn")
    assert code == 0
    assert "mine" in out
    assert "theirs" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--task", "linear-probe", "--label", "compound"], "no column 'compound'"),
        (["--task", "linear-prob"], "did you mean 'linear-probe'"),
        (["--task", "linear-probe"], "option 'label'"),
    ],
)
def test_a_stated_failure_is_one_line_on_stderr_and_exit_code_1(call, table, arguments, message):
    code, out, err = call("evaluate", table, *arguments)
    assert code == 1
    assert out == ""
    assert err.startswith("error: ")
    assert message in err
    assert err.count("\n") == 1


def test_bad_usage_is_exit_code_2(call):
    assert call("evaluate")[0] == 2
    assert call("run", "x.yaml", "--no-such-option")[0] == 2


@pytest.mark.parametrize("what", ["encoders", "datasets", "tasks", "profilers", "options"])
def test_ls(call, what):
    code, out, _ = call("ls", what, "--json")
    assert code == 0
    assert json.loads(out)
    assert call("ls", what)[0] == 0


def test_ls_options_tells_what_the_fields_of_tasks_declare(call):
    tasks = json.loads(call("ls", "options", "--json")[1])
    assert set(tasks) == set(TASKS)
    assert tasks["linear-probe"]["label"] == {
        "type": "str",
        "repeatable": False,
        "required": True,
        "default": None,
        "help": "The metadata column to predict.",
    }
    assert tasks["linear-probe"]["split"]["type"] == "grouped | random"
    targets = tasks["regression-probe"]["targets"]
    assert (targets["type"], targets["repeatable"]) == ("str", True)
    assert tasks["relationship-recall"]["translate"]["type"] == "path"
    for name, options in tasks.items():
        assert set(options) == set(TASKS[name].model_fields) - {"task"}
        undocumented = [key for key, option in options.items() if not option["help"]]
        assert not undocumented, name


def test_doctor(call):
    code, out, _ = call("doctor", "--json")
    assert code == 0
    assert json.loads(out)["torch"]
    assert "bf16 on this CPU" in call("doctor")[1]


@pytest.mark.integration
def test_simulate_validate_embed_run_report(call, tmp_path):
    plates = tmp_path / "plates"
    code, out, _ = call("simulate", "cells", "--out", plates, "--plates", 1, "--wells", 48, "--size", 64)
    assert code == 0
    manifest = plates / "manifest.csv"
    assert str(manifest) in out.replace("\n", "")

    code, out, _ = call("validate", manifest, "--json")
    assert json.loads(out)["n_sites"] == 48

    code, out, err = call("embed", manifest, "--encoder", "cell-count", "--out", tmp_path / "e", "--json")
    assert code == 0
    assert json.loads(out)["embeddings"] == {"cell-count": [48, 1]}

    code, out, _ = call("evaluate", tmp_path / "e" / "cell-count.h5ad", "--task", "replicate-retrieval", "--json")
    assert json.loads(out)["scores"][0]["encoder"] == "cell-count"

    recipe = tmp_path / "r.yaml"
    recipe.write_text(
        "name: r\ndataset: {manifest: plates/manifest.csv}\n"
        "leave_out: {untrained/*: a quick test, random-*: a quick test}\n"
        "tasks: [{task: replicate-retrieval, n_permutations: 50}]\n"
    )
    assert call("validate", recipe)[0] == 0
    code, out, _ = call("run", recipe, "--out", tmp_path / "o", "--json")
    assert code == 0
    assert json.loads(out)["report"].endswith("report.html")
    page = tmp_path / "o" / "report.html"
    first = page.read_bytes()
    page.unlink()
    assert call("report", tmp_path / "o")[0] == 0
    assert page.read_bytes() == first

    next(plates.glob("images/*.tif")).unlink()
    code, _, err = call("validate", recipe)
    assert code == 1
    assert "column 'image': no file" in err
    assert err.count("\n") == 1


def test_report_of_a_folder_without_results(call, tmp_path):
    code, _, err = call("report", tmp_path)
    assert code == 1
    assert err.startswith("error: ")
    assert err.count("\n") == 1
