"""Is the card right about what is known? False discoveries over whole cards, caught confounders, and power.

    python benchmarks/card_truth.py [--only copies batch count layout power] [--out FILE.json]

`copies`: two encoders that know the same truth, each with noise of its own; is any difference between them claimed?
`batch`: screens without biology whose plates and batches differ much; is any biology claimed of them?
`count`: screens in which cells are lost and nothing else; is a counter said to encode shape, texture or arrangement?
`layout`: mechanisms side by side in the same layout on each plate; is an encoder of positions caught?
`power`: the smallest true gain that is found four times in five, by the number of perturbations.
"""

import argparse
import json
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData

from phenolens.core.errors import PhenolensWarning
from phenolens.datasets import read_manifest
from phenolens.diagnosis import Evidence, Verdict, compare_scores, diagnose
from phenolens.diagnosis.inference import control_claims
from phenolens.diagnosis.parts.concepts import compare_concepts
from phenolens.diagnosis.parts.differences import compare_encoders
from phenolens.diagnosis.records import ConceptScore, EncoderDifference
from phenolens.diagnosis.rules import judge
from phenolens.embedding import embed
from phenolens.evaluation import ALPHA, Evaluation, evaluate
from phenolens.simulation import simulate_cells
from phenolens.tasks import make_task

TASKS = [
    make_task("replicate-retrieval", n_permutations=200),
    make_task("replicate-retrieval", measures="distinctiveness", n_permutations=20),
]
PROFILINGS = ["raw", "tvn"]
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
FACTORS = [f"factor{i}" for i in range(24)]  # so many that hundreds of perturbations can be told apart
MORPHOLOGY = {"shape", "texture", "arrangement"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--only", nargs="+", choices=list(EXPERIMENTS), default=list(EXPERIMENTS))
    parser.add_argument("--runs", type=int, help="Instead of each experiment's own number.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", PhenolensWarning)
    result = json.loads(arguments.out.read_text()) if arguments.out and arguments.out.exists() else {}
    for name in arguments.only:
        experiment, runs = EXPERIMENTS[name]
        result[name] = experiment(arguments.runs or runs, arguments.seed)
        print(name, json.dumps(result[name], indent=1), flush=True)
        if arguments.out:
            arguments.out.write_text(json.dumps(result, indent=1) + "\n")


def screen(
    rng: np.random.Generator,
    n_perturbations: int,
    *,
    factors: Sequence[str] = ("count", "texture", "mito_spacing"),
    effect: float = 0.5,
    n_plates: int = 4,
    n_controls: int = 8,
) -> pd.DataFrame:
    """Return wells with one replicate of each perturbation on each plate, controls, and true factors."""
    rows = []
    for plate in range(n_plates):
        names = [*(f"t{i}" for i in range(n_perturbations)), *["dmso"] * n_controls]
        order = rng.permutation(len(names))
        wells = [f"{LETTERS[i // 24]}{i % 24 + 1:02d}" for i in range(len(names))]
        rows += [(f"p{plate}", well, names[i]) for well, i in zip(wells, order, strict=True)]
    obs = pd.DataFrame(rows, columns=["plate", "well", "perturbation"])
    obs["role"] = np.where(obs["perturbation"] == "dmso", "negative_control", "treatment")
    obs.index = [f"w{i}" for i in range(len(obs))]
    for factor in factors:
        means = effect * rng.normal(size=n_perturbations + 1)
        by_name = dict(zip(sorted(set(obs["perturbation"])), means, strict=True))
        obs[f"true_{factor}"] = 10 + obs["perturbation"].map(by_name) + rng.normal(size=len(obs))
    return obs


def reader(obs: pd.DataFrame, space: np.ndarray, rng: np.random.Generator, noise: float) -> AnnData:
    """Return an encoder that knows the true factors, in a space (factors, d), with noise of its own."""
    known = obs.filter(like="true_").to_numpy() - 10
    seen = known + noise * rng.normal(size=known.shape)
    x = seen @ space + 0.1 * rng.normal(size=(len(obs), space.shape[1]))
    return AnnData(x.astype(np.float32), obs=obs)


def copies(runs: int, seed: int) -> dict[str, Any]:
    called, claims = 0, []
    for run in range(runs):
        rng = np.random.default_rng([seed, run])
        obs, space = screen(rng, 24), rng.normal(size=(3, 16))
        pair = {name: reader(obs, space, rng, 1.0) for name in ("one", "other")}
        found = adjusted(evaluate(pair, TASKS, profilings=PROFILINGS))
        differences = [v.claim for v in judge(found) if is_claimed_difference(v)]
        called += bool(differences)
        claims += differences
    return {"runs": runs, "called_different": called, "rate": round(called / runs, 4), "examples": claims[:5]}


def is_claimed_difference(verdict: Verdict) -> bool:
    """Whether it says that one encoder under test is better than another, in scores or in a concept."""
    is_difference = verdict.kind in ("difference", "concept_difference")
    return is_difference and verdict.p_adjusted <= ALPHA and "cannot be" not in verdict.claim


def adjusted(evaluation: Evaluation) -> Evidence:
    """Return the differences and concepts of a card, adjusted, without the parts of it that take longer."""
    found = compare_encoders(evaluation) + compare_concepts(evaluation)
    return Evidence(control_claims(found.records), found.skipped)


def under_test(vectors: AnnData) -> AnnData:
    """Return vectors that do not say what made them, so that a baseline's can stand under test."""
    return AnnData(vectors.X, obs=vectors.obs, var=vectors.var)


def on_phantom(preset: str, seed: int, tested: dict[str, str], baselines: list[str]) -> Evaluation:
    """Return what tasks say of oracles, or of baselines under another name, on a phantom."""
    with tempfile.TemporaryDirectory() as folder:
        made = simulate_cells(Path(folder), preset=preset, plates=4, wells=96, size=128, channels=["dna"], seed=seed)
        found = embed(read_manifest(made), [*dict.fromkeys([*tested.values(), *baselines])]).embeddings
    vectors = {name: under_test(found[source]) for name, source in tested.items()}
    vectors |= {name: found[name] for name in baselines}
    return evaluate(vectors, TASKS, profilings=PROFILINGS)


def batch(runs: int, seed: int) -> dict[str, Any]:
    """Encoders of everything, of the acquisition, and of intensities, beside baselines, where there is no biology."""
    tested = {
        "everything": "oracle/density+intensity+shape+texture+arrangement+acquisition@noise=0.3",
        "acquisition": "oracle/acquisition@noise=0.3",
        "pixels": "pixel-statistics",
    }
    baselines = ["well-position", "power-spectrum", "random-convolutions@seed=0"]
    claims = []
    for run in range(runs):
        verdicts = compare_scores(on_phantom("batch-only", seed + run, tested, baselines)).verdicts
        claims.append([v.claim for v in verdicts if is_of_biology(v)])
    free = sum(not of_run for of_run in claims)
    return {
        "runs": runs,
        "without_claim": free,
        "rate": round(free / runs, 3),
        "examples": [claim for of_run in claims for claim in of_run][:5],
    }


def is_of_biology(verdict: Verdict) -> bool:
    """Whether it says that an encoder does better than something else, or tells perturbations from controls."""
    if verdict.kind == "activity":
        return verdict.effect > 0
    return " beats " in verdict.claim or " loses to " in verdict.claim


def count(runs: int, seed: int) -> dict[str, Any]:
    """An encoder that counts cells, exactly and with noise, where cells are lost and nothing else."""
    tested = {"counter": "oracle/density", "noisy-counter": "oracle/density@noise=0.5", "counted": "cell-count"}
    said: dict[str, int] = {}
    for run in range(runs):
        found = adjusted(on_phantom("count-only", seed + run, tested, ["well-position"]))
        for score in found.of(ConceptScore):
            if score.encoding == "encoded" and score.concept in MORPHOLOGY:
                claim = f"{score.encoder} encodes {score.concept}"
                said[claim] = said.get(claim, 0) + 1
    return {"runs": runs, "encoders": list(tested), "said_to_encode_morphology": said}


def layout(runs: int, seed: int) -> dict[str, Any]:
    """An encoder of positions, where the layout is the same on each plate; it is caught if a verdict says so."""
    tested = {"positions": "well-position", "texture": "oracle/texture"}
    caught, wrongly, shares = 0, 0, []
    for run in range(runs):
        card = diagnose(
            on_phantom("layout-confounded", seed + run, tested, ["well-position", "random-convolutions@seed=0"])
        )
        shortcuts = [v for v in card.verdicts if v.kind == "shortcut" and v.claim.startswith("position")]
        explained = [v.effect for v in shortcuts if v.encoder == "positions"]
        caught += any(effect > 0.5 for effect in explained)
        wrongly += any(v.effect > 0.5 for v in shortcuts if v.encoder == "texture")
        shares += [max(explained, default=0.0)]
    return {
        "runs": runs,
        "caught": caught,
        "explained_by_position": [round(float(q), 2) for q in np.quantile(shares, [0.1, 0.5, 0.9])],
        "texture_called_so": wrongly,
    }


def power(runs: int, seed: int) -> dict[str, Any]:
    """Two encoders of the same wells of which one is noisier; how often the better is said to beat the other."""
    return {str(n): smallest_gain(n, runs, seed) for n in (24, 96, 384)}


def smallest_gain(n: int, runs: int, seed: int) -> dict[str, Any]:
    task = TASKS[1]
    rows = []
    for noise in (1.05, 1.1, 1.2, 1.35, 1.5, 1.75, 2.0, 2.5):
        found, gains, scores = 0, [], []
        for run in range(runs):
            rng = np.random.default_rng([seed, n, run])
            obs, space = screen(rng, n, factors=FACTORS, effect=1.0), rng.normal(size=(len(FACTORS), 48))
            pair = {"better": reader(obs, space, rng, 1.0), "worse": reader(obs, space, rng, noise)}
            evaluation = evaluate(pair, [task])
            card = compare_scores(evaluation)
            (difference,) = card.evidence.of(EncoderDifference)
            gains.append(difference.estimate.value)
            scores.append(evaluation.scores[0].score.value)
            found += any(v.kind == "difference" and "better beats worse" in v.claim for v in card.verdicts)
        rows.append((float(np.mean(gains)), found / runs))
        if found / runs > 0.95:
            break
    gains_, power_ = zip(*rows, strict=True)
    smallest = float(np.interp(0.8, power_, gains_)) if max(power_) >= 0.8 else float("nan")
    return {
        "smallest_gain": round(smallest, 4),
        "score_of_the_better": round(float(np.mean(scores)), 3),
        "power": [[round(gain, 4), round(share, 3)] for gain, share in rows],
        "runs": runs,
    }


Experiment = Callable[[int, int], dict[str, Any]]
EXPERIMENTS: dict[str, tuple[Experiment, int]] = {
    "copies": (copies, 500),
    "batch": (batch, 60),
    "count": (count, 40),
    "layout": (layout, 12),
    "power": (power, 150),
}


if __name__ == "__main__":
    main()
