"""The rejection rate at 0.05, on noise, of every p value that Phenolens prints.

    python benchmarks/calibration.py [--out benchmarks/results/calibration.json]

Designs: `equal`, as many controls on each plate; `unequal`, few on one and many on the other; `layout`, controls in the
outer columns of plates whose outer columns look different, without any effect of treatments.
"""

import argparse
import json
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData

from phenolens.profiling import profile
from phenolens.tasks import make_task

LEVEL = 0.05
LETTERS = "ABCDEFGH"


def screen(rng: np.random.Generator, design: str, *, n_perturbations: int = 30, d: int = 12) -> AnnData:
    """Two 96-well plates with an offset each and two replicates of each perturbation on each, without any effect."""
    rows = []
    for plate, few in (("p1", True), ("p2", False)):
        wells = [(row, column) for row in range(8) for column in range(12)]
        outer = [well for well in wells if well[1] in (0, 11)]
        inner = [well for well in wells if well[1] not in (0, 11)]
        if design == "layout":
            control_wells, treated_wells = outer, list(rng.permutation(inner))
        else:
            shuffled = [tuple(well) for well in rng.permutation(wells)]
            n_controls = 16 if design == "equal" else 5 if few else 30
            control_wells, treated_wells = shuffled[:n_controls], shuffled[n_controls:]
        rows += [(plate, *well, "negative_control", "dmso", np.nan) for well in control_wells]
        treated = [(f"t{i}", dose) for i in range(n_perturbations) for dose in (1.0, 1.0)]
        rows += [
            (plate, *well, "treatment", name, dose) for well, (name, dose) in zip(treated_wells, treated, strict=False)
        ]
    obs = pd.DataFrame(rows, columns=["plate", "row", "column", "role", "perturbation", "dose"])
    obs["well"] = [f"{LETTERS[row]}{column + 1:02d}" for row, column in zip(obs["row"], obs["column"], strict=True)]
    x = rng.normal(size=(len(obs), d)) + 2 * (obs["plate"] == "p2").to_numpy()[:, None]
    if design == "layout":
        x[:, 0] += 3.0 * obs["column"].isin([0, 11])
    obs["moa"] = [f"m{hash_number(name) % 8}" for name in obs["perturbation"]]
    obs.index = [f"w{i}" for i in range(len(obs))]
    return AnnData(x.astype("f4"), obs=obs.drop(columns=["dose"]))


def hash_number(name: str) -> int:
    return int(name[1:]) if name[1:].isdigit() else 0


def per_perturbation(task: Any, design: str, how: str, n: int) -> Iterator[float]:
    rng = np.random.default_rng(0)
    for seed in range(n):
        wells = profile(screen(rng, design), how, hold_out=task.needs_controls, seed=seed)
        yield from task.score(wells, rng).units["p"]


def relations(key: str, n: int) -> Iterator[float]:
    rng = np.random.default_rng(0)
    genes = np.array([f"G{i}" for i in range(60)])
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(n):
            # A few genes have many relations, as in every public source.
            weight = rng.pareto(1.5, 60) + 0.1
            for source in range(4):
                pairs = rng.choice(60, size=(80, 2), p=weight / weight.sum())
                pd.DataFrame(genes[pairs], columns=["a", "b"]).to_csv(f"{folder}/s{source}.csv", index=False)
            task = make_task("relationship-recall", relations=[Path(folder)], n_permutations=39)
            data = AnnData(
                rng.normal(size=(60, 8)).astype("f4"), obs=pd.DataFrame({"perturbation": genes}, index=genes)
            )
            score = task.score(data, rng)
            yield from (score.details[f"s{source}"][key] for source in range(4))


def doses(n: int) -> Iterator[float]:
    rng = np.random.default_rng(0)
    task = make_task("dose-response", n_permutations=199)
    for _ in range(n):
        data = screen(rng, "equal")
        data.obs["dose"] = np.where(data.obs["role"] == "treatment", rng.integers(1, 6, len(data)), np.nan)
        data.obs["perturbation"] = [f"c{hash_number(name) % 6}" for name in data.obs["perturbation"]]
        yield from task.score(data, rng).units["p"]


def compounds(n: int) -> Iterator[float]:
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        pairs = [(f"c{i}", f"G{j}") for i in range(20) for j in rng.choice(60, 3, replace=False)]
        pd.DataFrame(pairs, columns=["compound", "gene"]).to_csv(f"{folder}/known.csv", index=False)
        task = make_task("compound-gene", relations=[Path(folder)], n_permutations=199, n_samples=5)
        names = [f"G{i}" for i in range(60)] + [f"c{i}" for i in range(20)]
        obs = pd.DataFrame(
            {"perturbation": names, "perturbation_type": ["crispr"] * 60 + ["compound"] * 20}, index=names
        )
        for _ in range(n):
            yield from task.score(AnnData(rng.normal(size=(80, 10)).astype("f4"), obs=obs), rng).units["p"]


def rate(p: Iterator[float]) -> dict[str, float]:
    values = np.array([value for value in p if not np.isnan(value)])
    return {"rejected": float((values <= LEVEL).mean()), "n": len(values)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    jobs: dict[str, Callable[[], Iterator[float]]] = {}
    tasks = [
        make_task("replicate-retrieval", n_permutations=199),
        make_task("replicate-retrieval", measures="distinctiveness", n_permutations=199),
        *(
            make_task("perturbation-strength", measure=measure, n_permutations=199)
            for measure in ("energy", "mmd", "mahalanobis", "consistency")
        ),
    ]
    for task in tasks:
        for design in ("equal", "unequal", "layout"):
            jobs[f"{task.id} | {design}"] = lambda task=task, design=design: per_perturbation(task, design, "raw", 50)
    for how in ("tvn", "pca-centre-scale", "sphering"):
        for design in ("equal", "unequal", "layout"):
            jobs[f"{tasks[0].id} after {how} | {design}"] = lambda design=design, how=how: per_perturbation(
                tasks[0], design, how, 50
            )
    for design in ("equal", "layout"):
        consistency = make_task("phenotypic-consistency", label="moa", n_permutations=199)
        jobs[f"phenotypic-consistency | {design}"] = lambda task=consistency, design=design: per_perturbation(
            task, design, "raw", 190
        )
    jobs["relationship-recall, labels permuted"] = lambda: relations("p_labels_permuted", 400)
    jobs["relationship-recall, degree preserved"] = lambda: relations("p_degree_preserved", 400)
    jobs["dose-response"] = lambda: doses(250)
    jobs["compound-gene"] = lambda: compounds(75)
    # What the choice of null guards against: labels exchanged with controls that stand apart.
    careless = make_task("replicate-retrieval", exchange_with="controls", n_permutations=199)
    jobs["not the default: replicate-retrieval:controls, exchange_with=controls | layout"] = lambda: per_perturbation(
        careless, "layout", "raw", 20
    )
    results = {}
    for name, job in jobs.items():
        results[name] = rate(job())
        print(f"{results[name]['rejected']:.3f}  {results[name]['n']:>6}  {name}", flush=True)
    if arguments.out:
        arguments.out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
