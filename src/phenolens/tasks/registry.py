"""Tasks by name: built-in ones and those of installed packages."""

from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.metadata import EntryPoint
from typing import Annotated, Any, get_args

from pydantic import PlainValidator, SerializeAsAny, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from phenolens.core.errors import PhenolensError, did_you_mean
from phenolens.core.plugins import Registry
from phenolens.core.renamed import current_options
from phenolens.tasks.arm_bias import ArmBias
from phenolens.tasks.base import Task
from phenolens.tasks.complex_similarity import ComplexSimilarity
from phenolens.tasks.compound_gene import CompoundGene
from phenolens.tasks.consistency import PhenotypicConsistency
from phenolens.tasks.dose_response import DoseResponse
from phenolens.tasks.moa_accuracy import MoaAccuracy
from phenolens.tasks.probe import Probe
from phenolens.tasks.regression_probe import RegressionProbe
from phenolens.tasks.relationship_recall import RelationshipRecall
from phenolens.tasks.replicate_retrieval import ReplicateRetrieval
from phenolens.tasks.strength import PerturbationStrength

_BUILT_IN: dict[str, type[Task]] = {
    "replicate-retrieval": ReplicateRetrieval,
    "phenotypic-consistency": PhenotypicConsistency,
    "moa-accuracy": MoaAccuracy,
    "relationship-recall": RelationshipRecall,
    "complex-similarity": ComplexSimilarity,
    "arm-bias": ArmBias,
    "perturbation-strength": PerturbationStrength,
    "compound-gene": CompoundGene,
    "dose-response": DoseResponse,
    "linear-probe": Probe,
    "ridge-probe": Probe,
    "knn-probe": Probe,
    "regression-probe": RegressionProbe,
}


def _accept(point: EntryPoint, loaded: Any) -> type[Task]:
    """Return the task class that a package registers, if it is a task of that name."""
    if not (isinstance(loaded, type) and issubclass(loaded, Task)):
        raise TypeError(f"{point.value} is not a subclass of phenolens.tasks.Task")
    if "task" not in loaded.model_fields or point.name not in get_args(loaded.model_fields["task"].annotation):
        raise TypeError(f'{point.value} has no field task: Literal["{point.name}"]')
    for needed in ("contract", "id", "columns", "aggregation", "score"):
        if not hasattr(loaded, needed):
            raise TypeError(f"{point.value} has no '{needed}', which every task has")
    return loaded


TASKS: Registry[type[Task]] = Registry("task", "phenolens.tasks", _BUILT_IN, _accept)


def _validate(content: Any) -> Task:
    """Return the task that an entry of a recipe describes.

    Errors name the entry as errors of a pydantic union of all tasks do: ``tasks.0.linear-probe.label``.
    """
    if isinstance(content, Task):
        return content
    if not isinstance(content, Mapping) or "task" not in content:
        raise PydanticCustomError("no_task", "a task is a mapping whose entry 'task' names it")
    name = str(content["task"])
    if name not in TASKS:
        hint = did_you_mean(name, TASKS)
        raise PydanticCustomError("unknown_task", "{reason}", {"reason": f"no task '{name}'{hint}"})
    try:
        return TASKS[name].model_validate(current_options(name, content))
    except PhenolensError as error:
        raise PydanticCustomError("broken_task", "{reason}", {"reason": str(error)}) from error
    except ValidationError as error:
        raise ValidationError.from_exception_data(name, [_within(name, item) for item in error.errors()]) from error


def _within(name: str, item: Any) -> InitErrorDetails:
    """Return an error in a task's options as an error in a recipe, located under the name of the task."""
    if item["type"] == "extra_forbidden":
        nearest = did_you_mean(str(item["loc"][-1]), TASKS[name].model_fields)
        reason = PydanticCustomError("missing", "{reason}", {"reason": f"no such option{nearest}"})
    else:
        reason = PydanticCustomError(item["type"], "{reason}", {"reason": item["msg"]})
    return InitErrorDetails(type=reason, loc=(name, *item["loc"]), input=item["input"])


AnyTask = Annotated[SerializeAsAny[Task], PlainValidator(_validate)]


def refuse_repeated(tasks: Sequence[Task]) -> None:
    """Refuse tasks with the same name, whose scores could not be distinguished.

    Raises
    ------
    PhenolensError
        If two have the same `id`.
    """
    for name, times in Counter(task.id for task in tasks).items():
        if times > 1:
            raise PhenolensError(
                f"{times} tasks are called '{name}', since they differ only in options that are not part of the name; "
                "run them in separate studies"
            )


def make_task(task: str, **options: object) -> Task:
    """Return the task of a name, with options.

    Raises
    ------
    PhenolensError
        If there is no such task, or an option is unknown, missing or of the wrong type.

    Examples
    --------
    >>> make_task("linear-probe", label="phenotype", group="movie").id
    'linear-probe:phenotype|grouped by movie'
    """
    kind = TASKS.find(task)
    try:
        return kind.model_validate({"task": task, **current_options(task, options)})
    except ValidationError as error:
        first = error.errors()[0]
        raise PhenolensError(f"{task}: option '{first['loc'][0]}': {first['msg'].lower()}") from error
