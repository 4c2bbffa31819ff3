"""Are vectors told apart that differ by little, or lie under one large component, and is what the card says true?

python benchmarks/instrument/numerics.py

`little_differs`: mean average precision of replicates, of vectors that differ by a share of their length.
`cards`: what a card says of an encoder with strong biology that is changed by what takes no biology away.
`cost`: seconds of the kernels on 5,000 x 384 vectors.
"""

import json
import time
import warnings
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray

from phenolens.core.errors import PhenolensWarning
from phenolens.diagnosis.evidence import Evidence, Verdict
from phenolens.diagnosis.inference import control_claims
from phenolens.diagnosis.parts.differences.compare import compare_encoders
from phenolens.diagnosis.parts.embedding_shape import describe_embeddings
from phenolens.diagnosis.rules import judge
from phenolens.evaluation import Evaluation, evaluate
from phenolens.metrics import PairNull, label_average_precision, set_average_precision
from phenolens.tasks import make_task

N_TREATMENTS, N_PLATES = 24, 4


def screen(rng: np.random.Generator, n_controls: int = 8, d: int = 32) -> tuple[AnnData, NDArray[np.int64]]:
    """Return wells of `N_TREATMENTS` with an effect each, and their plates; one replicate of each on each plate."""
    names = [*(f"t{i}" for i in range(N_TREATMENTS)), *["dmso"] * n_controls]
    rows = [(f"p{plate}", f"w{i}", name) for plate in range(N_PLATES) for i, name in enumerate(names)]
    obs = pd.DataFrame(rows, columns=["plate", "well", "perturbation"])
    obs["role"] = np.where(obs["perturbation"] == "dmso", "negative_control", "treatment")
    obs.index = [f"r{i}" for i in range(len(obs))]
    effect = {name: 1.5 * rng.normal(size=d) for name in names} | {"dmso": np.zeros(d)}
    x = np.stack([effect[name] for name in obs["perturbation"]]) + rng.normal(size=(len(obs), d))
    return AnnData(x, obs=obs), pd.factorize(obs["plate"])[0]


def changed(wells: AnnData, plate: NDArray[np.int64], rng: np.random.Generator) -> dict[str, AnnData]:
    """Return the same wells, changed by what takes no biology away, as float32."""
    x, size = np.asarray(wells.X), float(np.sqrt(wells.X.var(axis=0).sum()))
    d = x.shape[1]
    common = np.ones(d) / np.sqrt(d)
    one, of_plate = rng.normal(size=d), rng.normal(size=N_PLATES)
    component = np.outer((of_plate - of_plate.mean()) / of_plate.std(), one / np.linalg.norm(one))[plate]
    huge = np.concatenate([x, 1e4 * rng.normal(size=(len(x), 1))], axis=1)
    made = {
        "as it is": x,
        "scaled copy": 1e4 * x,
        "common part": x + 1e3 * size * common,
        "plate component": x + np.sqrt(3) * size * component,
        "huge feature": huge,
    }
    return {name: AnnData(each.astype(np.float32), obs=wells.obs) for name, each in made.items()}


def little_differs(seed: int = 0) -> dict[str, list[float]]:
    """Return the mAP of replicates for float32 and float64 vectors that differ by 0.1 to 1e-6 of their length."""
    wells, _ = screen(np.random.default_rng(seed))
    x, labels = np.asarray(wells.X), wells.obs["perturbation"].to_numpy()
    size = float(np.sqrt(x.var(axis=0).sum()))
    found = {}
    for power in range(1, 7):
        far = x + 10.0**power * size / np.sqrt(x.shape[1])
        found[f"1e-{power}"] = [
            float(np.nanmean(label_average_precision(far.astype(dtype), labels))) for dtype in (np.float32, np.float64)
        ]
    return found


def cards(seed: int = 0) -> dict[str, Any]:
    """Return what is said of each changed encoder, beside noisy pixel statistics that know a part of the biology."""
    rng = np.random.default_rng(seed)
    wells, plate = screen(rng, n_controls=24, d=16)
    light = wells.X[:, :4] + 1.5 * rng.normal(size=(len(wells), 4))
    pixels = AnnData(light.astype(np.float32), obs=wells.obs)
    said = {}
    for name, encoder in changed(wells, plate, rng).items():
        task = make_task("replicate-retrieval", measures="distinctiveness", n_permutations=99)
        embeddings = {"mine": encoder, "pixel-statistics": pixels}
        evaluation = evaluate(embeddings, [task], profilings=["raw", "tvn"], seed=seed)
        scores = {each.profiling: each.score.value for each in evaluation.scores if each.info.id == "mine"}
        said[name] = {
            "scores": scores,
            "card": [f"{each.profiling or 'all'}: {each.claim}" for each in _verdicts(evaluation)],
        }
    return said


def _verdicts(evaluation: Evaluation) -> list[Verdict]:
    """Return what is said of scores and of the shape of vectors; the other parts of a diagnosis take minutes."""
    found = (*compare_encoders(evaluation).records, *describe_embeddings(evaluation).records)
    return judge(Evidence(control_claims(found)))


def cost(seed: int = 0) -> dict[str, float]:
    """Return the seconds of kernels on ordinary vectors and on those with a large common part, the least of three."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(1250), 4)
    x = (rng.normal(size=(1250, 384))[labels] + rng.normal(size=(5000, 384))).astype(np.float32)
    sets = np.arange(5000).reshape(1250, 4)
    seconds = {}
    for name, vectors in (("ordinary", x), ("common part", x + np.float32(3e3))):
        for kernel, call in (
            ("label", lambda v: label_average_precision(v, labels)),
            ("set", lambda v: set_average_precision(v, sets)),
            ("pairs", PairNull),
        ):
            taken = []
            for _ in range(3):
                start = time.process_time()
                call(vectors)
                taken.append(time.process_time() - start)
            seconds[f"{kernel}, {name}"] = round(min(taken), 2)
    return seconds


def run() -> dict[str, Any]:
    """Return all three."""
    warnings.simplefilter("ignore", PhenolensWarning)
    return {"little_differs": little_differs(), "cards": cards(), "cost": cost()}


if __name__ == "__main__":
    print(json.dumps(run(), indent=1))
