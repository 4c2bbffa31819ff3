"""What counts as independent: two equally good encoders, with doses of a compound and with complexes of genes.

Each encoder reacts to some compounds, or complexes, more than to others, and the other encoder to others; on average
over compounds they are equal. How often one is said to beat the other is how often a card is wrong; how often an
interval holds the mean score over all simulated experiments is its coverage.

Run as ``python benchmarks/instrument/clusters.py``.
"""

import json
import tempfile
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd

from phenolens.evaluation import paired_difference, paired_p, values_by_unit
from phenolens.metrics import benjamini_hochberg
from phenolens.tasks import ReplicateRetrieval, Score
from phenolens.tasks.relationship_recall import RelationshipRecall

_FEATURES, _PLATES, _CONTROLS = 24, 3, 8
_ALPHA = 0.05

Experiment = Callable[[np.random.Generator], list[tuple[Score, Score]]]


def screen(n_compounds: int, n_doses: int, rng: np.random.Generator) -> tuple[ad.AnnData, ad.AnnData]:
    """Return the wells of a screen as two encoders see them, which react to compounds independently of each other."""
    rows = []
    for plate in range(_PLATES):
        rows += [("control", 0.0, f"p{plate}", "negative_control")] * _CONTROLS
        rows += [(f"c{c}", 1.0 + d, f"p{plate}", "treatment") for c in range(n_compounds) for d in range(n_doses)]
    obs = pd.DataFrame(rows, columns=["perturbation", "dose", "plate", "role"])
    obs.index = obs.index.astype(str)
    is_treated = (obs["role"] == "treatment").to_numpy()
    compound = pd.factorize(obs["perturbation"])[0] - 1
    level = obs["dose"].to_numpy() / n_doses
    seen = []
    for _ in range(2):
        gain = rng.uniform(0, 6, size=n_compounds)
        common = rng.normal(size=(n_compounds, _FEATURES)) / np.sqrt(_FEATURES)
        by_dose = rng.normal(size=(n_compounds, n_doses, _FEATURES)) / np.sqrt(_FEATURES)
        x = rng.normal(size=(len(obs), _FEATURES))
        c, d = compound[is_treated], obs["dose"].to_numpy()[is_treated].astype(int) - 1
        effect = gain[c, None] * (common[c] * level[is_treated, None] + by_dose[c, d])
        x[is_treated] += effect
        seen.append(ad.AnnData(x.astype(np.float32), obs=obs.copy()))
    return seen[0], seen[1]


def _retrieval(n_compounds: int, n_doses: int) -> Experiment:
    tasks = [ReplicateRetrieval(measures=m, n_permutations=20) for m in ("distinctiveness", "activity")]

    def experiment(rng: np.random.Generator) -> list[tuple[Score, Score]]:
        one, other = screen(n_compounds, n_doses, rng)
        return [(task.score(one, rng), task.score(other, rng)) for task in tasks]

    return experiment


def _relations(complexes: list[list[int]], n_genes: int, folder: Path) -> Experiment:
    """Return the experiment in which each encoder sees a random half of the complexes."""
    path = folder / "known.csv"
    pairs = sorted({pair for members in complexes for pair in combinations(members, 2)})
    pd.DataFrame([(f"g{a}", f"g{b}") for a, b in pairs], columns=["entity1", "entity2"]).to_csv(path, index=False)
    task = RelationshipRecall(relations=(path,), n_permutations=19)
    obs = pd.DataFrame({"perturbation": [f"g{g}" for g in range(n_genes)], "role": "treatment"})
    obs.index = obs.index.astype(str)

    def experiment(rng: np.random.Generator) -> list[tuple[Score, Score]]:
        scores = []
        for _ in range(2):
            x = rng.normal(size=(n_genes, _FEATURES))
            for members in complexes:
                if rng.random() < 0.5:
                    x[members] += 1.2 * rng.normal(size=_FEATURES)
            scores.append(task.score(ad.AnnData(x.astype(np.float32), obs=obs.copy()), rng))
        return [(scores[0], scores[1])]

    return experiment


def _genes(n_related: int, n_genes: int, folder: Path) -> Experiment:
    """Return the experiment in which all related genes are related to each other, and differ in strength."""
    path = folder / "genes.csv"
    pairs = combinations(range(n_related), 2)
    pd.DataFrame([(f"g{a}", f"g{b}") for a, b in pairs], columns=["entity1", "entity2"]).to_csv(path, index=False)
    task = RelationshipRecall(relations=(path,), n_permutations=19)
    obs = pd.DataFrame({"perturbation": [f"g{g}" for g in range(n_genes)], "role": "treatment"})
    obs.index = obs.index.astype(str)

    def experiment(rng: np.random.Generator) -> list[tuple[Score, Score]]:
        scores = []
        for _ in range(2):
            x = rng.normal(size=(n_genes, _FEATURES))
            x[:n_related, 0] += rng.uniform(0, 5, size=n_related)
            scores.append(task.score(ad.AnnData(x.astype(np.float32), obs=obs.copy()), rng))
        return [(scores[0], scores[1])]

    return experiment


def _measure(experiment: Experiment, names: list[str], n: int, seed: int) -> dict[str, Any]:
    """Return rates over n experiments, with their Monte-Carlo standard errors."""
    rng = np.random.default_rng(seed)
    values, limits, p = (np.empty((n, len(names), *shape)) for shape in ((), (2,), ()))
    excluded = np.empty((n, len(names)))
    outside = np.zeros((n, len(names)))
    for row in range(n):
        for column, (one, other) in enumerate(experiment(rng)):
            values[row, column] = one.value
            limits[row, column] = one.interval(rng, n_draws=1000)
            outside[row, column] = limits[row, column, 0] < 0 or limits[row, column, 1] > 1
            pair = values_by_unit(one), values_by_unit(other)
            found = paired_difference(*pair, rng, se_inflation=one.se_inflation).estimate
            excluded[row, column] = found.low > 0 or found.high < 0
            p[row, column] = paired_p(*pair, rng, se_inflation=one.se_inflation)
    truth = values.mean(axis=0)[:, None]
    covered = (limits[..., 0] <= truth.T) & (limits[..., 1] >= truth.T)
    claimed = np.array([(benjamini_hochberg(each) <= _ALPHA).any() for each in p])
    result: dict[str, Any] = {"n": n, "card says one beats the other": _rate(claimed)}
    for column, name in enumerate(names):
        result[name] = {
            "p <= 0.05": _rate(p[:, column] <= _ALPHA),
            "interval of the difference excludes 0": _rate(excluded[:, column]),
            "coverage": _rate(covered[:, column]),
            "limit outside [0, 1]": _rate(outside[:, column]),
        }
    return result


def _rate(found: Any) -> dict[str, float]:
    rate = float(np.mean(found))
    return {"rate": round(rate, 3), "se": round(float(np.sqrt(max(rate * (1 - rate), 0) / len(found))), 3)}


def run(n: int = 300, seed: int = 0) -> dict[str, Any]:
    """Return error rates and coverage in each design."""
    retrieval = ["others", "controls"]
    found = {}
    for n_compounds, n_doses in ((6, 8), (24, 3), (8, 1), (24, 1), (96, 1)):
        found[f"{n_compounds} compounds x {n_doses} doses"] = _measure(
            _retrieval(n_compounds, n_doses), retrieval, n, seed
        )
    blocks = [list(range(8 * c, 8 * c + 8)) for c in range(12)]
    many = [list(range(5 * c, 5 * c + 5)) for c in range(40)]
    pairs = [[2 * c, 2 * c + 1] for c in range(60)]
    chained = [list(range(7 * c, 7 * c + 8)) for c in range(24)]
    with tempfile.TemporaryDirectory() as folder:
        for name, complexes in (
            ("12 complexes of 8", blocks),
            ("40 complexes of 5", many),
            ("60 pairs", pairs),
            ("24 complexes of 8, each sharing a gene with the next", chained),
        ):
            n_genes = 1 + max(max(each) for each in complexes) + 60
            found[name] = _measure(_relations(complexes, n_genes, Path(folder)), ["recall"], n, seed)
        found["40 genes, each related to each"] = _measure(_genes(40, 120, Path(folder)), ["recall"], n, seed)
    return found


if __name__ == "__main__":
    print(json.dumps(run(), indent=1))
