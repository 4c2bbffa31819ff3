"""Two tables of the same vectors, of which one lacks or reorders rows: how often are they called different?

    python benchmarks/instrument/row_keys.py

The true difference is 0 in every case, so that whatever is claimed of it is false.
"""

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from phenolens.core.errors import EmbeddingError
from phenolens.embedding import read_embeddings
from phenolens.evaluation import evaluate
from phenolens.tasks import make_task

LEVEL = 0.05
WELL = ["plate", "well"]
# What is done to the rows of the second table, and which columns both tables lack.
DESIGNS: dict[str, tuple[Callable[[pd.DataFrame, int], pd.DataFrame], list[str]]] = {
    "a random half, no key": (lambda table, seed: table.sample(frac=0.5, random_state=seed).sort_index(), WELL),
    "a random half, plate and well": (lambda table, seed: table.sample(frac=0.5, random_state=seed).sort_index(), []),
    "another order, no key": (lambda table, seed: table.sample(frac=1, random_state=seed), WELL),
    "another order, plate and well": (lambda table, seed: table.sample(frac=1, random_state=seed), []),
    "the same rows in order, no key": (lambda table, seed: table, WELL),
}


def screen(rng: np.random.Generator, n: int = 24, replicates: int = 6) -> pd.DataFrame:
    """Return a table as people have it: sorted by perturbation, with plates, wells and features."""
    names = np.repeat([f"g{i:02d}" for i in range(n)], replicates)
    vectors = rng.normal(size=(n, 8)).repeat(replicates, axis=0) + 1.5 * rng.normal(size=(len(names), 8))
    table = pd.DataFrame(vectors).add_prefix("f")
    table.insert(0, "perturbation", names)
    places = rng.permutation(96)[: len(names) // 2]
    wells = [f"{'ABCDEFGH'[place // 12]}{place % 12 + 1:02d}" for place in places]
    table.insert(1, "plate", np.tile(["p1", "p2"], len(names) // 2))
    table.insert(2, "well", np.repeat(wells, 2))
    return table


def compare(first: pd.DataFrame, other: pd.DataFrame, seed: int) -> dict[str, float]:
    """Return the difference of two tables that were written and read as files, with its p value."""
    with tempfile.TemporaryDirectory() as folder:
        read = {}
        for name, table in (("a", first), ("b", other)):
            path = Path(folder) / f"{name}.csv"
            table.to_csv(path, index=False)
            read[name] = read_embeddings(path)
    question = make_task("replicate-retrieval", measures="distinctiveness", n_permutations=20)
    (asked,) = evaluate(read, [question], seed=seed).claiming
    estimate = asked.difference("a", "b").estimate
    return {"difference": abs(estimate.value), "claimed": float(estimate.p <= LEVEL)}


def run(n: int = 100) -> dict[str, Any]:
    """Return for each design how often tables are refused, and how often they are called different where they are not.

    Parameters
    ----------
    n
        Screens per design; rates have the Monte-Carlo standard error beside them.
    """
    found = {}
    for design, (change, lacks) in DESIGNS.items():
        rows, refused = [], 0
        for seed in range(n):
            table = screen(np.random.default_rng(seed)).drop(columns=lacks)
            try:
                rows.append(compare(table, change(table, seed), seed))
            except EmbeddingError:
                refused += 1
        claimed = float(sum(row["claimed"] for row in rows) / n)
        differences = [row["difference"] for row in rows]
        found[design] = {
            "n": n,
            "refused": refused / n,
            "claimed": claimed,
            "claimed_se": float(np.sqrt(claimed * (1 - claimed) / n)),
            "mean_absolute_difference": float(np.mean(differences)) if differences else None,
        }
    return found


if __name__ == "__main__":
    json.dump(run(), sys.stdout, indent=1)
