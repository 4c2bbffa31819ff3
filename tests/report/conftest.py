"""A tiny real study: what the product itself makes of a small screen is what the report is tried on."""

from pathlib import Path

import pytest
import timm
import torch
import yaml
from filelock import FileLock
from safetensors.torch import save_file

from phenolens.recipes.study import read_recipe
from phenolens.report import Results
from phenolens.simulation import simulate_cells
from phenolens.workflows.study import run

LEFT_OUT = (
    "untrained/*",
    "random-*",
    "classical-features",
    "file-size",
    "power-spectrum",
    "area-fraction",
    "cell-graph/*",
)


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """The folder of a study with two encoders under test, a leaking split, one broken image and all optional parts.

    It takes minutes, and nothing changes it: processes that test side by side share it.
    """
    own = tmp_path_factory.getbasetemp()
    folder = (own if worker_id == "master" else own.parent) / "study"
    with FileLock(folder.with_suffix(".lock")):
        if not (folder / "out").is_dir():
            folder.mkdir()
            _run_study(folder)
    return folder / "out"


def _run_study(folder: Path) -> None:
    simulate_cells(
        folder / "plates", preset="strong", wells=56, perturbations=12, size=64, channels=("dna",), workers=1
    )
    first = sorted((folder / "plates" / "images").glob("*.tif"))[0]
    first.write_bytes(b"broken")
    torch.manual_seed(7)
    save_file(timm.create_model("test_vit", pretrained=False).state_dict(), folder / "weights.safetensors")
    recipe = {
        "name": "a tiny study",
        "dataset": {"manifest": "plates/manifest.csv"},
        "encoders": [
            {"name": "network", "encoder": f"timm/test_vit@weights={folder / 'weights.safetensors'}"},
            "oracle/density+texture@noise=0.3",
        ],
        "leave_out": dict.fromkeys(LEFT_OUT, "a small study"),
        "seeds": 2,
        "embedding": {"workers": 0, "max_failed": 0.05},
        "profiling": ["raw", "robust-z"],
        "tasks": [
            {"task": "replicate-retrieval", "n_permutations": 50},
            {"task": "leakage", "nuisance": "plate"},
            {"task": "relationship-recall", "relations": ["plates/relations.csv"], "n_permutations": 19},
            {"task": "knn-probe", "label": "perturbation", "level": "well", "group": "plate", "split": "random"},
            {"task": "phenotypic-consistency", "label": "site"},  # which all wells share, so that it is skipped
        ],
        "interventions": ["blur:4"],
        "sweep": {"layers": [1, 3], "pools": ["mean"]},
    }
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    run(read_recipe(folder / "recipe.yaml"), folder / "out")


@pytest.fixture
def results(study: Path) -> Results:
    """The results of the study, to be changed at will."""
    return Results.load(study)
