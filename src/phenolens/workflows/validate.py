"""Validation of recipes with their data, and of manifests, before any work starts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from phenolens.core.errors import ProfilingError, TaskNotApplicable
from phenolens.datasets import Manifest, read_manifest
from phenolens.embedding import check_storable
from phenolens.profiling import aggregate

if TYPE_CHECKING:
    import pandas as pd

    from phenolens.recipes import Recipe
    from phenolens.tasks import Task


@dataclass(frozen=True)
class Cost:
    """What embedding is expected to take.

    Attributes
    ----------
    seconds, gib
        Time and memory of this process, from a few sites that were tried.
    n_encoders, device
        How many encoders, and where networks run.
    """

    seconds: float
    gib: float
    n_encoders: int
    device: str


@dataclass(frozen=True)
class Validated:
    """The result of a successful validation.

    Attributes
    ----------
    kind
        The kind of file.
    source
        The manifest, or the tables.
    n_sites
        The number of sites or rows.
    warnings
        What cannot be answered or read, or is done otherwise than asked, as far as metadata and a few sites show.
    cost
        What embedding is expected to take; None where nothing is embedded.
    """

    kind: Literal["study", "training", "scaling", "manifest"]
    source: str
    n_sites: int
    warnings: tuple[str, ...] = ()
    cost: Cost | None = None


def validate(path: Path) -> Validated:
    """Check a recipe and the images or tables that it names, or a manifest and its images.

    Of a study of images, a few sites are embedded with all its encoders.

    Raises
    ------
    PhenolensError
        If any of them is invalid; the message names the culprit.
    """
    if path.suffix not in (".yaml", ".yml"):
        manifest = read_manifest(path)
        check_storable(manifest)
        return _checked("manifest", manifest)
    from phenolens.recipes import Recipe, ScalingRecipe, load_recipe
    from phenolens.workflows.study import check_tables

    recipe = load_recipe(path)
    if isinstance(recipe, Recipe):
        if not recipe.dataset.tables:
            return _tried(recipe)
        rows = check_tables(recipe)
        return Validated("study", ", ".join(recipe.dataset.tables), len(rows), foresee(recipe.tasks, rows))
    training = recipe.train if isinstance(recipe, ScalingRecipe) else recipe
    warnings: tuple[str, ...] = ()
    if training.diagnose is not None:
        asked = training.diagnose.dataset.open()
        asked.check_files()
        warnings = foresee(training.diagnose.tasks, asked.table)
    return _checked("training" if training is recipe else "scaling", training.dataset.open(), warnings)


def _tried(recipe: Recipe) -> Validated:
    """Return what a few sites of a study of images show."""
    from phenolens.embedding import default_workers, make_encoders, resolve_device, try_few_sites
    from phenolens.encoders import Measurement, RowEncoder
    from phenolens.workflows.study import open_manifest, plan_images

    manifest, settings = open_manifest(recipe), recipe.embedding
    manifest.check_files()
    check_storable(manifest)
    plan = plan_images(recipe, manifest)
    device = resolve_device(settings.device)
    made = make_encoders(plan.encoders, plan.channels, manifest=manifest, device=device, precision=settings.precision)
    trial = try_few_sites(
        manifest,
        made,
        channels=plan.channels,
        crop=settings.crop,
        batch_size=settings.batch_size,
        device=device,
        precision=settings.precision,
        nuclei=recipe.nuclei,
    )
    warnings = [f"of {trial.n_sites} sites that were tried, {site}: {reason}" for site, reason in trial.failed.items()]
    warnings += [f"{each['name']} cannot be run: {each['reason']}" for each in plan.missing if not each["by_recipe"]]
    # Networks run in one process; measurements are shared by all that read images.
    seen = [each.encoder for each in made if not isinstance(each.encoder, RowEncoder)]
    asked = default_workers(networks=False) if settings.workers is None else settings.workers
    workers = max(1, asked) if all(isinstance(each, Measurement) for each in seen) else 1
    n_sites = len(manifest)
    cost = Cost(trial.seconds_per_site * n_sites / workers, trial.bytes_held / 2**30, len(made), device)
    warnings += foresee(recipe.tasks, manifest.table)
    return Validated("study", str(manifest.source), n_sites, tuple(warnings), cost)


def foresee(tasks: Sequence[Task], rows: pd.DataFrame) -> tuple[str, ...]:
    """Return which questions cannot be answered or are answered otherwise than asked, as far as metadata show.

    Parameters
    ----------
    tasks
        The questions.
    rows
        Metadata of sites.
    """
    warnings = []
    for task in tasks:
        try:
            obs = _wells(rows) if task.aggregation == "well" else rows
            warnings += [f"{task.id}: {text}" for text in task.foresee(obs)]
        except (ProfilingError, TaskNotApplicable) as error:
            warnings.append(f"cannot be answered: {error}")
    return tuple(warnings)


def _wells(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the metadata of wells, if rows name theirs; a column that differs within any well is left out."""
    if not {"plate", "well"} <= set(rows):
        return rows
    from anndata import AnnData

    return aggregate(AnnData(np.zeros((len(rows), 0), np.float32), obs=rows), ["plate", "well"]).obs


def _checked(
    kind: Literal["training", "scaling", "manifest"], manifest: Manifest, warnings: tuple[str, ...] = ()
) -> Validated:
    manifest.check_files()
    return Validated(kind, str(manifest.source), len(manifest), warnings)
