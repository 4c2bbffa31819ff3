"""What lists, validates or explains loads no network library: torch alone takes seconds."""

import ast
import contextlib
import gc
import inspect
import subprocess
import sys
from importlib import import_module

import numpy as np
import pandas as pd
import pytest
import tifffile
import yaml

from phenolens.cli import main
from phenolens.core.errors import PhenolensError
from phenolens.workflows import doctor

HEAVY = ("torch", "timm", "lightning")
CALL = f"""
import sys
from phenolens.cli import main

code = 0
try:
    main(sys.argv[1:])
except SystemExit as stop:
    code = stop.code
print("exit code", code or 0)
print("loaded", [name for name in {HEAVY} if name in sys.modules])
"""


@pytest.fixture
def folder(tmp_path):
    """A manifest of eight wells, half of them controls, and a recipe that asks a task of every kind of it."""
    rows = []
    (tmp_path / "images").mkdir()
    for well in range(8):
        tifffile.imwrite(tmp_path / f"{well}.tif", np.zeros((2, 8, 8), np.uint16), photometric="minisblack")
        role = "treatment" if well % 2 else "negative_control"
        rows.append((f"s{well}", f"{well}.tif", "p", f"A{well + 1:02d}", f"t{well % 2}", role))
        tifffile.imwrite(tmp_path / f"images/p_A{well + 1:02d}.tif", np.zeros((8, 8), np.uint16))
    columns = ["site_id", "image", "plate", "well", "perturbation", "role"]
    pd.DataFrame(rows, columns=columns).to_csv(tmp_path / "manifest.csv", index=False)
    recipe = {
        "name": "small",
        "dataset": {"manifest": "manifest.csv", "names": ["dna", "er"]},
        "encoders": ["timm/resnet18", "untrained/resnet18"],
        "profiling": ["raw", "pca-centre-scale", "tvn"],
        "tasks": [
            {"task": "replicate-retrieval"},
            {"task": "knn-probe", "label": "perturbation", "level": "well"},
        ],
    }
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    training = {
        "name": "small",
        "dataset": {"manifest": "manifest.csv", "names": ["dna", "er"]},
        "model": {"objective": "masked-autoencoder", "size": "micro_patch8"},
        "data": {"crop": 8},
    }
    (tmp_path / "train.yaml").write_text(yaml.safe_dump(training))
    asked = {
        "dataset": {"manifest": "manifest.csv"},
        "crop": {"mode": "tiles", "size": 8},
        "tasks": [{"task": "knn-probe", "label": "perturbation"}],
    }
    scaling = {"train": {**training, "diagnose": asked}, "vary": {"run.steps": [10, 20]}}
    (tmp_path / "scale.yaml").write_text(yaml.safe_dump(scaling))
    return tmp_path


@pytest.mark.parametrize(
    "command",
    [
        "--help",
        "run --help",
        "ls encoders",
        "ls tasks",
        "ls profilers",
        "ls datasets",
        "ls options",
        "validate train.yaml",
        "validate scale.yaml",
        "validate manifest.csv",
        "init images --platemap manifest.csv --out drafted",
        "doctor",
    ],
)
def test_loads_no_network_library(folder, command):
    done = subprocess.run(
        [sys.executable, "-c", CALL, *command.split()], cwd=folder, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-2:] == ["exit code 0", "loaded []"], done.stderr


@pytest.mark.parametrize("command", ["ls encoders", "validate train.yaml"])
def test_loads_no_library_of_tables_of_vectors_or_of_pages(folder, command):
    call = CALL.replace(str(HEAVY), str(("anndata", "zarr", "jinja2", "plotly", "skimage", "sklearn.linear_model")))
    done = subprocess.run(
        [sys.executable, "-c", call, *command.split()], cwd=folder, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-2:] == ["exit code 0", "loaded []"], done.stderr


@pytest.mark.parametrize("package", ["phenolens", "phenolens.recipes", "phenolens.training"])
def test_a_lazy_package_brings_what_type_checkers_see(package):
    module = import_module(package)
    (checked,) = [node for node in ast.parse(inspect.getsource(module)).body if isinstance(node, ast.If)]
    seen = {alias.name: node.module for node in checked.body for alias in node.names}
    brought = {name: f"{package}.{home}" for name, home in module._homes.items()}
    assert brought == seen
    assert set(module.__all__) == set(seen)
    for name in seen:
        assert getattr(module, name) is getattr(import_module(brought[name]), name)
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'nothing'"):
        _ = module.nothing


@pytest.mark.parametrize("file", ["train.yaml", "nothing.yaml"])
def test_garbage_is_collected_again_after_a_short_command(folder, file):
    with contextlib.suppress(SystemExit):
        main(["validate", str(folder / file)])
    assert gc.isenabled()


def test_a_function_is_not_replaced_by_the_module_of_its_name():
    call = "import phenolens.training.train; from phenolens.training import train; print(type(train).__name__)"
    done = subprocess.run([sys.executable, "-c", call], capture_output=True, text=True, check=True)
    assert done.stdout == "function\n"


def test_doctor_says_why_torch_cannot_be_loaded(monkeypatch):
    monkeypatch.setattr(doctor, "_TORCH_SCRIPT", "raise ImportError('libcudart.so.13 is missing')")
    with pytest.raises(PhenolensError, match=r"^torch cannot be loaded: ImportError: libcudart.so.13 is missing; "):
        doctor.examine()
