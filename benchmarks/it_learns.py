"""Does a small channel-agnostic autoencoder learn biology? It beside its own untrained twin, on plates not seen.

    python benchmarks/it_learns.py [--seeds 3] [--steps N] [--out FILE.json]

A screen of the preset `subtle` is simulated; half of its plates train a masked autoencoder with each seed, and the
others are asked: are replicates alike, and can texture and arrangement be read off? Then the same of three of the five
channels in another order. Every gain is paired over the same units, between the mean of the trained seeds and the mean
of as many twins.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

RECIPE = Path(__file__).parents[1] / "recipes" / "train" / "phantom_camae.yaml"
# What was drawn of the texture, and what came out of the arrangement.
TRUTH = {
    "texture": ("texture", "nucleoli", "mito_spacing", "fibres", "golgi_spread"),
    "arrangement": ("neighbour_distance", "alignment", "segregation"),
}
TRANSFER = ("mito", "dna", "er")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, help="instead of the recipe's")
    parser.add_argument("--screen", type=int, default=1, help="seed of the screen")
    parser.add_argument("--plates", type=int, default=8)
    parser.add_argument("--wells", type=int, default=96)
    parser.add_argument("--perturbations", type=int, default=24)
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
    from phenolens.datasets.phantom import CELL_PAINTING, simulate_cells
    from phenolens.diagnosis import compare_families
    from phenolens.embedding import embed
    from phenolens.images import Crop
    from phenolens.tasks import evaluate, make_task
    from phenolens.training_recipe import read_training_recipe
    from phenolens.training_run import run_training

    screen = folder / "screen"
    if not (screen / "manifest.csv").is_file():
        simulate_cells(
            screen,
            preset="subtle",
            plates=arguments.plates,
            wells=arguments.wells,
            perturbations=arguments.perturbations,
            seed=arguments.screen,
        )
    os.environ["PHENOLENS_SCREEN"] = str((screen / "manifest.csv").absolute())
    recipe = read_training_recipe(RECIPE)
    steps = arguments.steps or recipe.run.steps
    minutes = []
    for seed in range(arguments.seeds):
        start = time.perf_counter()
        run = recipe.run.model_copy(update={"steps": steps})
        run_training(recipe.model_copy(update={"seed": seed, "run": run}), folder / f"camae-{seed}")
        minutes.append(round((time.perf_counter() - start) / 60, 2))

    plates = read_manifest(screen / "manifest.csv")
    rows = recipe.dataset.rows
    manifest = plates.part("plate", "test", rows.test_share, rows.seed) if rows else plates
    tasks = [make_task("replicate-retrieval", against="others")]
    questions = ["replicates", *TRUTH]
    for factors in TRUTH.values():
        tasks.append(make_task("regression-probe", targets=[f"true_{name}" for name in factors], group="plate"))
    result: dict[str, Any] = {
        "case": {key: value for key, value in vars(arguments).items() if isinstance(value, int)} | {"steps": steps},
        "plates_asked": int(manifest.table["plate"].nunique()),
        "minutes": minutes,
    }
    for what, channels in (("five channels", tuple(CELL_PAINTING)), ("three others in order", TRANSFER)):
        names = {}
        for seed in range(arguments.seeds):
            names[f"checkpoint:{folder / f'camae-{seed}'}"] = f"checkpoint:camae@seed={seed}"
            names[f"twin/checkpoint:{folder / 'camae-0'}@seed={seed}"] = f"twin/checkpoint:camae@seed={seed}"
        crop = Crop("tiles", recipe.data.crop)
        found = embed(manifest, list(names), channels=channels, crop=crop, precision="bf16").embeddings
        vectors = {names[name]: own for name, own in found.items()}
        rows_of_gain = []
        for question, task in zip(questions, tasks, strict=True):
            evaluation = evaluate(vectors, [task], profilings=("raw", "tvn"))
            if evaluation.skipped:
                rows_of_gain.append({"question": question, "skipped": evaluation.skipped[0].reason})
                print(what, rows_of_gain[-1], flush=True)
                continue
            scores = evaluation.scores().groupby(["family", "profiling"])["value"].mean()
            for gain in compare_families(evaluation).itertuples():
                rows_of_gain.append(
                    {
                        "question": question,
                        "profiling": gain.profiling,
                        "trained": round(float(scores["checkpoint:camae", gain.profiling]), 3),
                        "twin": round(float(scores["twin/checkpoint:camae", gain.profiling]), 3),
                        "gain": [round(number, 3) for number in (gain.difference, gain.low, gain.high)],
                        "units": gain.n_units,
                    }
                )
                print(what, rows_of_gain[-1], flush=True)
        result[what] = rows_of_gain
    return result


if __name__ == "__main__":
    main()
