"""What the card costs from existing embeddings: time and memory, part by part.

    python benchmarks/card_cost.py [--encoders 5] [--profiles 20000] [--dim 384] [--out FILE.json]

Two encoders are under test, three are untrained networks; cell count, intensities and positions stand beside them, so
that levels and shortcuts are asked as well. The answers themselves (`evaluate`) are timed apart.
"""

import argparse
import json
import resource
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
from anndata import AnnData

from phenolens.diagnosis import diagnose
from phenolens.evaluation import evaluate
from phenolens.tasks import make_task

WELLS_PER_PLATE = 384
CONTROLS_PER_PLATE = 32
REPLICATES = 4
PERMUTATIONS = 200


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--encoders", type=int, default=5)
    parser.add_argument("--profiles", type=int, default=20_000)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    embeddings = simulate(arguments.encoders, arguments.profiles, arguments.dim)
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # The p value of each of thousands of perturbations against controls takes longer than all else.
    controls = make_task("replicate-retrieval", n_permutations=PERMUTATIONS)
    tasks = [controls, make_task("replicate-retrieval", measures="distinctiveness")]
    start = time.perf_counter()
    evaluation = evaluate(embeddings, tasks)
    asked = time.perf_counter()
    card = diagnose(evaluation)
    done = time.perf_counter()
    result = {
        "encoders": arguments.encoders,
        "profiles": arguments.profiles,
        "dim": arguments.dim,
        "evaluate_s": round(asked - start, 1),
        "diagnose_s": round(done - asked, 1),
        "embeddings_gib": round(held / 2**20, 2),
        "peak_gib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
        "verdicts": len(card.verdicts),
        "skipped": [asdict(each) for each in card.evidence.skipped],
    }
    print(json.dumps(result, indent=1))
    if arguments.out:
        arguments.out.write_text(json.dumps(result, indent=1) + "\n")


def simulate(n_encoders: int, n: int, d: int) -> dict[str, AnnData]:
    """Return encoders of the same wells, that share some truth, and the baselines that measure shortcuts."""
    rng = np.random.default_rng(0)
    place = np.arange(n) % WELLS_PER_PLATE
    plate = np.arange(n) // WELLS_PER_PLATE
    treatment = (place - CONTROLS_PER_PLATE) + WELLS_PER_PLATE * (plate // REPLICATES)
    control = place < CONTROLS_PER_PLATE
    obs = pd.DataFrame(
        {
            "plate": [f"p{i}" for i in plate],
            "batch": [f"b{i // 8}" for i in plate],
            "well": [f"{chr(65 + i // 24)}{i % 24 + 1:02d}" for i in rng.permutation(WELLS_PER_PLATE)[place]],
            "perturbation": np.where(control, "dmso", np.char.add("t", treatment.astype(str))),
            "role": np.where(control, "negative_control", "treatment"),
        },
        index=[f"w{i}" for i in range(n)],
    )
    effect = rng.normal(size=(treatment.max() + 1, 16))
    truth = np.where(control[:, None], 0, effect[np.maximum(treatment, 0)]) + rng.normal(size=(n, 16))
    names = [
        "one",
        "other",
        "untrained/vit_small_patch16@seed=0",
        "untrained/resnet18@seed=0",
        "random-convolutions@seed=0",
    ]
    found = {}
    for number in range(n_encoders):
        name = names[number] if number < len(names) else f"further{number}"
        seen = truth @ rng.normal(size=(16, d)) + (2 + 4 * (number > 1)) * rng.normal(size=(n, d))
        found[name] = AnnData(seen.astype(np.float32), obs=obs)
    count = AnnData(np.exp(4 + 0.2 * truth[:, :1]), obs=obs, var=pd.DataFrame(index=["nuclei_count"]))
    intensity = AnnData(100 + 10 * truth[:, 1:3], obs=obs, var=pd.DataFrame(index=["dna_mean", "er_mean"]))
    return {**found, "cell-count": count, "pixel-statistics": intensity}


if __name__ == "__main__":
    main()
