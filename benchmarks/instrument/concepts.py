"""What the card says of concepts where factors are measured: of the cell count, of all six concepts, of one, of noise.

python benchmarks/instrument/concepts.py

Oracles read true factors of a phantom (`phenolens.simulation`); concepts are measured on its images, as on real ones.
"""

import json
import tempfile
from pathlib import Path
from typing import Any, get_args

import numpy as np
from anndata import AnnData

from phenolens.datasets import read_manifest
from phenolens.diagnosis.inference import control_claims
from phenolens.diagnosis.parts.concepts import compare_concepts
from phenolens.diagnosis.records import ConceptScore, Encoding
from phenolens.embedding import embed
from phenolens.evaluation import evaluate
from phenolens.simulation import LEVELS, TRUTH, simulate_cells
from phenolens.tasks import make_task

MEASURING = ("cell-count", "pixel-statistics", "power-spectrum", "classical-features", "cell-graph/positions")
ALL = "+".join(LEVELS)
TESTED = {
    "cell count, as measured": "cell-count",
    "cell count, true": "oracle/density",
    "all six": f"oracle/{ALL}",
    "all six, noise 0.3": f"oracle/{ALL}@noise=0.3",
    **{f"{level} alone": f"oracle/{level}" for level in LEVELS if level != "density"},
}
TASK = make_task("replicate-retrieval", measures="distinctiveness", n_permutations=20)


def without_truth(vectors: AnnData) -> AnnData:
    """Return vectors of which it is not known what made them, nor what the phantom's truth is."""
    obs = vectors.obs[[column for column in vectors.obs if not column.startswith(TRUTH)]]
    return AnnData(vectors.X, obs=obs, var=vectors.var)


def embedded(preset: str, seed: int) -> dict[str, AnnData]:
    """Return what measures concepts, and what is under test, on one screen of three plates."""
    with tempfile.TemporaryDirectory() as folder:
        made = simulate_cells(Path(folder), preset=preset, plates=3, wells=96, size=128, seed=seed)
        return embed(read_manifest(made), [*dict.fromkeys([*MEASURING, *TESTED.values()])]).embeddings


def ask(found: dict[str, AnnData], n_noise: int = 20) -> dict[str, Any]:
    """Return what is said of each encoder, with r, and of how many of noise anything is said."""
    vectors = {name: without_truth(found[name]) for name in MEASURING}
    vectors |= {name: without_truth(found[source]) for name, source in TESTED.items()}
    obs = vectors["cell-count"].obs
    for number in range(n_noise):
        x = np.random.default_rng(number).normal(size=(len(obs), 128))
        vectors[f"noise {number}"] = AnnData(x, obs=obs)
    records = control_claims(compare_concepts(evaluate(vectors, [TASK])).records)
    scores = [record for record in records if isinstance(record, ConceptScore)]
    said: dict[str, Any] = {name: {} for name in TESTED}
    of_noise = dict.fromkeys(get_args(Encoding), 0)
    for score in scores:
        if score.encoder in TESTED:
            said[score.encoder][score.concept] = [score.encoding, round(score.best_r, 2)]
        else:
            of_noise[score.encoding] += 1
    left = {score.concept: round(score.left, 3) for score in scores}
    return {"left": left, "said": said, f"of {n_noise} encoders of noise, {len(left)} concepts each": of_noise}


def main() -> None:
    """Ask what is said on one screen of each preset, which nothing was chosen by, and write it."""
    found = {preset: ask(embedded(preset, seed=1)) for preset in ("strong", "subtle", "count-only")}
    path = Path(__file__).parents[1] / "results" / "instrument_concepts.json"
    path.write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
