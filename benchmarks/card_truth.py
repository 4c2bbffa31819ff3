"""Is the card right about what is known? False discoveries over whole cards, caught confounders, and power.

    python benchmarks/card_truth.py [--only copies batch count layout power] [--out FILE.json]

`copies`: two encoders that know the same truth, each with noise of its own; is any difference between them claimed?
`batch`: screens without biology whose plates and batches differ much; is any biology claimed of them?
`count`: screens in which cells are lost and nothing else; is a counter said to know shape, texture or arrangement?
`layout`: mechanisms side by side in the same layout on each plate; is an encoder of positions caught?
`power`: the smallest true gain that is found four times in five, by the number of perturbations.
"""

import argparse
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData

from phenolens.datasets import read_manifest
from phenolens.datasets.phantom import simulate_cells
from phenolens.diagnosis import Card, compare_scores, diagnose
from phenolens.embedding import embed
from phenolens.tasks import evaluate, make_task

ALPHA = 0.05
TASKS = [
    make_task("replicate-retrieval", n_permutations=200),
    make_task("replicate-retrieval", against="others", n_permutations=20),
]
HOW = ["raw", "tvn"]
LETTERS = "ABCDEFGHIJKLMNOP"
MORPHOLOGY = {"shape", "texture", "arrangement"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--only", nargs="+", choices=list(EXPERIMENTS), default=list(EXPERIMENTS))
    parser.add_argument("--runs", type=int, help="Instead of each experiment's own number.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    result = json.loads(arguments.out.read_text()) if arguments.out and arguments.out.exists() else {}
    for name in arguments.only:
        experiment, runs = EXPERIMENTS[name]
        result[name] = experiment(arguments.runs or runs, arguments.seed)
        print(name, json.dumps(result[name], indent=1), flush=True)
        if arguments.out:
            arguments.out.write_text(json.dumps(result, indent=1) + "\n")


def screen(rng: np.random.Generator, n_perturbations: int, *, n_plates: int = 4, n_controls: int = 8) -> pd.DataFrame:
    """Return wells with one replicate of each perturbation on each plate, controls, and true factors of two levels."""
    rows = []
    for plate in range(n_plates):
        names = [*(f"t{i}" for i in range(n_perturbations)), *["dmso"] * n_controls]
        order = rng.permutation(len(names))
        wells = [f"{LETTERS[i // 24]}{i % 24 + 1:02d}" for i in range(len(names))]
        rows += [(f"p{plate}", well, names[i]) for well, i in zip(wells, order, strict=True)]
    obs = pd.DataFrame(rows, columns=["plate", "well", "perturbation"])
    obs["role"] = np.where(obs["perturbation"] == "dmso", "negative_control", "treatment")
    obs.index = [f"w{i}" for i in range(len(obs))]
    for factor in ("count", "texture", "mito_spacing"):
        effect = dict(zip(sorted(set(obs["perturbation"])), 0.5 * rng.normal(size=n_perturbations + 1), strict=True))
        obs[f"true_{factor}"] = 10 + obs["perturbation"].map(effect) + rng.normal(size=len(obs))
    return obs


def reader(obs: pd.DataFrame, rng: np.random.Generator, noise: float, d: int = 16) -> AnnData:
    """Return an encoder that knows the true factors, in a space of its own, with noise of its own."""
    known = obs.filter(like="true_").to_numpy() - 10
    seen = known + noise * rng.normal(size=known.shape)
    return AnnData((seen @ rng.normal(size=(known.shape[1], d)) + 0.1 * rng.normal(size=(len(obs), d))).astype("f4"), obs=obs)


def copies(runs: int, seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    called, kinds = 0, []
    for _ in range(runs):
        obs = screen(rng, 24)
        pair = {name: reader(obs, rng, 1.0) for name in ("one", "other")}
        card = diagnose(pair, evaluate(pair, TASKS, profilings=HOW))
        claims = [v.claim for v in card.verdicts if v.kind == "pair" and v.p_adjusted <= ALPHA]
        called += bool(claims)
        kinds += claims
    return {"runs": runs, "called_different": called, "rate": called / runs, "claims": kinds[:10]}


def phantom(preset: str, seed: int, names: list[str]) -> Card:
    with tempfile.TemporaryDirectory() as folder:
        made = simulate_cells(Path(folder), preset=preset, plates=4, wells=96, size=96, channels=["dna"], seed=seed)
        vectors = embed(read_manifest(made), names).embeddings
    # What is under test has a name that no baseline has.
    vectors = {name.replace("pixel-statistics", "pixels").replace("well-position@", "positions@"): own for name, own in vectors.items()}
    return diagnose(vectors, evaluate(vectors, TASKS, profilings=HOW))
