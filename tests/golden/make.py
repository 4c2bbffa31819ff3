"""Golden results: what three studies say, number by number, so that moving code about cannot change it unseen.

`python tests/golden/make.py write` runs the studies and writes their results beside this file, before code is moved;
`check` runs them afterwards and names what differs. Numbers are compared to the last digit, which depends on the
machine: results are not committed.

`demo` is the study of `make demo`; `images` a small phantom with a network and an oracle under test, changed pixels and
a sweep over layers; `tables` CellProfiler's features of CPJUMP1 beside the cell count, with few permutations.
"""

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import timm
import torch
import yaml
from safetensors.torch import save_file

from phenolens.recipes.study import read_recipe
from phenolens.simulation import simulate_cells
from phenolens.workflows.study import run

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
TABLES = ("scores", "comparisons", "verdicts", "evidence", "skipped", "panel_missing")
CHANNELS = ("dna", "er", "agp")


def demo(folder: Path) -> Any:
    """Run the study of `make demo`."""
    simulate_cells(folder / "plates", preset="mixed", plates=4, wells=72, perturbations=24, size=192, channels=CHANNELS)
    os.environ["PHENOLENS_DEMO"] = str(folder / "plates")
    return run(read_recipe(ROOT / "recipes" / "demo.yaml"), folder / "out")


def images(folder: Path) -> Any:
    """Run a small phantom with a network and an oracle under test."""
    simulate_cells(folder / "plates", preset="strong", wells=40, size=64, channels=CHANNELS[:2], workers=1)
    torch.manual_seed(7)
    os.chdir(folder)
    save_file(timm.create_model("test_vit", pretrained=False).state_dict(), "weights.safetensors")
    recipe = {
        "name": "images",
        "dataset": {"manifest": "plates/manifest.csv"},
        "encoders": ["timm/test_vit@weights=weights.safetensors", "oracle/density+texture@noise=0.3"],
        "leave_out": {"untrained/*": "a small study", "classical-features": "a small study"},
        "seeds": 2,
        "embedding": {"workers": 0},
        "profiling": ["raw", "pca-centre-scale"],
        "tasks": [
            {"task": "replicate-retrieval", "n_permutations": 200},
            {"task": "replicate-retrieval", "measures": "distinctiveness", "n_permutations": 200},
            {"task": "perturbation-strength", "n_permutations": 200},
            {"task": "phenotypic-consistency", "label": "moa", "n_permutations": 200},
            {"task": "leakage", "nuisance": "plate"},
            {"task": "knn-probe", "label": "perturbation", "level": "well", "group": "plate", "folds": 2},
            {"task": "knn-probe", "label": "perturbation", "level": "well", "group": "plate", "split": "random"},
        ],
        "interventions": ["scramble-phases", "blur:4", "drop-channel:er"],
        "sweep": {"layers": "all", "pools": ["mean", "class"]},
    }
    Path("recipe.yaml").write_text(yaml.safe_dump(recipe))
    return run(read_recipe("recipe.yaml"), folder / "out")


def tables(folder: Path) -> Any:
    """Run the recipe of CPJUMP1 as they come, with few permutations."""
    os.environ.setdefault("PHENOLENS_DATA", str(ROOT.parent / "shared" / "data"))
    recipe = read_recipe(ROOT / "recipes" / "cpjump1.yaml")
    quick = [
        task.model_copy(update={"n_permutations": 99}) if "n_permutations" in type(task).model_fields else task
        for task in recipe.tasks
    ]
    return run(recipe.model_copy(update={"tasks": quick, "profiling": ["raw"]}), folder / "out")


STUDIES = {"demo": demo, "images": images, "tables": tables}


def leaves(content: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every value of a nested result with the path to it."""
    items = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else None
    if items is None:
        yield path, content
        return
    for key, value in items:
        yield from leaves(value, f"{path}/{key}")


def results_of(name: str) -> dict[str, Any]:
    """Run one study in a folder of its own, and return what golden results hold of it."""
    with tempfile.TemporaryDirectory() as folder:
        STUDIES[name](Path(folder)).save(Path(folder) / "out")
        page = json.loads((Path(folder) / "out" / "results.json").read_text())
        comparisons = read_table(Path(folder) / "out" / "comparisons.parquet")
    return {table: comparisons if table == "comparisons" else page[table] for table in TABLES}


def read_table(path: Path) -> list[dict[str, Any]]:
    """Return a Parquet table as records."""
    return json.loads(pd.read_parquet(path).to_json(orient="records", double_precision=15))


def main(what: str, names: list[str]) -> int:
    """Write or check the golden results of some studies, or of all."""
    differing = 0
    for name in names or STUDIES:
        found = results_of(name)
        golden = HERE / f"{name}.json"
        if what == "write":
            golden.write_text(json.dumps(found, indent=0, ensure_ascii=False) + "\n")
            continue
        before, now = dict(leaves(json.loads(golden.read_text()))), dict(leaves(found))
        changed = [path for path in {**before, **now} if before.get(path) != now.get(path)]
        differing += len(changed)
        print(f"{name}: {len(changed)} of {len(before)} values differ")
        for path in changed[:40]:
            print(f"  {path}: {before.get(path)!r} -> {now.get(path)!r}")
    return min(differing, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
