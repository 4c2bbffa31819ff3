"""Are few active perturbations among many found, and do p values of inactive ones hold their level further down?

python benchmarks/instrument/resolution.py

`few_among_many`: five of 300 perturbations are far from all controls; two encoders, two ways of post-processing.
`level`: perturbations without any effect; how many p values are at most 0.05, 0.01 and 0.001.
"""

import json
import warnings
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData

from phenolens.core.errors import PhenolensWarning
from phenolens.diagnosis.parts.activity import count_active
from phenolens.diagnosis.records import Activity
from phenolens.evaluation import evaluate
from phenolens.tasks import make_task

N_PLATES, N_CONTROLS, D = 4, 16, 16


def screen(rng: np.random.Generator, n_perturbations: int, n_active: int) -> AnnData:
    """Return noise, with one replicate of each perturbation on each plate; active ones are far from the controls."""
    names = [*(f"t{i}" for i in range(n_perturbations)), *["dmso"] * N_CONTROLS]
    obs = pd.DataFrame(
        [(f"p{plate}", name) for plate in range(N_PLATES) for name in names], columns=["plate", "perturbation"]
    )
    obs["role"] = np.where(obs["perturbation"] == "dmso", "negative_control", "treatment")
    obs.index = [f"w{i}" for i in range(len(obs))]
    x = rng.normal(size=(len(obs), D))
    for i in range(n_active):
        x[(obs["perturbation"] == f"t{i}").to_numpy()] += 10 * rng.normal(size=D)
    return AnnData(x.astype(np.float32), obs=obs)


def few_among_many(runs: int, seed: int = 0) -> dict[str, Any]:
    """Count the active perturbations that are found among 300 of which five are active."""
    found, false = [], []
    task = make_task("replicate-retrieval")
    for run in range(runs):
        rng = np.random.default_rng([seed, run])
        wells = screen(rng, 300, 5)
        other = AnnData(wells.X + rng.normal(size=wells.shape).astype(np.float32), obs=wells.obs)
        evaluation = evaluate({"one": wells, "other": other}, [task], profilings=["raw", "tvn"], seed=run)
        for record in count_active(evaluation).records:
            if isinstance(record, Activity):
                found.append(min(record.n_active, 5))
                false.append(record.n_active - 5)
    return {"runs": runs, "found_of_5": float(np.mean(found)), "more_than_5": float(np.mean(np.array(false) > 0))}


def level(screens: int, n_permutations: int = 199, seed: int = 0) -> dict[str, Any]:
    """Return how many p values of 300 inactive perturbations a screen are small, with standard errors over screens."""
    task = make_task("replicate-retrieval", n_permutations=n_permutations)
    p = []
    for run in range(screens):
        rng = np.random.default_rng([seed, run])
        p.append(task.score(screen(rng, 300, 0), rng).units["p"].to_numpy())
    rates = {}
    for limit in (0.05, 0.01, 0.001):
        by_screen = (np.array(p) <= limit + 1e-12).mean(axis=1)
        rates[str(limit)] = [float(by_screen.mean()), float(by_screen.std(ddof=1) / np.sqrt(screens))]
    return {"n": int(np.size(p)), "least": float(np.min(p)), "rate_and_standard_error": rates}


def run() -> dict[str, Any]:
    """Return both."""
    warnings.simplefilter("ignore", PhenolensWarning)
    return {"few_among_many": few_among_many(5), "level": level(150)}


if __name__ == "__main__":
    print(json.dumps(run(), indent=1))
