"""Coverage of scores, and p values of two equal encoders, where units share the noise of plates and controls.

python benchmarks/instrument/shared_noise.py [--quick]
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from anndata import AnnData

from phenolens.evaluation import evaluate
from phenolens.tasks import make_task

D = 24
TASKS = {
    "activity": make_task("replicate-retrieval", n_permutations=20),
    "distinctiveness": make_task("replicate-retrieval", measures="distinctiveness", n_permutations=20),
}


@dataclass(frozen=True)
class Design:
    """How a screen is made.

    Attributes
    ----------
    units
        The number of perturbations, one well of each on every plate.
    controls
        The number of controls on each plate.
    profiling
        The post-processing.
    offset
        The size of an offset of each plate, in each encoder by itself; noise of wells is 1.
    plates
        The number of plates.
    """

    units: int
    controls: int
    profiling: str = "raw"
    offset: float = 0.0
    plates: int = 4


DESIGNS = [
    Design(8, 16),
    Design(24, 16),
    Design(96, 16),
    Design(96, 8, "tvn"),
    Design(96, 4, "tvn"),
    Design(24, 8, "tvn"),
    Design(96, 16, offset=1.0),
    Design(24, 16, offset=1.0),
    Design(24, 16, offset=1.0, plates=8),
]


def screen(design: Design, rng: np.random.Generator) -> dict[str, AnnData]:
    """Return two encoders that see the same effects of perturbations, each with noise of its own."""
    names = [f"t{number}" for number in range(design.units)] + ["dmso"] * design.controls
    rows = []
    for plate in range(design.plates):
        for place, number in enumerate(rng.permutation(len(names))):
            rows.append((f"p{plate}", f"{chr(65 + place // 24)}{place % 24 + 1:02d}", names[number]))
    obs = pd.DataFrame(rows, columns=["plate", "well", "perturbation"])
    obs["role"] = np.where(obs["perturbation"] == "dmso", "negative_control", "treatment")
    obs.index = [f"w{number}" for number in range(len(obs))]
    strength = rng.exponential(0.6, design.units)
    effect = strength[:, None] * rng.normal(size=(design.units, D))
    effects = pd.DataFrame(np.vstack([effect, np.zeros(D)]), index=[*names[: design.units], "dmso"])
    of_wells = effects.loc[obs["perturbation"]].to_numpy()
    plate = pd.factorize(obs["plate"])[0]
    found = {}
    for encoder in ("one", "two"):
        offsets = design.offset * rng.normal(size=(design.plates, D))
        found[encoder] = AnnData((of_wells + rng.normal(size=of_wells.shape) + offsets[plate]).astype("f4"), obs=obs)
    return found


def measure(design: Design, n: int, seed: int) -> Iterator[dict[str, object]]:
    """Yield what n screens say, one row per task."""
    rows = []
    for number in range(n):
        rng = np.random.default_rng([seed, number])
        evaluation = evaluate(screen(design, rng), list(TASKS.values()), profilings=[design.profiling], seed=number)
        for name, task in TASKS.items():
            question = evaluation.questions[task.id, design.profiling]
            for each in question.scores:
                estimate = each.estimate
                alone = each.score.interval(np.random.default_rng(number))
                rows.append((name, "score", estimate.value, estimate.low, estimate.high, *alone, np.nan))
            found = question.difference("one", "two").estimate
            alone = question.difference("one", "two", left_out={}).estimate
            rows.append((name, "difference", found.value, found.low, found.high, alone.low, alone.high, found.p))
            rows.append((name, "difference alone", alone.value, alone.low, alone.high, np.nan, np.nan, alone.p))
    table = pd.DataFrame(rows, columns=["task", "of", "value", "low", "high", "low_alone", "high_alone", "p"])
    for name, of_task in table.groupby("task"):
        scores = of_task[of_task["of"] == "score"]
        truth = scores["value"].mean()
        result: dict[str, object] = {**design.__dict__, "task": name, "screens": n, "truth": truth}
        result["coverage"] = _share((scores["low"] <= truth) & (truth <= scores["high"]))
        result["coverage of units alone"] = _share((scores["low_alone"] <= truth) & (truth <= scores["high_alone"]))
        result["width against units alone"] = float(
            ((scores["high"] - scores["low"]) / (scores["high_alone"] - scores["low_alone"])).median()
        )
        for of, label in (("difference", ""), ("difference alone", ", units alone")):
            differences = of_task[of_task["of"] == of]
            result[f"p <= 0.05{label}"] = _share(differences["p"] <= 0.05)
            result[f"difference excludes 0{label}"] = _share((differences["low"] > 0) | (differences["high"] < 0))
        yield result


def _share(hits: pd.Series) -> float:
    return round(float(hits.mean()), 3)


def main() -> None:
    """Measure all designs, and write results."""
    n = 20 if "--quick" in sys.argv else 100
    results = []
    for number, design in enumerate(DESIGNS):
        for row in measure(design, n, number):
            print(row, flush=True)
            results.append(row)
    path = Path(__file__).parents[1] / "results" / "instrument_shared_noise.json"
    path.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
