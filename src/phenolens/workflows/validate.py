"""Validation of recipes with their data, and of manifests, before any work starts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from phenolens.core.errors import TaskNotApplicable
from phenolens.datasets import Manifest, read_manifest
from phenolens.embedding import check_storable

if TYPE_CHECKING:
    import pandas as pd

    from phenolens.tasks import Task


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
        Which questions cannot be answered or are answered otherwise than asked, as far as metadata show.
    """

    kind: Literal["study", "training", "scaling", "manifest"]
    source: str
    n_sites: int
    warnings: tuple[str, ...] = ()


def validate(path: Path) -> Validated:
    """Check a recipe and the images or tables that it names, or a manifest and its images.

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
    from phenolens.workflows.study import check_dataset

    recipe = load_recipe(path)
    if isinstance(recipe, Recipe):
        checked = check_dataset(recipe)
        return Validated("study", checked.source, len(checked.rows), foresee(recipe.tasks, checked.rows))
    training = recipe.train if isinstance(recipe, ScalingRecipe) else recipe
    warnings: tuple[str, ...] = ()
    if training.diagnose is not None:
        asked = training.diagnose.dataset.open()
        asked.check_files()
        warnings = foresee(training.diagnose.tasks, asked.table)
    return _checked("training" if training is recipe else "scaling", training.dataset.open(), warnings)


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
        except TaskNotApplicable as error:
            warnings.append(f"cannot be answered: {error}")
    return tuple(warnings)


def _wells(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the metadata of wells, if rows name theirs; a column that differs within any well is left out."""
    if not {"plate", "well"} <= set(rows) or rows[["plate", "well"]].isna().any(axis=None):
        return rows
    by_well = rows.groupby(["plate", "well"], sort=False, observed=True)
    constant = [column for column in rows if (by_well[column].nunique(dropna=False) <= 1).all()]
    wells = by_well[constant].first()
    return wells.reset_index(drop=True).set_axis([f"{plate}_{well}" for plate, well in wells.index])


def _checked(
    kind: Literal["training", "scaling", "manifest"], manifest: Manifest, warnings: tuple[str, ...] = ()
) -> Validated:
    manifest.check_files()
    return Validated(kind, str(manifest.source), len(manifest), warnings)
