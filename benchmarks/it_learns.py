"""Does a small channel-agnostic autoencoder learn biology? It beside its own untrained twin, on a screen not seen.

    python benchmarks/it_learns.py [--seeds 3] [--steps N] [--out FILE.json]

A masked autoencoder is trained with each seed on a simulated screen of the preset `subtle`, and asked about another
screen with other perturbations: are replicates alike, and can texture and arrangement be read off? Then the same of
three of the five channels in another order. Every gain is paired over the same units, between the mean of the trained
seeds and the mean of as many twins. Beside them stand what knows all of the truth, and what measures pixels alone.
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

RECIPE = Path(__file__).parents[1] / "recipes" / "train" / "phantom_camae.yaml"
# What was drawn of the texture, and what came out of the arrangement.
TRUTH = {
    "texture": ("texture", "nucleoli", "mito_spacing", "fibres", "golgi_spread"),
    "arrangement": ("neighbour_distance", "alignment", "segregation"),
}
TRANSFER = ("mito", "dna", "er")
REFERENCES = ("oracle/shape+texture+arrangement", "pixel-statistics")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, help="instead of the recipe's")
    parser.add_argument("--screen", type=int, default=1, help="seed of the screen; the one asked about has the next")
    parser.add_argument("--plates", type=int, default=12, help="that are asked about")
    parser.add_argument("--folder", type=Path, help="keep screen and checkpoints here")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        result = study(arguments, arguments.folder or Path(temporary))
    print(json.dumps(result, indent=1))
    if arguments.out:
        arguments.out.write_text(json.dumps(result, indent=1) + "\n")


def study(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Return training times, and gains over the twins by question."""
    import os

    from phenolens.datasets import read_manifest
    from phenolens.diagnosis.evidence import Evidence
    from phenolens.diagnosis.parts.differences import compare_encoders
    from phenolens.diagnosis.records import BaselineDifference
    from phenolens.embedding import embed
    from phenolens.evaluation import evaluate, tabulate_scores
    from phenolens.images import Crop
    from phenolens.recipes.training import read_training_recipe
    from phenolens.simulation import CELL_PAINTING, simulate_cells
    from phenolens.tasks import make_task
    from phenolens.workflows.training import run_training

    trained_on, asked = folder / "screen", folder / "asked"
    if not (trained_on / "manifest.csv").is_file():
        simulate_cells(trained_on, preset="subtle", plates=8, wells=96, perturbations=24, seed=arguments.screen)
    if not (asked / "manifest.csv").is_file():
        plates = arguments.plates
        simulate_cells(asked, preset="subtle", plates=plates, wells=192, perturbations=48, seed=arguments.screen + 1)
    os.environ["PHENOLENS_SCREEN"] = str((trained_on / "manifest.csv").absolute())
    recipe = read_training_recipe(RECIPE)
    steps = arguments.steps or recipe.run.steps
    minutes = []
    for seed in range(arguments.seeds):
        run = recipe.run.model_copy(update={"steps": steps})
        run_training(recipe.model_copy(update={"seed": seed, "run": run}), folder / f"camae-{seed}")
        minutes.append(trained_for(folder / f"camae-{seed}"))

    manifest = read_manifest(asked / "manifest.csv")
    tasks = [make_task("replicate-retrieval", measures="distinctiveness", n_permutations=20)]
    questions = ["replicates", *TRUTH]
    for factors in TRUTH.values():
        tasks.append(make_task("regression-probe", targets=[f"true_{name}" for name in factors], group="plate"))
    result: dict[str, Any] = {
        "case": {key: value for key, value in vars(arguments).items() if isinstance(value, int)} | {"steps": steps},
        "wells_asked": len(manifest),
        "minutes": minutes,
    }
    for what, channels in (("five channels", tuple(CELL_PAINTING)), ("three others in order", TRANSFER)):
        names = {}
        for seed in range(arguments.seeds):
            names[f"checkpoint:{folder / f'camae-{seed}'}"] = f"checkpoint:camae@seed={seed}"
            names[f"twin/checkpoint:{folder / 'camae-0'}@seed={seed}"] = f"twin/checkpoint:camae@seed={seed}"
        crop = Crop("tiles", recipe.data.crop)
        found = embed(manifest, [*names, *REFERENCES], channels=channels, crop=crop, precision="bf16").embeddings
        vectors = {names.get(name, name): sites for name, sites in found.items()}
        rows_of_gain = []
        for question, task in zip(questions, tasks, strict=True):
            evaluation = evaluate(vectors, [task], profilings=("raw", "tvn"))
            if evaluation.skipped:
                rows_of_gain.append({"question": question, "skipped": evaluation.skipped[0].reason})
                print(what, rows_of_gain[-1], flush=True)
                continue
            scores = tabulate_scores(evaluation).groupby(["encoder", "profiling"])["value"].mean()
            for each in Evidence(compare_encoders(evaluation).records).of(BaselineDifference):
                if each.encoder != "checkpoint:camae" or not each.baseline.startswith("twin/"):
                    continue
                gain, profiling = each.estimate, each.profiling
                rows_of_gain.append(
                    {
                        "question": question,
                        "profiling": profiling,
                        "trained": round(float(scores["checkpoint:camae", profiling]), 3),
                        "untrained": round(float(scores["twin/checkpoint:camae", profiling]), 3),
                        **{name: round(float(scores[name, profiling]), 3) for name in REFERENCES},
                        "gain": [round(number, 3) for number in (gain.value, gain.low, gain.high)],
                        "p": round(gain.p, 4),
                        "units": gain.n_units,
                    }
                )
                print(what, rows_of_gain[-1], flush=True)
        result[what] = rows_of_gain
    return result


def trained_for(folder: Path) -> float:
    """Return for how many minutes a network was trained, from the first log line to the last of each start."""
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    seconds = 0.0
    for file in (folder / "tensorboard").glob("events.*"):
        times = [event.wall_time for event in EventFileLoader(str(file)).Load()]
        seconds += max(times) - min(times)
    return round(seconds / 60, 1)


if __name__ == "__main__":
    main()
