"""Probes and null hypotheses where nothing is there: labels dealt at random, plates that go with labels.

    python benchmarks/instrument/probe.py

Each function simulates a design without the effect that a task asks for, and returns what the task says of it.
"""

import json
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData

from phenolens.core.errors import TaskNotApplicable
from phenolens.tasks import make_task

LEVEL = 0.05
Result = dict[str, float]


def mean(values: list[float]) -> Result:
    """Return the mean with its Monte-Carlo standard error."""
    found = np.array(values)
    return {
        "mean": round(float(found.mean()), 3),
        "se": round(float(found.std() / np.sqrt(len(found))), 3),
        "n": len(found),
    }


def rejected(studies: list[np.ndarray]) -> Result:
    """Return the share of p values at or below 0.05, with a standard error over independent studies."""
    shares = np.array([(p[~np.isnan(p)] <= LEVEL).mean() for p in studies])
    n = int(sum((~np.isnan(p)).sum() for p in studies))
    return {
        "rejected": round(float(shares.mean()), 3),
        "se": round(float(shares.std() / np.sqrt(len(shares))), 3),
        "n": n,
    }


def compounds(
    rng: np.random.Generator, *, plates: int = 5, n: int = 40, classes: int = 4, effect: float = 1.5
) -> AnnData:
    """Compounds with a phenotype each, twice on every plate; mechanisms are dealt to them at random."""
    compound = np.tile(np.repeat(np.arange(n), 2), plates)
    plate = np.repeat(np.arange(plates), 2 * n)
    moa = rng.permutation(np.arange(n) % classes)[compound]
    x = (
        effect * rng.normal(size=(n, 16))[compound]
        + rng.normal(size=(plates, 16))[plate]
        + rng.normal(size=(len(plate), 16))
    )
    obs = pd.DataFrame(
        {"perturbation": [f"c{i}" for i in compound], "plate": [f"p{i}" for i in plate], "moa": [f"m{i}" for i in moa]},
        index=[f"w{i}" for i in range(len(plate))],
    )
    return AnnData(x.astype("f4"), obs=obs)


def labels_at_random(n: int = 20) -> dict[str, Result]:
    """Return accuracy where mechanisms are dealt to compounds at random; an ignorant score is 0.25."""
    found = {}
    for task in ("knn-probe", "ridge-probe"):
        for group in (None, "plate", "perturbation"):
            rng = np.random.default_rng(0)
            probe = make_task(task, label="moa", group=group)
            found[f"{task}, group: {group}"] = mean([probe.score(compounds(rng), rng).value for _ in range(n)])
    return found


def few_groups(n: int = 10) -> Result:
    """Return how often a probe is answered whose rows come from two groups."""
    answered = []
    for seed in range(n):
        rng = np.random.default_rng(seed)
        obs = pd.DataFrame({"domain": np.repeat(["a", "b"], 60), "kind": [f"k{i % 3}" for i in range(120)]})
        obs.index = [f"r{i}" for i in range(120)]
        data = AnnData(rng.normal(size=(120, 6)).astype("f4"), obs=obs)
        try:
            make_task("knn-probe", label="kind", group="domain").score(data, rng)
        except TaskNotApplicable:
            answered.append(0.0)
        else:
            answered.append(1.0)
    return mean(answered)


def batch_left_out(n: int = 5) -> dict[str, Result]:
    """Return the share of what is above chance that is left without rows of the batch; vectors hold the batch alone."""
    found: dict[str, list[float]] = {"random": [], "grouped by site": []}
    for seed in range(n):
        rng = np.random.default_rng(seed)
        site = np.repeat(np.arange(48), 6)
        batch = site % 6
        label = np.where(rng.random(288) < 0.9, batch % 2, 1 - batch % 2)
        x = 3 * rng.normal(size=(6, 12))[batch] + rng.normal(size=(288, 12))
        obs = pd.DataFrame(
            {"site": [f"s{i}" for i in site], "batch": [f"b{i}" for i in batch], "kind": [f"k{i}" for i in label]},
            index=[f"r{i}" for i in range(288)],
        )
        data = AnnData(x.astype("f4"), obs=obs)
        for name, options in (("random", {"split": "random"}), ("grouped by site", {"group": "site"})):
            restricted = make_task("knn-probe", label="kind", **options).restricted(0)
            restricted.meet(data)
            pair = restricted.left_out("batch")
            before, after = (
                table.groupby("stratum")
                .apply(lambda t: np.average(t["value"], weights=t["weight"]), include_groups=False)
                .mean()
                for table in (pair.before, pair.after)
            )
            found[name].append((after - pair.chance) / (before - pair.chance))
    return {name: mean(values) for name, values in found.items()}


def plate_per_label(n: int = 40) -> Result:
    """Return p values of consistency where each label has plates of its own, with an offset, and no phenotype."""
    studies = []
    for seed in range(n):
        rng = np.random.default_rng(seed)
        compound = np.repeat(np.arange(40), 2)
        label = compound % 8
        x = rng.normal(size=(8, 12))[label] + rng.normal(size=(80, 12))
        obs = pd.DataFrame(
            {
                "perturbation": [f"c{i}" for i in compound],
                "plate": [f"p{i}" for i in label],
                "moa": [f"m{i}" for i in label],
            },
            index=[f"w{i}" for i in range(80)],
        )
        score = make_task("phenotypic-consistency", label="moa", n_permutations=199).score(
            AnnData(x.astype("f4"), obs=obs), rng
        )
        studies.append(score.units["p"].to_numpy(dtype=float))
    return rejected(studies)


def plates_shared_by_labels(n: int = 40) -> Result:
    """Return p values of consistency where most compounds of a label stand on one plate, beside others."""
    studies = []
    for seed in range(n):
        rng = np.random.default_rng(seed)
        label = np.arange(64) % 8
        plate = np.where(rng.random(64) < 0.7, label % 4, rng.integers(4, size=64))
        compound = np.repeat(np.arange(64), 2)
        x = rng.normal(size=(4, 12))[plate[compound]] + rng.normal(size=(128, 12))
        obs = pd.DataFrame(
            {
                "perturbation": [f"c{i}" for i in compound],
                "plate": [f"p{i}" for i in plate[compound]],
                "moa": [f"m{i}" for i in label[compound]],
            },
            index=[f"w{i}" for i in range(128)],
        )
        score = make_task("phenotypic-consistency", label="moa", n_permutations=199).score(
            AnnData(x.astype("f4"), obs=obs), rng
        )
        studies.append(score.units["p"].to_numpy(dtype=float))
    return rejected(studies)


def compound_gene(n: int = 30) -> Result:
    """Return p values of compounds where well-known genes have strong phenotypes and compounds a common direction."""
    studies = []
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(n):
            rng = np.random.default_rng(seed)
            fame = rng.pareto(1.5, 60) + 0.1
            pairs = [
                (f"c{i}", f"G{j}") for i in range(30) for j in rng.choice(60, 3, replace=False, p=fame / fame.sum())
            ]
            pd.DataFrame(pairs, columns=["compound", "gene"]).to_csv(f"{folder}/known.csv", index=False)
            toxic = rng.normal(size=12)
            strength = np.argsort(np.argsort(fame)) / 59
            genes = np.outer(strength, toxic) + rng.normal(size=(60, 12))
            x = np.vstack([genes, 0.7 * toxic + rng.normal(size=(30, 12))])
            names = [f"G{i}" for i in range(60)] + [f"c{i}" for i in range(30)]
            obs = pd.DataFrame(
                {"perturbation": names, "perturbation_type": ["crispr"] * 60 + ["compound"] * 30}, index=names
            )
            task = make_task("compound-gene", relations=[Path(folder)], n_permutations=199, n_samples=5)
            studies.append(task.score(AnnData(x.astype("f4"), obs=obs), rng).units["p"].to_numpy(dtype=float))
    return rejected(studies)


def plate_per_dose(n: int = 60) -> dict[str, Result]:
    """Return p values of dose response where each dose has a plate of its own, and where every plate has all doses."""
    found = {}
    for design in ("a plate per dose", "all doses on each plate"):
        studies = []
        for seed in range(n):
            rng = np.random.default_rng(seed)
            rows = [(f"p{plate}", "dmso", "negative_control", np.nan) for plate in range(5) for _ in range(6)]
            for i in range(12):
                for plate in range(5):
                    for replicate in range(3):
                        dose = plate if design == "a plate per dose" else (plate + replicate + i) % 5
                        rows.append((f"p{plate}", f"c{i}", "treatment", float(dose + 1)))
            obs = pd.DataFrame(rows, columns=["plate", "perturbation", "role", "dose"])
            obs.index = [f"w{i}" for i in range(len(obs))]
            codes = obs["plate"].str[1].astype(int).to_numpy()
            # Plates differ in offset and in noise, which makes distances from controls larger on some of them.
            noise = rng.lognormal(0, 0.2, 5)[codes][:, None]
            x = rng.normal(size=(5, 10))[codes] + noise * rng.normal(size=(len(obs), 10))
            task = make_task("dose-response", n_permutations=199)
            try:
                studies.append(task.score(AnnData(x.astype("f4"), obs=obs), rng).units["p"].to_numpy(dtype=float))
            except TaskNotApplicable:
                continue
        found[design] = rejected(studies) if studies else {"rejected": float("nan"), "se": float("nan"), "n": 0}
    return found


def run() -> dict[str, Any]:
    """Return every figure."""
    warnings.simplefilter("ignore")
    return {
        "accuracy, labels at random": labels_at_random(),
        "answered, two groups and five folds": few_groups(),
        "left without the batch": batch_left_out(),
        "consistency, a plate per label": plate_per_label(),
        "consistency, plates shared by labels": plates_shared_by_labels(),
        "compound-gene, famous genes": compound_gene(),
        "dose response": plate_per_dose(),
    }


if __name__ == "__main__":
    print(json.dumps(run(), indent=1))
