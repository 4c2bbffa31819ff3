"""A scaling study from recipe to figure: train every run, score all encoders, fit a line."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from phenolens.core.errors import RecipeError, TaskNotApplicable
from phenolens.core.files import replaced_whole
from phenolens.diagnosis.scaling import RunScore, ScalingFit, fit_scaling
from phenolens.embedding import dataset_channels, embed_to_folder
from phenolens.encoders import EncoderName, Named, counterpart_of
from phenolens.evaluation import Evaluation, evaluate
from phenolens.recipes import ScalingRecipe, TrainingRecipe
from phenolens.report import write_scaling
from phenolens.training import Estimate
from phenolens.workflows.training import estimate_run, run_training

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ScalingResult:
    """What a scaling study found.

    Attributes
    ----------
    scores
        Of every run in every question.
    fits
        The line of each question.
    """

    scores: list[RunScore]
    fits: list[ScalingFit]


@dataclass(frozen=True)
class _Run:
    """A run of training, and what it takes."""

    recipe: TrainingRecipe
    size: Estimate

    @property
    def flops(self) -> float:
        return self.size.flops_per_step * self.recipe.run.steps


def run_scaling(recipe: ScalingRecipe, out: Path, *, progress: bool = False) -> ScalingResult:
    """Train every run of a recipe, score it and its untrained counterpart, fit a line; goes on where it stopped.

    Parameters
    ----------
    recipe
        What to train, and what to vary.
    out
        The folder: ``runs/NAME`` for each run, ``embeddings``, ``scores.csv``, ``fits.csv``, ``scaling.html``.
    progress
        Whether to draw progress bars.

    Raises
    ------
    PhenolensError
        As `train`, `embed_to_folder` and `evaluate` do, if the runs do not differ in operations, or if no question can
        be evaluated for all of them.
    """
    section = recipe.train.diagnose
    assert section is not None  # noqa: S101 - the recipe refuses to be without
    recipes = recipe.runs()
    first = next(iter(recipes.values()))
    channels = dataset_channels(first.dataset.open(), first.dataset.channels)
    runs = {name: _plan(run, len(channels)) for name, run in recipes.items()}
    if len({run.flops for run in runs.values()}) < 2:
        raise RecipeError("vary: all runs take the same number of operations; vary steps, batch size or the network")
    encoders: list[Named] = []
    untrained: list[str] = []
    for name, run in runs.items():
        _log.info("run %s: %.2g operations", name, run.flops)
        model = f"checkpoint:{run_training(run.recipe, out / 'runs' / name, progress=progress)}"
        encoders.append(Named(name, model))
        counterpart = EncoderName.parse(counterpart_of(model))
        untrained += map(str, counterpart.seeds(recipe.twin_seeds))
    embedded = embed_to_folder(
        section.dataset.open(),
        [*encoders, *untrained],
        out / "embeddings",
        channels=channels,
        crop=section.crop,
        progress=progress,
    )
    seed = recipe.train.seed
    evaluation = evaluate(
        embedded.embeddings, section.tasks, profilings=section.profiling, seed=seed, progress=progress
    )
    fits = fit_scaling(evaluation, {name: run.flops for name, run in runs.items()}, seed=seed)
    if not fits:
        reason = evaluation.skipped[0].reason if evaluation.skipped else "the runs have fewer than 2 units in common"
        raise TaskNotApplicable(f"no line can be fitted: {reason}")
    result = ScalingResult(_scores_of_runs(runs, evaluation), fits)
    _write_table(pd.DataFrame(result.scores), out / "scores.csv")
    _write_table(pd.DataFrame([fit.as_row() for fit in fits]), out / "fits.csv")
    write_scaling(result.scores, fits, out / "scaling.html", recipe.train.name)
    return result


def _plan(recipe: TrainingRecipe, channels: int) -> _Run:
    return _Run(recipe, estimate_run(recipe, channels, devices=1, teraflops=1.0, utilisation=1.0))


def _scores_of_runs(runs: Mapping[str, _Run], evaluation: Evaluation) -> list[RunScore]:
    """Return the scores of every run, beside the mean of its untrained counterpart over seeds."""
    scores: list[RunScore] = []
    for name, run in runs.items():
        for each in evaluation.scores:
            if each.info.id != name:
                continue
            question = evaluation.questions[each.task.id, each.profiling]
            is_scored = each.info.counterpart in question.by_encoder
            scores.append(
                RunScore(
                    run=name,
                    flops=run.flops,
                    parameters=run.size.encoder_parameters,
                    images=run.size.images,
                    task=each.task.id,
                    profiling=each.profiling,
                    metric=each.score.metric,
                    value=each.estimate.value,
                    low=each.estimate.low,
                    high=each.estimate.high,
                    chance=each.score.chance,
                    n_units=each.estimate.n_units,
                    untrained=question.mean_of(each.info.counterpart).value if is_scored else float("nan"),
                )
            )
    return scores


def _write_table(table: pd.DataFrame, path: Path) -> None:
    with replaced_whole(path) as temporary:
        table.to_csv(temporary, index=False)
