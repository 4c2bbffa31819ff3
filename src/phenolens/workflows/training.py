"""Training runs from recipe to checkpoint."""

from pathlib import Path

from phenolens.diagnosis.callback import DiagnoseWhileTraining
from phenolens.embedding import dataset_channels
from phenolens.recipes import TrainingRecipe
from phenolens.training import Estimate, estimate, train


def run_training(recipe: TrainingRecipe, out: Path, *, progress: bool = False) -> Path:
    """Train a network, diagnose it during training if the recipe says so, and return the checkpoint.

    Parameters
    ----------
    recipe
        The recipe.
    out
        As in `train`.
    progress
        Whether to draw a progress bar.

    Raises
    ------
    PhenolensError
        As in `train`.
    """
    manifest = recipe.dataset.open()
    channels = dataset_channels(manifest, recipe.dataset.channels)
    callbacks = []
    if recipe.diagnose is not None:
        section = recipe.diagnose
        callbacks.append(
            DiagnoseWhileTraining(
                out,
                section.dataset.open(),
                channels,
                section.tasks,
                section.every,
                crop=section.crop,
                profilings=section.profiling,
            )
        )
    return train(
        manifest,
        channels,
        recipe.model,
        out,
        data=recipe.data,
        optimiser=recipe.optimiser,
        run=recipe.run,
        seed=recipe.seed,
        recipe=recipe.as_yaml(),
        licence=recipe.licence,
        callbacks=callbacks,
        progress=progress,
    )


def estimate_run(
    recipe: TrainingRecipe, channels: int, *, devices: int, teraflops: float, utilisation: float
) -> Estimate:
    """Estimate the cost of a training run without reading its images.

    Parameters
    ----------
    recipe
        The recipe.
    channels
        The number of channels, if the recipe does not name them.
    devices, teraflops, utilisation
        As in `estimate`.

    Raises
    ------
    TrainingError
        If the network cannot be built, or the crop does not fit it.
    """
    named = recipe.dataset.channels
    return estimate(
        recipe.model,
        len(named) if named else channels,
        data=recipe.data,
        optimiser=recipe.optimiser,
        run=recipe.run,
        devices=devices,
        teraflops=teraflops,
        utilisation=utilisation,
    )
