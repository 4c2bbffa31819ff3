"""Does the card name exactly what an oracle reads? Every preset, and levels drawn at random, over many screens.

    python benchmarks/oracle_cards.py [--cases 200] [--out FILE.json]

An oracle knows the true factors of some levels of a simulated screen, spread over 128 dimensions by cosines of random
frequency, with noise or without; the card must name these levels and no others.
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd

from phenolens.core.random import spawn
from phenolens.datasets import read_manifest
from phenolens.diagnosis import diagnose
from phenolens.diagnosis.records import ConceptScore
from phenolens.embedding import embed
from phenolens.evaluation import evaluate
from phenolens.simulation import LEVELS, PRESETS, simulate_cells
from phenolens.tasks import make_task

PER_SCREEN = 15
NOISE = (0.0, 0.3, 1.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--cases", type=int, default=315)
    parser.add_argument("--plates", type=int, default=4)
    parser.add_argument("--wells", type=int, default=96)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for screen in range(-(-arguments.cases // PER_SCREEN)):
        preset = list(PRESETS)[screen % len(PRESETS)]
        rows += ask(preset, arguments.seed + screen, arguments.plates, arguments.wells)
    cases = pd.DataFrame(rows)
    result = {
        "cases": len(cases),
        "right": share(cases),
        "right_by_noise": {str(noise): share(own) for noise, own in cases.groupby("noise")},
        "right_up_to_noise_0.3": share(cases[cases["noise"] <= 0.3]),
        "right_up_to_noise_0.3_by_preset": {
            str(preset): share(own) for preset, own in cases[cases["noise"] <= 0.3].groupby("preset", sort=False)
        },
        "levels_missed": cases["missed"].explode().value_counts().to_dict(),
        "levels_invented": cases["invented"].explode().value_counts().to_dict(),
        "levels_hardly_read_of_those_missed": cases["hardly_read"].explode().value_counts().to_dict(),
        "levels_hardly_read_and_not_there": cases["hardly_read_invented"].explode().value_counts().to_dict(),
        "wrong": cases[~cases["right"]].drop(columns="right").to_dict("records"),
    }
    print(json.dumps(result, indent=1))
    if arguments.out:
        arguments.out.write_text(json.dumps(result, indent=1) + "\n")


def share(cases: pd.DataFrame) -> str:
    """Return how many cases are right, of how many."""
    return f"{int(cases['right'].sum())} of {len(cases)} ({cases['right'].mean():.1%})"


def ask(preset: str, seed: int, plates: int, wells: int) -> list[dict[str, Any]]:
    """Return a row per oracle of one screen: what it reads, and what the card gets wrong about it."""
    rng = spawn(seed, "oracles", preset)
    oracles: dict[str, tuple[set[str], float]] = {}
    while len(oracles) < PER_SCREEN:
        reads = [level for level in LEVELS if rng.random() < 0.5]
        noise = float(rng.choice(NOISE))
        # One that reads nothing is given so much noise that nothing is left.
        name = f"oracle/{'+'.join(reads)}@noise={noise}" if reads else "oracle/density@noise=1000"
        oracles[name] = (set(reads), noise)
    with tempfile.TemporaryDirectory() as folder:  # oracles read its table alone, so that one channel will do
        screen = simulate_cells(Path(folder), preset=preset, plates=plates, wells=wells, channels=["dna"], seed=seed)
        vectors = embed(read_manifest(screen), [*oracles, "well-position"]).embeddings
    retrieval = make_task("replicate-retrieval", measures="distinctiveness", n_permutations=20)
    card = diagnose(evaluate(vectors, [retrieval]))
    encoded: dict[str, set[str]] = {}
    weakly: dict[str, set[str]] = {}
    for score in card.evidence.of(ConceptScore):
        if score.encoding == "encoded":
            encoded.setdefault(score.encoder, set()).add(score.concept)
        elif score.encoding == "weakly encoded":
            weakly.setdefault(score.encoder, set()).add(score.concept)
    rows = []
    for name, (reads, noise) in oracles.items():
        said, weak = encoded.get(name, set()), weakly.get(name, set())
        rows.append(
            {
                "preset": preset,
                "seed": seed,
                "reads": sorted(reads),
                "noise": noise,
                "right": said == reads,
                "missed": sorted(reads - said),
                "invented": sorted(said - reads),
                "hardly_read": sorted(weak & reads),
                "hardly_read_invented": sorted(weak - reads),
            }
        )
    return rows


if __name__ == "__main__":
    main()
