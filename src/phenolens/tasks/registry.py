"""Tasks by name."""

from collections import Counter
from collections.abc import Sequence
from typing import Annotated

from pydantic import Field, ValidationError

from phenolens.core.errors import PhenolensError, did_you_mean
from phenolens.tasks.base import Task
from phenolens.tasks.compound_gene import CompoundGene
from phenolens.tasks.consistency import PhenotypicConsistency
from phenolens.tasks.dose_response import DoseResponse
from phenolens.tasks.leakage import Leakage
from phenolens.tasks.probe import Probe
from phenolens.tasks.regression_probe import RegressionProbe
from phenolens.tasks.relationship_recall import RelationshipRecall
from phenolens.tasks.replicate_retrieval import ReplicateRetrieval
from phenolens.tasks.strength import PerturbationStrength

_Known = (
    ReplicateRetrieval
    | PhenotypicConsistency
    | RelationshipRecall
    | PerturbationStrength
    | CompoundGene
    | DoseResponse
    | Probe
    | RegressionProbe
    | Leakage
)
AnyTask = Annotated[_Known, Field(discriminator="task")]

TASKS: dict[str, type[_Known]] = {
    "replicate-retrieval": ReplicateRetrieval,
    "phenotypic-consistency": PhenotypicConsistency,
    "relationship-recall": RelationshipRecall,
    "perturbation-strength": PerturbationStrength,
    "compound-gene": CompoundGene,
    "dose-response": DoseResponse,
    "linear-probe": Probe,
    "ridge-probe": Probe,
    "knn-probe": Probe,
    "regression-probe": RegressionProbe,
    "leakage": Leakage,
}


def refuse_repeated(tasks: Sequence[Task]) -> None:
    """Refuse tasks of one name: nobody could tell their answers apart.

    Raises
    ------
    PhenolensError
        If two have the same `id`.
    """
    for name, times in Counter(task.id for task in tasks).items():
        if times > 1:
            raise PhenolensError(
                f"{times} tasks are called '{name}': ask those that differ only in what no name tells in studies apart"
            )


def make_task(task: str, **options: object) -> _Known:
    """Return the task of that name with its options.

    Raises
    ------
    PhenolensError
        If there is no such task, or an option is unknown, missing or of the wrong kind.

    Examples
    --------
    >>> make_task("linear-probe", label="phenotype", group="movie").id
    'linear-probe:phenotype|grouped by movie'
    """
    if task not in TASKS:
        raise PhenolensError(f"no task '{task}'{did_you_mean(task, TASKS)}")
    try:
        return TASKS[task].model_validate({"task": task, **options})
    except ValidationError as error:
        first = error.errors()[0]
        raise PhenolensError(f"{task}: option '{first['loc'][0]}': {first['msg'].lower()}") from error
