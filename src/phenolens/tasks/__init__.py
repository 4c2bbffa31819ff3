"""Tasks: each scores profiles on one biological question and declares what it measures."""

from phenolens.tasks.arm_bias import ArmBias
from phenolens.tasks.base import BeforeAfter, Contract, LessData, Restricted, Task, WellTask
from phenolens.tasks.columns import numbers, required_column
from phenolens.tasks.complex_similarity import ComplexSimilarity
from phenolens.tasks.compound_gene import CompoundGene
from phenolens.tasks.consistency import PhenotypicConsistency
from phenolens.tasks.defaults import default_profilings, default_tasks
from phenolens.tasks.dose_response import DoseResponse
from phenolens.tasks.leakage import Leakage
from phenolens.tasks.moa_accuracy import MoaAccuracy
from phenolens.tasks.probe import Probe
from phenolens.tasks.registry import TASKS, AnyTask, make_task, refuse_repeated
from phenolens.tasks.regression_probe import RegressionProbe
from phenolens.tasks.relationship_recall import RelationshipRecall
from phenolens.tasks.replicate_retrieval import ReplicateRetrieval
from phenolens.tasks.sampling import at_most, draw_whole, sample_wells
from phenolens.tasks.score import Leak, Note, Score, clusters_of, notes_of, unit_table
from phenolens.tasks.split import Split, make_splits
from phenolens.tasks.strength import PerturbationStrength
from phenolens.tasks.wells import unseen_wells

__all__ = [
    "TASKS",
    "AnyTask",
    "ArmBias",
    "BeforeAfter",
    "ComplexSimilarity",
    "CompoundGene",
    "Contract",
    "DoseResponse",
    "Leak",
    "Leakage",
    "LessData",
    "MoaAccuracy",
    "Note",
    "PerturbationStrength",
    "PhenotypicConsistency",
    "Probe",
    "RegressionProbe",
    "RelationshipRecall",
    "ReplicateRetrieval",
    "Restricted",
    "Score",
    "Split",
    "Task",
    "WellTask",
    "at_most",
    "clusters_of",
    "default_profilings",
    "default_tasks",
    "draw_whole",
    "make_splits",
    "make_task",
    "notes_of",
    "numbers",
    "refuse_repeated",
    "required_column",
    "sample_wells",
    "unit_table",
    "unseen_wells",
]
