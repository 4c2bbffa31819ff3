"""Biological questions, one each, with the contract that says what an answer is worth."""

from phenolens.tasks.base import Contract, Score, Task
from phenolens.tasks.evaluate import Answer, Evaluation, Skipped, evaluate
from phenolens.tasks.probe import Probe
from phenolens.tasks.registry import TASKS, AnyTask, make_task
from phenolens.tasks.replicate_retrieval import ReplicateRetrieval
from phenolens.tasks.split import Split, make_splits

__all__ = [
    "TASKS",
    "Answer",
    "AnyTask",
    "Contract",
    "Evaluation",
    "Probe",
    "ReplicateRetrieval",
    "Score",
    "Skipped",
    "Split",
    "Task",
    "evaluate",
    "make_splits",
    "make_task",
]
