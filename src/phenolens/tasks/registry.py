"""Tasks by name."""

from typing import Annotated

from pydantic import Field, ValidationError

from phenolens.errors import PhenolensError, did_you_mean
from phenolens.tasks.probe import Probe
from phenolens.tasks.replicate_retrieval import ReplicateRetrieval

AnyTask = Annotated[ReplicateRetrieval | Probe, Field(discriminator="task")]

TASKS: dict[str, type[ReplicateRetrieval] | type[Probe]] = {
    "replicate-retrieval": ReplicateRetrieval,
    "linear-probe": Probe,
    "knn-probe": Probe,
}


def make_task(task: str, **options: object) -> ReplicateRetrieval | Probe:
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
