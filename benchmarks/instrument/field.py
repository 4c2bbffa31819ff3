"""P values of restricted retrieval on noise with batch effects: nothing is true, and batches differ.

Mechanisms, and relations, go together with batches, so that a batch effect alone finds them unless what is of the same
batch is excluded (`exclude_same: [batch]`). The share of p values at or below 0.05 is 0.05 where a p value is right.

Run as ``python benchmarks/instrument/field.py``.
"""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData

from phenolens.tasks import make_task

_FEATURES, _BATCHES, _OF_BATCH = 12, 6, 2.0
_ALPHA = 0.05
_RESTRICTIONS: dict[str, list[str]] = {"all": [], "not same batch": ["batch"]}


def _vectors(batch: Any, rng: np.random.Generator) -> np.ndarray[Any, Any]:
    shift = _OF_BATCH * rng.normal(size=(_BATCHES, _FEATURES))
    return (rng.normal(size=(len(batch), _FEATURES)) + shift[batch]).astype(np.float32)


def _compounds(rng: np.random.Generator) -> AnnData:
    """Return 30 compounds at two doses, half of which have the mechanism of their batch."""
    batch = np.repeat(np.arange(_BATCHES), 5)
    moa = np.where(rng.random(30) < 0.5, batch // 2, rng.integers(5, size=30))
    compound = np.repeat(np.arange(30), 2)
    own = rng.normal(size=(30, _FEATURES))[compound]  # what two doses of a compound have in common
    obs = pd.DataFrame({"perturbation": compound, "moa": moa[compound], "batch": batch[compound]}).astype(str)
    obs["dose"] = np.tile([1.0, 2.0], 30)
    obs.index = "w" + obs.index.astype(str)
    return AnnData(_vectors(batch[compound], rng) + own.astype(np.float32), obs=obs)


def _wells(rng: np.random.Generator) -> AnnData:
    """Return two plates of each batch with six controls and a well of each of 24 perturbations."""
    plates = [
        [(plate, "dmso", "negative_control")] * 6 + [(plate, f"t{i}", "treatment") for i in range(24)]
        for plate in range(2 * _BATCHES)
    ]
    obs = pd.DataFrame([row for plate in plates for row in plate], columns=["plate", "perturbation", "role"])
    batch = obs["plate"].to_numpy() // 2
    obs = obs.assign(batch=batch).astype(str)
    obs.index = "w" + obs.index.astype(str)
    return AnnData(_vectors(batch, rng), obs=obs)


def _genes(rng: np.random.Generator, path: Path) -> AnnData:
    """Return 60 genes, and write relations of which half are within batches."""
    batch = np.arange(60) % _BATCHES
    step = rng.choice([_BATCHES, 2 * _BATCHES, 7, 13], size=90)
    first = rng.integers(60, size=90)
    names = np.array([f"g{i:02d}" for i in range(60)])
    pairs = np.stack([names[first], names[(first + step) % 60]], axis=1)
    pd.DataFrame(pairs, columns=["entity1", "entity2"]).to_csv(path, index=False)
    obs = pd.DataFrame({"perturbation": names, "batch": batch.astype(str)}, index=names)
    return AnnData(_vectors(batch, rng), obs=obs)


def _p_values(n: int, seed: int, folder: Path) -> Iterator[tuple[str, str, float, list[float]]]:
    """Yield the question, the restriction, score minus chance, and p values."""
    rng = np.random.default_rng(seed)
    retrieval = [{"exchange_with": "controls"}, {"exchange_with": "treatments"}, {"measures": "distinctiveness"}]
    for draw in range(n):
        compounds, wells, known = _compounds(rng), _wells(rng), folder / f"{draw}.csv"
        genes = _genes(rng, known)
        for words, columns in _RESTRICTIONS.items():
            options: dict[str, Any] = {"exclude_same": columns, "n_permutations": 199}
            score = make_task("moa-accuracy", **options).score(compounds, rng)
            yield "MoA accuracy", words, score.value - score.chance, [score.details[""]["p_labels_exchanged"]]
            score = make_task("phenotypic-consistency", label="moa", **options).score(compounds, rng)
            yield "consistency of mechanisms", words, score.value - score.chance, score.units["p"].tolist()
            task = make_task("relationship-recall", relations=[known], **(options | {"n_permutations": 99}))
            score = task.score(genes, rng)
            p = score.details[str(draw)]["p_labels_permuted"]
            yield "relations, labels permuted", words, score.value - score.chance, [p]
            if draw >= n // 10:  # each has 24 p values
                continue
            for more in retrieval:
                score = make_task("replicate-retrieval", **more, **options).score(wells, rng)
                name = "replicates, " + " ".join(more.values())
                yield name, words, score.value - score.chance, score.units["p"].tolist()


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        rows = list(_p_values(300, 0, Path(folder)))
    table = pd.DataFrame(rows, columns=["question", "restriction", "gain", "p"])
    found: dict[str, Any] = {}
    for (question, restriction), group in table.groupby(["question", "restriction"], sort=False):
        small = np.array([np.mean(np.array(p) <= _ALPHA) for p in group["p"]])
        found[f"{question}, {restriction}"] = {
            "experiments": len(group),
            "p_values": int(sum(map(len, group["p"]))),
            "share_below_0.05": round(float(small.mean()), 4),
            "its_standard_error": round(float(small.std(ddof=1) / np.sqrt(len(small))), 4),
            "score_minus_chance": round(float(group["gain"].mean()), 4),
            "the_standard_error_of_that": round(float(group["gain"].std(ddof=1) / np.sqrt(len(group))), 4),
        }
    text = json.dumps(found, indent=1)
    (Path(__file__).parents[1] / "results" / "instrument_field.json").write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
