"""Studies from recipe to report: embed, profile, evaluate, diagnose, report; resumed where they were stopped."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from phenolens.core.errors import EncoderError, ManifestError, PhenolensError, RecipeError, did_you_mean
from phenolens.datasets import (
    NEGATIVE_CONTROL,
    Manifest,
    column_name,
    condition_names,
    read_cell_table,
    rows_without_images,
    treated,
)
from phenolens.embedding import (
    FILE,
    PROVENANCE,
    dataset_channels,
    embed,
    embed_to_folder,
    encoder_info,
    mark_controls,
    read_embeddings,
)
from phenolens.encoders import (
    EncoderName,
    Kind,
    Named,
    counterpart_of,
    create_encoder,
    default_panel,
    kind_of,
    quick_panel,
)
from phenolens.evaluation import (
    Evaluation,
    Skipped,
    confusion_records,
    evaluate,
    stratum_records,
    tabulate_scores,
    tabulate_units,
)
from phenolens.images import find_intervention
from phenolens.profiling import parse_profiling
from phenolens.recipes import NamedEncoder, Recipe

if TYPE_CHECKING:
    from anndata import AnnData

    from phenolens.diagnosis.evidence import Found
    from phenolens.report import Results

_VERSIONS = ("phenolens", "torch", "timm", "numpy", "scikit-learn", "scikit-image", "anndata")


@dataclass(frozen=True, eq=False)
class _Material:
    """The embeddings of a study and where they come from."""

    embeddings: Mapping[str, AnnData]
    dataset: dict[str, Any]
    panel_missing: list[dict[str, Any]]
    quarantine: Mapping[str, str] = field(default_factory=dict)
    examples: list[dict[str, str]] = field(default_factory=list)
    nuclei: list[dict[str, str]] = field(default_factory=list)
    device: str = "none"


def run(recipe: Recipe, out: str | Path, *, progress: bool = False) -> Results:
    """Run a study; write its embeddings, results and report.

    Embeddings of the same images, weights and settings that `out` already holds are reused.

    Parameters
    ----------
    recipe
        The recipe.
    out
        The folder for embeddings/, scores.parquet, units.parquet, comparisons.parquet, results.json, card.md and
        report.html.
    progress
        Whether to show on stderr how far it is.

    Raises
    ------
    PhenolensError
        If the recipe does not fit the data, or more sites than it allows could not be read; embeddings computed by then
        are kept.
    """
    # Checking a data set needs neither diagnosis nor report.
    from phenolens.diagnosis import diagnose
    from phenolens.report import Results, write_report
    from phenolens.workflows.further import FurtherEmbeddings

    out = Path(out)
    material = _read_tables(recipe) if recipe.dataset.tables else _embed_images(recipe, out, progress)
    evaluation = evaluate(
        material.embeddings,
        recipe.tasks,
        profilings=recipe.profiling,
        batch_by=None if recipe.batch_by is None else [column_name(column) for column in recipe.batch_by],
        seed=recipe.seed,
        key=None if recipe.dataset.key is None else column_name(recipe.dataset.key),
        progress=progress,
    )
    if not evaluation.scores:
        raise PhenolensError(f"no task could be scored; the first: {evaluation.skipped[0].reason}")
    changed = layers = None
    if recipe.interventions or recipe.sweep:
        further = FurtherEmbeddings(recipe, open_manifest(recipe), material.dataset["channels"], out, progress)
        changed = _asked_for(further.intervene(material.embeddings, evaluation)) if recipe.interventions else None
        layers = _asked_for(further.sweep(material.embeddings, evaluation)) if recipe.sweep else None
    card = diagnose(evaluation, interventions=changed, layers=layers, progress=progress)
    results = Results(
        name=recipe.name,
        dataset=material.dataset,
        encoders=_describe_encoders(material.embeddings, recipe),
        panel_missing=material.panel_missing,
        scores=tabulate_scores(evaluation),
        units=tabulate_units(evaluation),
        verdicts=card.verdicts,
        skipped=_with_what_was_asked(evaluation, recipe),
        quarantine=[{"site_id": key, "reason": reason} for key, reason in material.quarantine.items()],
        examples=material.examples,
        provenance={
            "versions": {package: version(package) for package in _VERSIONS},
            "recipe": recipe.as_yaml(),
            "seed": recipe.seed,
            "precision": recipe.embedding.precision,
            "device": material.device,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
        },
        parts=stratum_records(evaluation),
        confusions=confusion_records(evaluation),
        evidence=card.evidence,
        nuclei=material.nuclei,
    )
    results.save(out)
    write_report(out)
    return results


def _with_what_was_asked(evaluation: Evaluation, recipe: Recipe) -> list[Skipped]:
    """Return the scores that are missing, marked where the recipe asked for them.

    It asks every question of some encoder, and of those that it names. That a baseline of the panel cannot answer is no
    answer that is missing.
    """
    baselines = [EncoderName.parse(name).without_seed for name in recipe.baselines]
    named = {*(each.name for each in recipe.tested), *baselines, *recipe.dataset.tables}
    found = []
    for each in evaluation.skipped:
        is_named = evaluation.profiles.infos[each.encoder].name in named
        found.append(replace(each, asked_for=is_named or (each.task, each.profiling) not in evaluation.questions))
    return found


def _asked_for(found: Found) -> Found:
    """Mark what a part that the recipe names could not answer."""
    return replace(found, skipped=tuple(replace(each, asked_for=True) for each in found.skipped))


def check_tables(recipe: Recipe) -> pd.DataFrame:
    """Check the tables of a recipe; return the metadata of the largest.

    Raises
    ------
    PhenolensError
        If a file, a column or the negative controls are missing.
    """
    return max(_read_tables(recipe).embeddings.values(), key=len).obs


@dataclass(frozen=True, eq=False)
class ImagePlan:
    """What a study of images embeds.

    Attributes
    ----------
    channels
        The channels of the images.
    kind
        ``cells`` or ``tissue``.
    encoders, missing
        The encoders, with their seeds, and the baselines of the panel that are missing, with the reason.
    """

    channels: tuple[str, ...]
    kind: Kind
    encoders: list[Named]
    missing: list[dict[str, Any]]


def plan_images(recipe: Recipe, manifest: Manifest) -> ImagePlan:
    """Return what a recipe embeds of its manifest.

    Raises
    ------
    PhenolensError
        If an encoder, an intervention or a baseline to leave out does not exist, or does not fit the images.
    """
    channels = dataset_channels(manifest, recipe.dataset.channels)
    if recipe.interventions != "all":
        for intervention in recipe.interventions:
            find_intervention(intervention, channels)  # fails now, not after hours of work
    kind = recipe.dataset.kind or kind_of(manifest, channels)
    typed = manifest.cells is not None and bool(manifest.cells.type_names)
    names, missing = _choose_encoders(recipe, default_panel(kind, len(channels), typed=typed), channels, manifest)
    return ImagePlan(channels, kind, names, missing)


def _embed_images(recipe: Recipe, out: Path, progress: bool) -> _Material:
    from phenolens.report import write_examples, write_overlays, write_thumbnails

    manifest = open_manifest(recipe)
    plan = plan_images(recipe, manifest)
    channels = plan.channels
    embedded = embed_to_folder(
        manifest,
        plan.encoders,
        out / "embeddings",
        channels=channels,
        nuclei=recipe.nuclei,
        progress=progress,
        **dict(recipe.embedding),
    )
    description = {
        "manifest": str(manifest.source),
        "manifest_hash": manifest.fingerprint,
        "kind": plan.kind,
        "channels": list(channels),
        "n_cells": len(manifest.cells) if manifest.cells is not None else None,
        **_describe_rows(manifest.table, recipe),
    }
    if channels:
        write_thumbnails(manifest, channels, out)
    return _Material(
        embedded.embeddings,
        description,
        plan.missing,
        embedded.quarantine,
        write_examples(manifest, channels, out) if channels else [],
        write_overlays(manifest, channels, recipe.nuclei, out) if channels else [],
        str(next(iter(embedded.embeddings.values())).uns[PROVENANCE]["device"]),
    )


def _read_tables(recipe: Recipe) -> _Material:
    """Read existing vectors; from the panel, only baselines that need no images are added."""
    dataset = recipe.dataset
    needed = {column for task in recipe.tasks for column in task.columns} | set(recipe.batch_by or ())
    if dataset.key is not None:
        needed.add(dataset.key)
    embeddings = {}
    for name, table in dataset.tables.items():
        vectors = read_embeddings(
            table.file,
            columns=dataset.columns,
            values=dataset.values,
            features=table.features,
            metadata=sorted(needed),
            missing=table.missing,
            name=name,
        )
        if dataset.negative_controls:
            vectors.obs = mark_controls(vectors.obs, dataset.negative_controls, table.file)
        _check_questions(recipe, vectors.obs, str(table.file))
        embeddings[name] = vectors
    files = sorted({table.file for table in dataset.tables.values()})
    largest = max(embeddings.values(), key=len)
    manifest = rows_without_images(largest.obs, files[0])
    kind = dataset.kind or kind_of(manifest, ())
    panel = [name for name in default_panel(kind, 1) if name not in embeddings]
    names, missing = _choose_encoders(recipe, panel, (), manifest)
    if names:
        added = embed(manifest, names).embeddings
        for vectors in added.values():  # their rows are those of that table
            vectors.uns[PROVENANCE][FILE] = largest.uns[PROVENANCE][FILE]
        embeddings |= added
    description = {
        "manifest": ", ".join(map(str, files)),
        "manifest_hash": hashlib.sha256(b"".join(_digest(file) for file in files)).hexdigest()[:16],
        "kind": kind,
        "channels": [],
        **_describe_rows(largest.obs, recipe),
    }
    return _Material(embeddings, description, missing)


def _digest(file: Path) -> bytes:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").digest()


def open_manifest(recipe: Recipe) -> Manifest:
    """Return the manifest of a recipe, with its cells.

    Raises
    ------
    PhenolensError
        If it cannot be read, or lacks columns or controls that the recipe needs.
    """
    dataset = recipe.dataset
    section = dataset.cells
    cells = None
    if section is not None:
        cells = read_cell_table(section.file, columns=section.columns, morphology=section.morphology)
    manifest = dataset.open(cells)
    _check_questions(recipe, manifest.table, str(manifest.source))
    return manifest


def _check_questions(recipe: Recipe, table: pd.DataFrame, source: str) -> None:
    """Refuse a recipe that needs columns or controls that the data lack, before any work starts."""
    for task in recipe.tasks:
        for column in task.columns:
            if column not in table:
                raise ManifestError(
                    f"{source}: no column '{column}', which the task {task.id} needs"
                    f"{did_you_mean(column, table.columns)}"
                )
    needing = [each for each in recipe.profiling if any(step.on_controls for step in parse_profiling(each))]
    needing += [task.id for task in recipe.tasks if task.needs_controls]
    if needing and not ("role" in table and (table["role"] == NEGATIVE_CONTROL).any()):
        raise ManifestError(
            f"{source}: no row has role '{NEGATIVE_CONTROL}', which {' and '.join(needing)} need; "
            "fill in the column 'role', or leave them out of the recipe"
        )


def _choose_encoders(
    recipe: Recipe, panel: Sequence[str], channels: Sequence[str], manifest: Manifest
) -> tuple[list[Named], list[dict[str, Any]]]:
    """Return the encoders to run, with their seeds, and the baselines of the panel that are missing, with the reason.

    Raises
    ------
    RecipeError
        If a pattern of baselines to leave out matches none.
    """
    counterparts = [counterpart_of(EncoderName.parse(str(each.model)).without_seed) for each in recipe.tested]
    panel = list(dict.fromkeys([*panel, *filter(None, counterparts)]))
    for pattern in recipe.leave_out:
        if not any(fnmatchcase(name, pattern) for name in panel):
            raise RecipeError(
                f"{recipe.name}: leave_out: no baseline '{pattern}' in the panel{did_you_mean(pattern, panel)}"
            )
    chosen = [*recipe.tested, *(Named(EncoderName.parse(name).short, name) for name in recipe.baselines)]
    missing: list[dict[str, Any]] = []
    kept = panel if recipe.panel == "full" else [*quick_panel(panel), *filter(None, counterparts)]
    for name in panel:
        why = next((why for pattern, why in recipe.leave_out.items() if fnmatchcase(name, pattern)), None)
        if why is None and name not in kept:
            why = "the quick panel, for a first look, does without it"
        if why is not None:
            missing.append({"name": name, "reason": why, "by_recipe": True})
            continue
        try:
            create_encoder(name, channels, manifest=manifest)
            chosen.append(Named(EncoderName.parse(name).short, name))
        except EncoderError as error:
            missing.append({"name": name, "reason": str(error), "by_recipe": False})
    seeded = [
        replace(each, model=str(one))
        for each in chosen
        for one in EncoderName.parse(str(each.model)).seeds(recipe.seeds)
    ]
    return list({(each.name, each.model): each for each in seeded}.values()), missing


def _describe_rows(table: pd.DataFrame, recipe: Recipe) -> dict[str, Any]:
    groups = [column for task in recipe.tasks if not task.needs_controls for column in task.columns]
    conditions = condition_names(table)[treated(table)] if "perturbation" in table else None
    return {
        "n_sites": len(table),
        "n_wells": len(table.groupby(["plate", "well"], observed=True)) if {"plate", "well"} <= set(table) else None,
        "n_plates": table["plate"].nunique() if "plate" in table else None,
        "n_perturbations": None if conditions is None else conditions.nunique(),
        "n_negative_controls": int((table["role"] == NEGATIVE_CONTROL).sum()) if "role" in table else 0,
        "groups": {column: int(table[column].nunique()) for column in dict.fromkeys(groups)},
    }


def _describe_encoders(embeddings: Mapping[str, AnnData], recipe: Recipe) -> list[dict[str, Any]]:
    truths = {each.name: each.truth for each in recipe.encoders if isinstance(each, NamedEncoder)}
    described = []
    for name, vectors in embeddings.items():
        info, provenance = encoder_info(vectors, name), vectors.uns[PROVENANCE]
        described.append(
            {
                "id": name,
                "encoder": info.name,
                "baseline": info.is_baseline,
                "truth": truths.get(info.name, ""),
                "dim": vectors.n_vars,
                "weights_hash": str(provenance.get("weights_hash", "")),
                "sites_per_second": provenance.get("sites_per_second"),
            }
        )
    return described
