"""How the time of a card grows with plates, perturbations and wells: each is doubled twice, all else as it was.

python benchmarks/instrument/growth.py
"""

import json
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from anndata import AnnData

from phenolens.diagnosis import diagnose
from phenolens.evaluation import evaluate
from phenolens.tasks import make_task

RESULTS = Path(__file__).parents[1] / "results" / "instrument_growth.json"
D = 4
LEAST = {"plates": 25, "perturbations": 40, "wells": 1}  # wells of each perturbation on each plate
CONTROLS = 12
TASKS = [make_task("replicate-retrieval"), make_task("replicate-retrieval", measures="distinctiveness")]


def main() -> None:
    """Time screens, the smallest one first, and write seconds and the exponent of growth between neighbours."""
    seconds_of(LEAST)  # imports, and first calls
    found: dict[str, list[dict[str, float]]] = {}
    for grown, least in LEAST.items():
        for factor in (1, 2, 4):
            size = LEAST | {grown: least * factor}
            row = {**size, **seconds_of(size)}
            print(grown, row, flush=True)
            found.setdefault(grown, []).append(row)
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")
    for grown, rows in found.items():
        total = [row["evaluate_s"] + row["diagnose_s"] for row in rows]
        exponents = np.log2(np.array(total[1:]) / total[:-1])
        print(f"{grown}: {total[0]:.0f} to {total[-1]:.0f} s, exponents {np.round(exponents, 2).tolist()}")


def seconds_of(size: dict[str, int]) -> dict[str, float]:
    """Return the seconds that two encoders under test and two baselines take, asked for replicates."""
    vectors = screen(**size)
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        evaluation = evaluate(vectors, TASKS)
        evaluated = time.perf_counter()
        diagnose(evaluation)
    done = time.perf_counter()
    n = len(vectors["one"])
    return {"rows": n, "evaluate_s": round(evaluated - start, 1), "diagnose_s": round(done - evaluated, 1)}


def screen(plates: int, perturbations: int, wells: int) -> dict[str, AnnData]:
    """Return wells as two encoders and two baselines see them; perturbations act."""
    rng = np.random.default_rng(0)
    names = np.array([*np.repeat([f"t{i}" for i in range(perturbations)], wells), *["dmso"] * CONTROLS])
    perturbation = np.concatenate([rng.permutation(names) for _ in range(plates)])
    place = np.tile(np.arange(len(names)), plates)
    obs = pd.DataFrame(
        {
            "plate": np.repeat([f"p{i}" for i in range(plates)], len(names)),
            "well": [f"{chr(65 + i // 24)}{i % 24 + 1:02d}" for i in place],
            "perturbation": perturbation,
            "role": np.where(perturbation == "dmso", "negative_control", "treatment"),
        },
        index=[f"w{i}" for i in range(len(place))],
    )
    codes = pd.factorize(obs["perturbation"])[0]
    effect = rng.normal(size=(codes.max() + 1, D))[codes]
    found = {name: AnnData(effect + 2 * rng.normal(size=effect.shape), obs=obs) for name in ("one", "two")}
    for baseline, features in {"cell-count": ["nuclei_count"], "pixel-statistics": ["dna_mean", "dna_p50"]}.items():
        x = np.exp(0.1 * rng.normal(size=(len(obs), len(features))))
        found[baseline] = AnnData(x, obs=obs, var=pd.DataFrame(index=features))
    return found


if __name__ == "__main__":
    main()
