"""A package of somebody else: what it adds is listed, run, and counted for what it is.

It is found without being installed: its metadata lie in a folder on the path of another process.
"""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import tifffile

from phenolens.core.plugins import Registry
from phenolens.datasets import read_manifest

pytestmark = pytest.mark.integration

TESTS = Path(__file__).parents[1]
PACKAGE = TESTS / "plugin_package"
KINDS = ("encoders", "tasks", "profilers", "datasets", "segmentations")
ADDED = {
    "encoders": {
        "border-brightness": "brightness of the outermost pixels of each channel (baseline)",
        "coarse-image": "from phenolens-example",
    },
    "tasks": {"nearest-well": "Is the well that resembles a well most one of the same perturbation?"},
    "profilers": {"control-centre": "Subtract the mean of all negative controls"},
    "datasets": {"squares": "a plate of noise and squares, to try things on"},
    "segmentations": {"bright-parts": "Label the parts of the nuclear channel brighter than half of its range"},
}
OURS = {
    "encoders": "oracle/...",
    "tasks": "leakage",
    "profilers": "harmony",
    "datasets": "cells --preset one-factor",
    "segmentations": "classical",
}
NAMES = ("border-brightness", "coarse-image@side=8")
RECIPE = """
name: squares
dataset: {manifest: plate/manifest.csv}
encoders: [coarse-image@side=8]
baselines: [border-brightness]
leave_out: {"*": a quick test}
embedding: {workers: 0}
profiling: [control-centre]
tasks: [{task: nearest-well, least_wells: 5}]
"""

# Runs calls of functions and of the command line, one after another, and prints what became of each.
RUNNER = """
import contextlib, importlib, io, json, sys
results = []
for what, arguments in json.loads(sys.argv[1]):
    out, err, code = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            module, _, name = what.partition(":")
            getattr(importlib.import_module(module), name)(*arguments)
        except SystemExit as stop:
            code = stop.code or 0
        except Exception as error:
            code = 1
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
    results.append([code, out.getvalue(), err.getvalue()])
print(json.dumps(results))
"""


def announce(site, name, entry_points):
    """Write what pip would write of a package: its name, and its entry points."""
    info = site / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    sections = [
        f"[{group}]\n" + "".join(f"{key} = {value}\n" for key, value in points.items())
        for group, points in entry_points.items()
    ]
    (info / "entry_points.txt").write_text("\n".join(sections))


def run(site, folder, calls):
    """Return exit code, stdout and stderr of each call, in one process that sees the packages of `site`."""
    done = subprocess.run(
        [sys.executable, "-c", RUNNER, json.dumps(list(calls.values()))],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return dict(zip(calls, json.loads(done.stdout.splitlines()[-1]), strict=True))


def command(*arguments):
    return "phenolens.cli:main", [list(map(str, arguments))]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("work")
    (folder / "good.yaml").write_text(RECIPE)
    (folder / "bad.yaml").write_text(RECIPE.replace("least_wells: 5", "least_wells: 3"))
    return folder


@pytest.fixture(scope="module")
def found(tmp_path_factory, folder):
    """What comes of a process that sees the example package."""
    site = tmp_path_factory.mktemp("site")
    project = tomllib.loads((PACKAGE / "pyproject.toml").read_text())["project"]
    announce(site, project["name"], project["entry-points"])
    (site / "phenolens_example.py").write_text((PACKAGE / "phenolens_example.py").read_text())
    files = [f"e/{name.replace('@', '-')}.h5ad" for name in NAMES]
    evaluate = ["evaluate", *files, "--task", "nearest-well", "--profiling", "control-centre", "--json"]
    encoders = [part for name in NAMES for part in ("--encoder", name)]
    calls = {kind: command("ls", kind, "--json") for kind in KINDS}
    calls |= {
        "dataset": ("phenolens.datasets:open_dataset", ["squares", "plate"]),
        "embed": command("embed", "plate/manifest.csv", "--out", "e", "--workers", 0, *encoders),
        "evaluate": command(*evaluate),
        "validate": command("validate", "good.yaml"),
        "refused": command("validate", "bad.yaml"),
        "study": command("run", "good.yaml", "--out", "study"),
        "segment": command("segment", "plate/manifest.csv", "--segmentation", "bright-parts", "--out", "nuclei"),
    }
    return run(site, folder, calls)


@pytest.fixture(scope="module")
def broken(tmp_path_factory, folder):
    """What comes of a package whose module is missing, and which announces what is no task."""
    site = tmp_path_factory.mktemp("broken")
    points = {
        "phenolens.encoders": {
            "gone": "no_such_module:Encoder",
            "cell-count": "no_such_module:Other",
            "half": "half_there:HALF",
            "odd": "half_there:ODD",
        },
        "phenolens.tasks": {"gone": "no_such_module:Task", "pathology": "pathlib:Path"},
        "phenolens.profilers": {"gone": "no_such_module:Profiler"},
        "phenolens.datasets": {"gone": "no_such_module:DATA"},
        "phenolens.segmentations": {"gone": "no_such_module:find"},
    }
    announce(site, "broken-package", points)
    (site / "half_there.py").write_text(
        "from phenolens.encoders import EncoderEntry\n"
        "HALF = EncoderEntry('its factory is missing', 'half_there:Missing', role='baseline')\n"
        "ODD = EncoderEntry('its role is none', 'half_there:Missing', role='best')\n"
    )
    calls = {kind: command("ls", kind, "--json") for kind in KINDS}
    calls |= {
        "encoder": ("phenolens.encoders:create_encoder", ["gone", ["dna"]]),
        "half": ("phenolens.encoders:create_encoder", ["half", ["dna"]]),
        "task": ("phenolens.tasks:make_task", ["gone"]),
        "profiling": ("phenolens.profiling:parse_profiling", ["gone"]),
        "data set": ("phenolens.datasets:open_dataset", ["gone", "."]),
    }
    return run(site, folder, calls)


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_package_adds_is_listed_beside_ours(found, kind):
    code, out, err = found[kind]
    assert code == 0, err
    listed = json.loads(out)
    assert ADDED[kind].items() <= listed.items()
    assert OURS[kind] in listed


def test_from_its_images_to_scores(found, folder):
    for step in ("dataset", "embed", "evaluate"):
        assert found[step][0] == 0, found[step][2]
    scores = {score["encoder"]: score for score in json.loads(found["evaluate"][1])["scores"]}
    assert {name: score["baseline"] for name, score in scores.items()} == dict(zip(NAMES, (True, False), strict=True))
    assert {(score["task"], score["profiling"]) for score in scores.values()} == {("nearest-well", "control-centre")}
    coarse, border = scores["coarse-image@side=8"], scores["border-brightness"]
    assert coarse["value"] == 1
    assert coarse["chance"] == pytest.approx(5 / 11)
    assert border["value"] < 0.9


def test_a_recipe_takes_its_names_and_refuses_its_options_by_entry(found, folder):
    assert found["validate"][0] == 0, found["validate"][2]
    code, _, err = found["refused"]
    assert code == 1
    assert "tasks.0.nearest-well.least_wells: input should be greater than or equal to 4" in err


def test_a_study_holds_its_encoder_against_its_baseline(found, folder):
    assert found["study"][0] == 0, found["study"][2]
    results = json.loads((folder / "study" / "results.json").read_text())
    assert {one["id"]: one["baseline"] for one in results["encoders"]} == dict(zip(NAMES, (True, False), strict=True))


def test_its_segmentation_finds_what_it_describes(found, folder):
    """A square is 16 x 8 pixels, and 50 counts above noise of 100."""
    assert found["segment"][0] == 0, found["segment"][2]
    labels = tifffile.imread(read_manifest(folder / "nuclei" / "manifest.csv").mask(1))
    assert np.bincount(labels.ravel())[1:].max() == pytest.approx(16 * 8, rel=0.2)


@pytest.mark.parametrize("kind", KINDS)
def test_a_broken_package_is_named_and_breaks_no_list(broken, kind):
    code, out, err = broken[kind]
    assert code == 0, err
    listed = json.loads(out)
    assert "of the package 'broken-package' cannot be loaded (ModuleNotFoundError: No module" in listed["gone"]
    assert OURS[kind] in listed
    if kind == "tasks":
        assert "pathlib:Path is not a subclass of phenolens.tasks.Task" in listed["pathology"]
    if kind == "encoders":  # a name of ours cannot be taken
        assert listed["cell-count"] == "number of nuclei (baseline)"
        assert "half_there:ODD: 'best' is not one of tested, baseline, untrained, oracle" in listed["odd"]
        assert broken["half"][2].startswith("EncoderError: 'half': half_there:Missing cannot be loaded (")


@pytest.mark.parametrize("kind", ["encoder", "task", "profiling", "data set"])
def test_a_broken_package_is_told_in_one_line_by_who_needs_it(broken, kind):
    code, _, err = broken[kind]
    assert code == 1
    assert err.count("\n") == 1
    assert f"Error: the {kind} 'gone' of the package 'broken-package' cannot be loaded" in err


def test_what_is_not_looked_up_is_not_loaded():
    registry = Registry("task", "console_scripts", {"phenolens": "ours"}, lambda point, loaded: pytest.fail("loaded"))
    assert "phenolens" in registry
    assert len(list(registry)) == len(registry) > 1
    assert registry["phenolens"] == "ours"


def test_the_guide_shows_the_code_that_is_tested_here():
    guide = (TESTS.parent / "docs" / "extending.md").read_text()
    shown = {"python": "phenolens_example.py", "toml": "pyproject.toml"}
    of_packages = guide.split("## Add to a diagnosis")[0]  # the rest is tests/how_to
    blocks = re.findall(r"```(python|toml)\n(.*?)```", of_packages, flags=re.DOTALL)
    assert len(blocks) > len(shown)
    for kind, block in blocks:
        assert block in (PACKAGE / shown[kind]).read_text()
    for added in (
        "CoarseImage(",
        "BorderBrightness(",
        "NearestWell(",
        "ControlCentre(",
        "open_squares(",
        "coarse-image =",
    ):
        assert any(added in block for _, block in blocks)
