"""A study from recipe to report: embed, profile, ask, diagnose, write down; and go on where it stopped."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from anndata import AnnData

from phenolens.datasets import NEGATIVE_CONTROL, Manifest, condition_names, read_manifest, treated
from phenolens.diagnosis import compare_families, judge
from phenolens.embedding import PROVENANCE, dataset_channels, embed_to_folder
from phenolens.encoders import EncoderName, create_encoder, default_baselines, is_baseline
from phenolens.errors import EncoderError, ManifestError, PhenolensError, did_you_mean
from phenolens.recipe import Recipe
from phenolens.report import Results, write_examples, write_report
from phenolens.tasks import Skipped, evaluate

_VERSIONS = ("phenolens", "torch", "timm", "numpy", "scikit-learn", "scikit-image", "anndata")

_log = logging.getLogger(__name__)


def run(recipe: Recipe, out: str | Path, *, progress: bool = False) -> Results:
    """Run a study; write its embeddings, results and report.

    Embeddings that `out` already holds, of the same images, weights and settings, are used again.

    Parameters
    ----------
    recipe
        What to do.
    out
        The folder for embeddings/, scores.parquet, units.parquet, comparisons.parquet, results.json and
        report.html.
    progress
        Whether to draw progress bars on stderr.

    Raises
    ------
    PhenolensError
        If the recipe does not fit the data, or more sites than it allows could not be read; what has been
        embedded by then is kept.
    """
    out = Path(out)
    manifest = open_dataset(recipe)
    channels = dataset_channels(manifest, recipe.dataset.channels)
    names, skipped = _choose_encoders(recipe, channels)
    embedded = embed_to_folder(
        manifest,
        names,
        out / "embeddings",
        channels=channels,
        progress=progress,
        **dict(recipe.embedding),
    )
    _log.info("asking %d tasks of %d encoders", len(recipe.tasks), len(names))
    evaluation = evaluate(embedded.embeddings, recipe.tasks, profilings=recipe.profiling, seed=recipe.seed)
    if not evaluation.answers:
        raise PhenolensError(f"no task could be answered; the first: {evaluation.skipped[0].reason}")
    comparisons = compare_families(evaluation, seed=recipe.seed)
    panel = default_baselines(len(channels))
    present = {EncoderName.parse(name).family for name in names}
    results = Results(
        name=recipe.name,
        dataset=_describe_dataset(manifest, channels, recipe),
        encoders=_describe_encoders(embedded.embeddings),
        panel_missing=[name for name in panel if name not in present],
        scores=evaluation.scores(),
        units=evaluation.units(),
        comparisons=comparisons,
        verdicts=[asdict(verdict) for verdict in judge(evaluation, comparisons, seed=recipe.seed)],
        skipped=[asdict(item) for item in (*skipped, *evaluation.skipped)],
        quarantine=[{"site_id": key, "reason": reason} for key, reason in embedded.quarantine.items()],
        examples=write_examples(manifest, channels, out),
        provenance={
            "versions": {package: version(package) for package in _VERSIONS},
            "recipe": recipe.as_yaml(),
            "seed": recipe.seed,
            "precision": recipe.embedding.precision,
            "device": str(next(iter(embedded.embeddings.values())).uns[PROVENANCE]["device"]),
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
        },
    )
    results.save(out)
    write_report(out)
    return results


def open_dataset(recipe: Recipe) -> Manifest:
    """Read a recipe's manifest and check that it has what the recipe asks of it.

    Raises
    ------
    ManifestError
        If a column or the negative controls are missing.
    """
    dataset = recipe.dataset
    manifest = read_manifest(dataset.manifest, columns=dataset.columns, values=dataset.values, names=dataset.names)
    for task in recipe.tasks:
        for column in task.columns:
            if column not in manifest.table:
                raise ManifestError(
                    f"{manifest.source}: no column '{column}', which the task {task.id} needs"
                    f"{did_you_mean(column, manifest.table.columns)}"
                )
    needing: list[str] = [how for how in recipe.profiling if how != "raw"]
    needing += [task.id for task in recipe.tasks if task.needs_controls]
    if needing and not manifest.controls.any():
        raise ManifestError(
            f"{manifest.source}: no row has role '{NEGATIVE_CONTROL}', which {' and '.join(needing)} need; "
            "fill in the column 'role', or leave them out of the recipe"
        )
    return manifest


def _choose_encoders(recipe: Recipe, channels: Sequence[str]) -> tuple[list[str], list[Skipped]]:
    """Return the encoders to run, seeds spelt out, and the default baselines that these channels rule out."""
    asked = [*recipe.encoders, *(recipe.baselines or [])]
    skipped = []
    if recipe.baselines is None:
        for name in default_baselines(len(channels)):
            try:
                create_encoder(name, channels)
            except EncoderError as error:
                skipped.append(Skipped("all tasks", "all", name, str(error)))
            else:
                asked.append(name)
    seeded = [str(one) for name in asked for one in EncoderName.parse(name).seeds(recipe.seeds)]
    return list(dict.fromkeys(seeded)), skipped


def _describe_dataset(manifest: Manifest, channels: Sequence[str], recipe: Recipe) -> dict[str, Any]:
    table = manifest.table
    groups = [column for task in recipe.tasks if not task.needs_controls for column in task.columns]
    conditions = condition_names(table)[treated(table)] if "perturbation" in table else None
    return {
        "manifest": str(manifest.source),
        "manifest_hash": manifest.fingerprint,
        "n_sites": len(table),
        "n_wells": len(table.groupby(["plate", "well"])) if {"plate", "well"} <= set(table) else None,
        "n_plates": table["plate"].nunique() if "plate" in table else None,
        "channels": list(channels),
        "n_perturbations": None if conditions is None else conditions.nunique(),
        "n_negative_controls": int(manifest.controls.sum()),
        "groups": {column: int(table[column].nunique()) for column in dict.fromkeys(groups)},
    }


def _describe_encoders(embeddings: Mapping[str, AnnData]) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "family": EncoderName.parse(name).family,
            "baseline": is_baseline(name),
            "dim": vectors.n_vars,
            "weights_hash": str(vectors.uns[PROVENANCE]["weights_hash"]),
            "sites_per_second": float(vectors.uns[PROVENANCE]["sites_per_second"]),
        }
        for name, vectors in embeddings.items()
    ]
