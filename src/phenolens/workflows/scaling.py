"""A scaling study from recipe to figure: train every run, ask all encoders the same, fit a line."""

import logging
from pathlib import Path

import pandas as pd

from phenolens.core.errors import RecipeError
from phenolens.core.files import replaced_whole
from phenolens.diagnosis import fit_scaling
from phenolens.embedding import dataset_channels, embed_to_folder
from phenolens.encoders import EncoderName, describe_encoder
from phenolens.evaluation import evaluate, tabulate_scores
from phenolens.recipes import ScalingRecipe
from phenolens.report import write_scaling
from phenolens.workflows.training import estimate_run, run_training

_log = logging.getLogger(__name__)


def run_scaling(recipe: ScalingRecipe, out: Path, *, progress: bool = False) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Train every run of a recipe, ask the encoders and their untrained twins, fit a line; goes on where it stopped.

    Parameters
    ----------
    recipe
        What to train, and what to vary.
    out
        The folder: ``runs/NAME`` for each run, ``embeddings``, ``scores.csv``, ``fits.csv``, ``scaling.html``.
    progress
        Whether to draw progress bars.

    Returns
    -------
    The scores, one row per run, task and profiling, with operations, parameters, images and the twins' mean; and the
    fits, as `fit_scaling` gives them.

    Raises
    ------
    PhenolensError
        As `train`, `embed_to_folder` and `evaluate` do, or if the runs do not differ in operations.
    """
    asked = recipe.train.diagnose
    assert asked is not None  # noqa: S101 - the recipe refuses to be without
    runs = recipe.runs()
    one = next(iter(runs.values()))
    channels = dataset_channels(one.dataset.open(), one.dataset.channels)
    sizes = {
        name: estimate_run(run, len(channels), devices=1, teraflops=1.0, utilisation=1.0) for name, run in runs.items()
    }
    flops = {name: sizes[name].flops_per_step * run.run.steps for name, run in runs.items()}
    if len(set(flops.values())) < 2:
        raise RecipeError("vary: all runs take the same number of operations; vary steps, batch size or the network")
    encoders = {}
    for name, run in runs.items():
        _log.info("run %s: %.2g operations", name, flops[name])
        encoders[name] = f"checkpoint:{run_training(run, out / 'runs' / name, progress=progress)}"
    twins = {name: describe_encoder(encoder).counterpart for name, encoder in encoders.items()}
    every = [
        *encoders.values(),
        *(str(seeded) for twin in twins.values() for seeded in EncoderName.parse(twin).seeds(recipe.twin_seeds)),
    ]
    embedded = embed_to_folder(
        asked.dataset.open(), every, out / "embeddings", channels=channels, crop=asked.crop, progress=progress
    )
    evaluation = evaluate(embedded.embeddings, asked.tasks, profilings=asked.profiling, seed=recipe.train.seed)
    fits = fit_scaling(evaluation, {encoders[name]: flops[name] for name in runs}, seed=recipe.train.seed)
    scores = tabulate_scores(evaluation)
    twin_value = scores[scores["baseline"]].groupby(["family", "task", "profiling"])["value"].mean()
    rows = [
        {
            "run": name,
            "flops": flops[name],
            "parameters": sizes[name].encoder_parameters,
            "images": sizes[name].images,
            **{key: row[key] for key in ("task", "profiling", "metric", "value", "low", "high", "chance", "n_units")},
            "twin": twin_value[twins[name], row["task"], row["profiling"]],
        }
        for name in runs
        for row in scores[scores["encoder"] == encoders[name]].to_dict("records")
    ]
    table = pd.DataFrame(rows)
    for name, result in {"scores.csv": table, "fits.csv": fits}.items():
        with replaced_whole(out / name) as temporary:
            result.to_csv(temporary, index=False)
    write_scaling(table, fits, out / "scaling.html", recipe.train.name)
    return table, fits
