"""What a positive control on every plate adds to the time of replicate retrieval, side by side in one run.

python benchmarks/positive_control.py

`few`: three wells of treatments on each plate, so that the positive control is a quarter of all wells; scored in
Python, and by the command `phenolens evaluate`, which reads the table as well. `many`: 62 wells of treatments.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from anndata import AnnData

from phenolens.evaluation import evaluate
from phenolens.tasks import make_task

RESULTS = Path(__file__).parent / "results" / "positive_control.json"
PLATES, CONTROLS, WELLS, REPLICATES, D = 130, 8, 4, 4, 3
PERTURBATIONS = {"few": 100, "many": 2_000}
REPEATS = 3
OPTIONS = {
    "activity, exchanged with controls": {"exchange_with": "controls"},
    "activity, exchanged with treatments": {"exchange_with": "treatments"},
    "distinctiveness": {"measures": "distinctiveness"},
}


def main() -> None:
    """Time each task without and with the positive control, in turns, and write the shortest times and their ratio."""
    few, many = (pair(screen(perturbations)) for perturbations in PERTURBATIONS.values())
    found = {}
    for name, options in OPTIONS.items():
        task = make_task("replicate-retrieval", **options)
        found[name] = {
            "few": ratio_of(few, lambda wells, task=task: evaluate({"one": wells}, [task])),
            "few, by the command": ratio_of(few, lambda wells, options=options: command(wells, options)),
            "many": ratio_of(many, lambda wells, task=task: evaluate({"one": wells}, [task]), repeats=1),
        }
        print(name, json.dumps(found[name], indent=1), flush=True)
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")


def pair(wells: AnnData) -> tuple[AnnData, AnnData]:
    """Return a screen without and with its positive control."""
    return wells[(wells.obs["role"] != "positive_control").to_numpy()].copy(), wells


def ratio_of(
    screens: tuple[AnnData, AnnData], score: Callable[[AnnData], object], repeats: int = REPEATS
) -> dict[str, float]:
    """Return the least seconds without and with the positive control, and their ratio."""
    seconds = np.empty((repeats, 2))
    for repeat in range(repeats):
        for column, wells in enumerate(screens):
            start = time.perf_counter()
            score(wells)
            seconds[repeat, column] = time.perf_counter() - start
    without, with_ = seconds.min(axis=0)
    return {"without_s": round(without, 2), "with_s": round(with_, 2), "ratio": round(with_ / without, 2)}


def command(wells: AnnData, options: dict[str, str]) -> None:
    """Score a table of wells as users do."""
    table = wells.obs.reset_index(drop=True).join(pd.DataFrame(wells.X, columns=[f"f{i}" for i in range(D)]))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "wells.parquet"
        table.to_parquet(path)
        chosen = [each for option, value in options.items() for each in ("--option", f"{option}={value}")]
        phenolens = [sys.executable, "-c", "from phenolens.cli import main; main()"]
        subprocess.run(  # noqa: S603 (our own command)
            [*phenolens, "evaluate", str(path), "--task", "replicate-retrieval", *chosen, "--json"],
            check=True,
            stdout=subprocess.DEVNULL,
        )


def screen(perturbations: int) -> AnnData:
    """Return a screen of so many perturbations with few replicates, and one with four wells on each plate."""
    rng = np.random.default_rng(0)
    rows = []
    for plate in range(PLATES):
        rows += [(plate, "dmso", "negative_control")] * CONTROLS + [(plate, "poscon", "positive_control")] * WELLS
    for number in range(perturbations):
        for plate in rng.choice(PLATES, REPLICATES, replace=False):
            rows.append((plate, f"c{number}", "treatment"))
    obs = pd.DataFrame(rows, columns=["plate", "perturbation", "role"]).astype(str)
    obs.index = [f"w{each}" for each in range(len(obs))]
    x = rng.normal(size=(len(obs), D)) + rng.normal(size=(PLATES, D))[obs["plate"].astype(int)]
    return AnnData(x + 2.0 * (obs["role"] == "positive_control").to_numpy()[:, None], obs=obs)


if __name__ == "__main__":
    main()
