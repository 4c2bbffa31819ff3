"""Phenolens tells what a microscopy model has actually learned.

The public API in a handful of calls::

    import phenolens as pl

    manifest = pl.read_manifest("manifest.csv")
    embedded = pl.embed(manifest, ["cell-count", "untrained/resnet18"])
    evaluation = pl.evaluate(embedded.embeddings, [pl.make_task("replicate-retrieval")])
    for verdict in pl.diagnose(evaluation).verdicts:
        print(verdict.claim)
"""

from typing import TYPE_CHECKING

from phenolens import plot as plot
from phenolens.core.lazy import import_lazily

if TYPE_CHECKING:
    from phenolens.core.errors import PhenolensError
    from phenolens.datasets import Manifest, read_cell_table, read_manifest
    from phenolens.diagnosis import Card, Verdict, diagnose
    from phenolens.diagnosis.callback import LightningDiagnosis
    from phenolens.diagnosis.trainer_callback import TrainerDiagnosis
    from phenolens.diagnosis.while_training import TrainingDiagnosis
    from phenolens.embedding import Embedded, embed, read_embeddings, write_embeddings
    from phenolens.encoders import Encoder, allow_code, create_encoder, list_encoders
    from phenolens.encoders.own import encoder
    from phenolens.evaluation import evaluate
    from phenolens.images import Crop, Site, read_site
    from phenolens.profiling import TVN, PCACentreScale, Sphering, aggregate, parse_profiling, profile
    from phenolens.recipes import Recipe, read_recipe
    from phenolens.report import Results, write_report
    from phenolens.simulation import simulate_cells, simulate_tissue
    from phenolens.tasks import Score, make_task
    from phenolens.training import train
    from phenolens.workflows.study import run

__all__ = [
    "TVN",
    "Card",
    "Crop",
    "Embedded",
    "Encoder",
    "LightningDiagnosis",
    "Manifest",
    "PCACentreScale",
    "PhenolensError",
    "Recipe",
    "Results",
    "Score",
    "Site",
    "Sphering",
    "TrainerDiagnosis",
    "TrainingDiagnosis",
    "Verdict",
    "aggregate",
    "allow_code",
    "create_encoder",
    "diagnose",
    "embed",
    "encoder",
    "evaluate",
    "list_encoders",
    "make_task",
    "parse_profiling",
    "profile",
    "read_cell_table",
    "read_embeddings",
    "read_manifest",
    "read_recipe",
    "read_site",
    "run",
    "simulate_cells",
    "simulate_tissue",
    "train",
    "write_embeddings",
    "write_report",
]

import_lazily(
    __name__,
    {
        "datasets": ("Manifest", "read_cell_table", "read_manifest"),
        "simulation": ("simulate_cells", "simulate_tissue"),
        "diagnosis": ("Card", "Verdict", "diagnose"),
        "diagnosis.callback": ("LightningDiagnosis",),
        "diagnosis.trainer_callback": ("TrainerDiagnosis",),
        "diagnosis.while_training": ("TrainingDiagnosis",),
        "embedding": ("Embedded", "embed", "read_embeddings", "write_embeddings"),
        "encoders": ("Encoder", "allow_code", "create_encoder", "list_encoders"),
        "encoders.own": ("encoder",),
        "core.errors": ("PhenolensError",),
        "evaluation": ("evaluate",),
        "images": ("Crop", "Site", "read_site"),
        "profiling": ("TVN", "PCACentreScale", "Sphering", "aggregate", "parse_profiling", "profile"),
        "recipes": ("Recipe", "read_recipe"),
        "report": ("Results", "write_report"),
        "workflows.study": ("run",),
        "tasks": ("Score", "make_task"),
        "training": ("train",),
    },
)
