"""What the card says of a metric where units are few: of a perfect encoder, a good one, and noise.

PYTHONPATH=src python benchmarks/instrument/few_units.py
"""

import json
from collections import Counter
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData

from phenolens.diagnosis.parts.metric_range import describe_metrics
from phenolens.evaluation import evaluate
from phenolens.tasks import make_task

TASK = make_task("replicate-retrieval", measures="activity", n_permutations=20)
SIGNALS = {"perfect": 50.0, "good": 1.0, "noise": 0.0}


def wells(n_units: int, signal: float, rng: np.random.Generator) -> dict[str, AnnData]:
    """Four replicates of each of so many perturbations, and 24 controls, seen by an encoder and a baseline."""
    codes = np.append(np.repeat(np.arange(n_units), 4), np.full(24, n_units))
    control = codes == n_units
    obs = pd.DataFrame(
        {
            "plate": [f"p{i % 2}" for i in range(len(codes))],
            "well": [f"w{i}" for i in range(len(codes))],
            "perturbation": np.where(control, "dmso", [f"c{i}" for i in codes]),
            "role": np.where(control, "negative_control", "treatment"),
        },
        index=[f"s{i}" for i in range(len(codes))],
    )
    effect = signal * np.vstack([rng.normal(size=(n_units, 8)), np.zeros(8)])[codes]
    mine, baseline = effect + rng.normal(size=effect.shape), rng.normal(size=effect.shape)
    return {"mine": AnnData(mine, obs=obs), "pixel-statistics": AnnData(baseline, obs=obs)}


def run(n: int = 20, units: tuple[int, ...] = (3, 4, 5, 6, 8, 12, 24)) -> dict[str, Any]:
    """Return how often each grade is given, in `n` simulations of each encoder and number of units."""
    found: dict[str, Any] = {"n": n, "largest_mc_se": round(0.5 / n**0.5, 3)}
    for name, signal in SIGNALS.items():
        for n_units in units:
            grades: Counter[str] = Counter()
            values, needed = [], []
            for seed in range(n):
                rng = np.random.default_rng([seed, n_units])
                (record,) = describe_metrics(evaluate(wells(n_units, signal, rng), [TASK], seed=seed)).records
                grades[record.grade] += 1
                values.append(record.best_value)
                needed.append(getattr(record, "clusters_needed", np.nan))
            rates = {grade: times / n for grade, times in grades.items()}
            known = [each for each in needed if np.isfinite(each)]
            asked = float(np.median(known)) if known else None
            found[f"{name}, {n_units} units"] = {
                "mean score of the best": round(float(np.mean(values)), 3),
                "grades": rates,
                "median of units needed, where said": asked,
            }
    return found


if __name__ == "__main__":
    print(json.dumps(run(), indent=1))
