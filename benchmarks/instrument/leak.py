"""Leakage, chance and layout of controls on pure noise: how often something is said that is not there.

python benchmarks/instrument/leak.py [--quick]
"""

import json
import sys
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData

import phenolens
from phenolens.profiling import profile
from phenolens.tasks import make_task

LEVEL = 0.05
LETTERS = "ABCDEFGHIJKLMNOP"
EDGE_COLUMNS = (0, 11)
INNER_CONTROLS = ((1, 2), (2, 5), (3, 8), (4, 3), (5, 6), (6, 9))


def screen(
    rng: np.random.Generator, *, plates: int, controls: int, perturbations: int, replicates: int, d: int
) -> AnnData:
    """Return pure noise on plates whose controls stand anywhere, with so many replicates on each plate."""
    rows = []
    n_wells = controls + perturbations * replicates
    for plate in range(plates):
        order = rng.permutation(n_wells)
        names = ["dmso"] * controls + [f"t{i}" for i in range(perturbations) for _ in range(replicates)]
        for place, name in zip(order, names, strict=True):
            rows.append((f"p{plate}", f"{LETTERS[place // 24]}{place % 24 + 1:02d}", name))
    return noise(rng, rows, d)


def edge_screen(rng: np.random.Generator, *, plates: int, perturbations: int, d: int, effect: float) -> AnnData:
    """Return noise with an effect of the outer columns, where most controls stand, and six controls inside."""
    rows = []
    for plate in range(plates):
        wells = [(row, column) for row in range(8) for column in range(12)]
        held = [well for well in wells if well[1] in EDGE_COLUMNS or well in INNER_CONTROLS]
        inside = [wells[i] for i in rng.permutation(len(wells)) if wells[i] not in held]
        names = [f"t{i}" for i in range(perturbations)]
        rows += [(f"p{plate}", f"{LETTERS[row]}{column + 1:02d}", "dmso") for row, column in held]
        treated = zip(inside, names, strict=False)
        rows += [(f"p{plate}", f"{LETTERS[row]}{column + 1:02d}", name) for (row, column), name in treated]
    found = noise(rng, rows, d)
    column = found.obs["well"].str[1:].astype(int).to_numpy() - 1
    found.X[np.isin(column, EDGE_COLUMNS)] += effect
    return found


def noise(rng: np.random.Generator, rows: Sequence[tuple[str, str, str]], d: int) -> AnnData:
    """Return noise (n, d) in the wells of such plates, of such perturbations."""
    obs = pd.DataFrame(rows, columns=["plate", "well", "perturbation"])
    obs["role"] = np.where(obs["perturbation"] == "dmso", "negative_control", "treatment")
    obs.index = [f"w{i}" for i in range(len(obs))]
    return AnnData(rng.normal(size=(len(obs), d)).astype("f4"), obs=obs)


def plate_offsets(rng: np.random.Generator, wells: AnnData, size: float) -> AnnData:
    """Return the wells with an offset of each plate."""
    codes = np.unique(wells.obs["plate"], return_inverse=True)[1]
    offsets = size * rng.normal(size=(codes.max() + 1, wells.n_vars))
    return AnnData((wells.X + offsets[codes]).astype("f4"), obs=wells.obs)


def share(hits: Sequence[bool]) -> dict[str, float]:
    """Return a share with its Monte-Carlo standard error."""
    found = np.asarray(hits, dtype=float)
    rate = float(found.mean())
    return {"rate": rate, "n": len(found), "se": float(np.sqrt(rate * (1 - rate) / len(found)))}


def mean(values: Sequence[float]) -> dict[str, float]:
    """Return a mean with its Monte-Carlo standard error."""
    found = np.asarray(values, dtype=float)
    return {"mean": float(found.mean()), "n": len(found), "se": float(found.std(ddof=1) / np.sqrt(len(found)))}


def leakage(
    profilings: Sequence[str] = ("raw", "tvn", "robust-z", "pca-centre-scale", "batch-centre", "sphering"),
    *,
    n: int = 40,
    offset: float = 0.0,
    d: int = 24,
    controls: int = 16,
) -> dict[str, Any]:
    """Return how often the card says that noise reveals its plate."""
    said: dict[str, list[bool]] = {how: [] for how in profilings}
    value: dict[str, list[float]] = {how: [] for how in profilings}
    chance: dict[str, list[float]] = {how: [] for how in profilings}
    for seed in range(n):
        rng = np.random.default_rng(seed)
        data = screen(rng, plates=4, controls=controls, perturbations=4, replicates=1, d=d)
        wells = plate_offsets(rng, data, offset)
        found = phenolens.evaluate({"noise": wells}, [make_task("leakage")], profilings=profilings, seed=seed)
        for score in found.scores:
            value[score.profiling].append(score.score.value)
            chance[score.profiling].append(score.score.chance)
        card = phenolens.diagnose(found)
        for verdict in card.verdicts:
            if verdict.kind == "nuisance":
                said[verdict.profiling].append("it can be predicted" in verdict.claim)
    return {
        how: {"said": share(said[how]), "score": mean(value[how]), "chance": mean(chance[how])} for how in profilings
    }


def chance(*, n: int = 30) -> dict[str, Any]:
    """Return what noise scores against controls, beside what is printed as chance, and intervals wholly below that."""
    designs = {
        "raw, offset of 1 sd": ("raw", 1.0),
        "tvn": ("tvn", 0.0),
        "raw": ("raw", 0.0),
        "sphering": ("sphering", 0.0),
    }
    result = {}
    for measures in ("activity", "distinctiveness"):
        task = make_task("replicate-retrieval", measures=measures, n_permutations=199)
        for name, (how, offset) in designs.items():
            value, printed, below, normalised = [], [], [], []
            for seed in range(n):
                rng = np.random.default_rng(seed)
                data = screen(rng, plates=4, controls=8, perturbations=24, replicates=1, d=24)
                wells = profile(plate_offsets(rng, data, offset), how, hold_out=task.needs_controls, seed=seed)
                score = task.score(wells, rng)
                value.append(score.value)
                printed.append(score.chance)
                below.append(score.interval(rng)[1] < score.chance)
                normalised.append(getattr(score, "normalised", float("nan")))
            result[f"{measures}, {name}"] = {
                "score": mean(value),
                "chance": mean(printed),
                "wholly below chance": share(below),
                "normalised": mean(normalised),
            }
    return result


def layout(*, n: int = 30, effects: Sequence[float] = (0.0, 1.0)) -> dict[str, Any]:
    """Return how often inactive perturbations have p <= 0.05 where controls stand elsewhere than treatments."""
    tasks = [
        make_task("replicate-retrieval", n_permutations=199),
        make_task("perturbation-strength", measure="energy", n_permutations=199),
        make_task("perturbation-strength", measure="mahalanobis", n_permutations=199),
    ]
    result = {}
    for effect in effects:
        for task in tasks:
            hits: list[bool] = []
            noted: list[bool] = []
            for seed in range(n):
                rng = np.random.default_rng(seed)
                data = edge_screen(rng, plates=4, perturbations=40, d=12, effect=effect)
                score = task.score(data, rng)
                hits.extend(score.units["p"] <= LEVEL)
                noted.append(any("stand" in note.text for note in score.notes))
            result[f"{task.id}, effect {effect:g}"] = {"p <= 0.05": share(hits), "caveat": share(noted)}
    return result


def run(*, quick: bool = False) -> dict[str, Any]:
    """Return all rates; with few repetitions if `quick`."""
    times = 4 if quick else 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {
            "leakage": leakage(n=40 // times),
            "leakage of a plate effect": leakage(("raw", "tvn", "sphering"), n=20 // times, offset=1.0),
            "chance": chance(n=30 // times),
            "layout": layout(n=20 // times),
        }


if __name__ == "__main__":
    print(json.dumps(run(quick="--quick" in sys.argv), indent=1))
