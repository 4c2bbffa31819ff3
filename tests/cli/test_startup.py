"""What lists, validates or explains loads no network library: torch alone takes seconds."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import tifffile
import yaml

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
    for well in range(8):
        tifffile.imwrite(tmp_path / f"{well}.tif", np.zeros((2, 8, 8), np.uint16), photometric="minisblack")
        role = "treatment" if well % 2 else "negative_control"
        rows.append((f"s{well}", f"{well}.tif", "p", f"A{well + 1:02d}", f"t{well % 2}", role))
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
        "validate recipe.yaml",
        "validate manifest.csv",
        "doctor",
    ],
)
def test_loads_no_network_library(folder, command):
    done = subprocess.run(
        [sys.executable, "-c", CALL, *command.split()], cwd=folder, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-2:] == ["exit code 0", "loaded []"], done.stderr


def test_doctor_says_why_torch_cannot_be_loaded(monkeypatch):
    monkeypatch.setattr(doctor, "_ASK_TORCH", "raise ImportError('libcudart.so.13 is missing')")
    with pytest.raises(PhenolensError, match=r"^torch cannot be loaded: ImportError: libcudart.so.13 is missing; "):
        doctor.examine()
