"""What a positive control on every plate adds to the time of replicate retrieval, side by side in one run.

python benchmarks/positive_control.py
"""

import json
import time
from pathlib import Path

import numpy as np
import pandas as pd
from anndata import AnnData

from phenolens.evaluation import evaluate
from phenolens.tasks import Task, make_task

RESULTS = Path(__file__).parent / "results" / "positive_control.json"
PLATES, CONTROLS, WELLS, PERTURBATIONS, REPLICATES, D = 130, 8, 4, 100, 4, 3
REPEATS = 3
TASKS = {
    "activity, exchanged with controls": make_task("replicate-retrieval", exchange_with="controls"),
    "activity, exchanged with treatments": make_task("replicate-retrieval", exchange_with="treatments"),
    "distinctiveness": make_task("replicate-retrieval", measures="distinctiveness"),
}


def main() -> None:
    """Time each task without and with the positive control, in turns, and write the shortest times and their ratio."""
    wells = screen()
    without = wells[(wells.obs["role"] != "positive_control").to_numpy()].copy()
    found = {}
    for name, task in TASKS.items():
        seconds_of(without, task)  # imports, and first calls
        times = [(seconds_of(without, task), seconds_of(wells, task)) for _ in range(REPEATS)]
        least_without, least_with = np.min(times, axis=0)
        found[name] = {
            "without_s": round(float(least_without), 2),
            "with_s": round(float(least_with), 2),
            "ratio": round(float(least_with / least_without), 2),
        }
        print(name, found[name], flush=True)
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")


def seconds_of(wells: AnnData, task: Task) -> float:
    """Return the seconds that one encoder takes."""
    start = time.perf_counter()
    evaluate({"one": wells}, [task])
    return time.perf_counter() - start


def screen() -> AnnData:
    """Return a screen of perturbations with few replicates, and one with four wells on each plate."""
    rng = np.random.default_rng(0)
    rows = []
    for plate in range(PLATES):
        rows += [(plate, "dmso", "negative_control")] * CONTROLS + [(plate, "poscon", "positive_control")] * WELLS
    for number in range(PERTURBATIONS):
        for plate in rng.choice(PLATES, REPLICATES, replace=False):
            rows.append((plate, f"c{number}", "treatment"))
    obs = pd.DataFrame(rows, columns=["plate", "perturbation", "role"]).astype(str)
    obs.index = [f"w{each}" for each in range(len(obs))]
    x = rng.normal(size=(len(obs), D)) + rng.normal(size=(PLATES, D))[obs["plate"].astype(int)]
    return AnnData(x + 2.0 * (obs["role"] == "positive_control").to_numpy()[:, None], obs=obs)


if __name__ == "__main__":
    main()
