"""Biological questions, one each, with the contract that says what an answer is worth."""

from phenolens.tasks.base import Contract, Question, Score, Task, WellQuestion, numbers, required_column, unit_table
from phenolens.tasks.compound_gene import CompoundGene
from phenolens.tasks.consistency import PhenotypicConsistency
from phenolens.tasks.defaults import default_tasks
from phenolens.tasks.dose_response import DoseResponse
from phenolens.tasks.evaluate import Answer, Evaluation, Skipped, evaluate, profiles_for
from phenolens.tasks.leakage import Leakage
from phenolens.tasks.probe import Probe
from phenolens.tasks.registry import TASKS, AnyTask, make_task, refuse_repeated
from phenolens.tasks.regression_probe import RegressionProbe
from phenolens.tasks.relationship_recall import RelationshipRecall
from phenolens.tasks.replicate_retrieval import ReplicateRetrieval
from phenolens.tasks.rows import share_rows, shared_names
from phenolens.tasks.split import Split, make_splits
from phenolens.tasks.strength import PerturbationStrength
from phenolens.tasks.wells import unseen_wells

__all__ = [
    "TASKS",
    "Answer",
    "AnyTask",
    "CompoundGene",
    "Contract",
    "DoseResponse",
    "Evaluation",
    "Leakage",
    "PerturbationStrength",
    "PhenotypicConsistency",
    "Probe",
    "Question",
    "RegressionProbe",
    "RelationshipRecall",
    "ReplicateRetrieval",
    "Score",
    "Skipped",
    "Split",
    "Task",
    "WellQuestion",
    "default_tasks",
    "evaluate",
    "make_splits",
    "make_task",
    "numbers",
    "profiles_for",
    "refuse_repeated",
    "required_column",
    "share_rows",
    "shared_names",
    "unit_table",
    "unseen_wells",
]
