"""Validation of recipes with their data, and of manifests, before any work starts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from phenolens.core.errors import EmbeddingError, ProfilingError, TaskNotApplicable
from phenolens.datasets import Manifest, read_manifest, unfit_sites
from phenolens.embedding import MOST_FAILED, check_storable
from phenolens.profiling import aggregate

if TYPE_CHECKING:
    import pandas as pd

    from phenolens.recipes import Recipe, TrainingRecipe
    from phenolens.recipes.study import ImagesSection
    from phenolens.tasks import Task

_MOST_NAMED = 3


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


def validate(path: Path, *, progress: bool = False) -> Validated:
    """Check a recipe and the images or tables that it names, or a manifest and its images.

    The headers of all images are read; of a study of images, a few sites are embedded with all its encoders.

    Parameters
    ----------
    path
        A recipe of any kind, or a manifest.
    progress
        Whether to draw a progress bar on stderr.

    Raises
    ------
    PhenolensError
        If any of them is invalid; the message names the culprit.
    """
    if path.suffix not in (".yaml", ".yml"):
        manifest = read_manifest(path)
        check_storable(manifest)
        manifest.check_files()
        return _checked("manifest", manifest, _check_headers(manifest, None, MOST_FAILED, progress=progress))
    from phenolens.recipes import Recipe, ScalingRecipe, load_recipe
    from phenolens.workflows.study import check_tables

    recipe = load_recipe(path)
    if isinstance(recipe, Recipe):
        if not recipe.dataset.tables:
            return _tried(recipe, progress)
        rows = check_tables(recipe)
        return Validated("study", ", ".join(recipe.dataset.tables), len(rows), foresee(recipe.tasks, rows))
    if isinstance(recipe, ScalingRecipe):
        return _trained("scaling", recipe.train, [*recipe.runs().values()], progress)
    return _trained("training", recipe, [recipe], progress)


def _trained(
    kind: Literal["training", "scaling"], recipe: TrainingRecipe, runs: Sequence[TrainingRecipe], progress: bool
) -> Validated:
    """Return what the headers of all images of training runs show, and of those that they are diagnosed on."""
    from phenolens.training import MOST_FAILED as MOST_LEFT_OUT

    warnings: list[str] = []
    if recipe.diagnose is not None:
        section = recipe.diagnose
        asked = section.dataset.open()
        asked.check_files()
        warnings += _check_headers(asked, section.crop.size, MOST_FAILED, progress=progress)
        warnings += foresee(section.tasks, asked.table)
    manifest = recipe.dataset.open()
    manifest.check_files()
    for dataset in _distinct(run.dataset for run in runs):
        images = dataset.open().without_masks()
        images.check_files()
        crop = max(run.data.crop for run in runs if run.dataset == dataset)
        warnings += _check_headers(images, crop, MOST_LEFT_OUT, progress=progress)
    return _checked(kind, manifest, warnings)


def _distinct(datasets: Iterable[ImagesSection]) -> list[ImagesSection]:
    found: list[ImagesSection] = []
    for dataset in datasets:
        if dataset not in found:
            found.append(dataset)
    return found


def _check_headers(manifest: Manifest, crop: int | None, most_failed: float, *, progress: bool) -> list[str]:
    """Return a warning of the sites that will be left out, as far as headers show.

    Raises
    ------
    EmbeddingError
        If these are more than allowed.
    """
    unfit = unfit_sites(manifest, crop, progress=progress)
    if not unfit:
        return []
    first = "; ".join([*unfit.values()][:_MOST_NAMED])
    more = f"; and {len(unfit) - _MOST_NAMED} more" if len(unfit) > _MOST_NAMED else ""
    found = f"{len(unfit)} of {len(manifest)} sites cannot be used: {first}{more}"
    if len(unfit) > most_failed * len(manifest):
        raise EmbeddingError(f"{manifest.source}: {found}")
    return [f"{found}; they will be left out"]


def _tried(recipe: Recipe, progress: bool) -> Validated:
    """Return what a few sites of a study of images show."""
    from phenolens.embedding import default_workers, make_encoders, resolve_device, try_few_sites
    from phenolens.encoders import Measurement, RowEncoder
    from phenolens.workflows.study import open_manifest, plan_images

    manifest, settings = open_manifest(recipe), recipe.embedding
    manifest.check_files()
    check_storable(manifest)
    plan = plan_images(recipe, manifest)
    unfit = _check_headers(manifest, settings.crop.size, settings.max_failed, progress=progress)
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
    warnings = [
        *unfit,
        *(f"of {trial.n_sites} sites that were tried, {site}: {reason}" for site, reason in trial.failed.items()),
    ]
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
    kind: Literal["training", "scaling", "manifest"], manifest: Manifest, warnings: Sequence[str]
) -> Validated:
    return Validated(kind, str(manifest.source), len(manifest), tuple(warnings))
