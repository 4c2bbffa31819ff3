"""Lists of encoders, data sets, tasks, profilers, segmentations and options of tasks."""

import inspect
import re
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin

from phenolens.core.errors import ManifestError, PhenolensError

if TYPE_CHECKING:
    from phenolens.tasks import Task

_RAW = "mean of the sites of each well, without any profiler"


def catalogue(what: Literal["encoders", "datasets", "tasks", "profilers", "segmentations"]) -> dict[str, str]:
    """Return name -> one line of description; only what is listed is imported."""
    if what == "encoders":
        from phenolens.encoders import ENCODERS

        return {
            f"{name}..." if name.endswith(("/", ":")) else name: line
            for name, line in ENCODERS.describe(lambda entry: entry.summary + " (baseline)" * entry.is_baseline).items()
        }
    if what == "tasks":
        from phenolens.tasks import TASKS

        return TASKS.describe(lambda task: task.contract.question)
    if what == "datasets":
        from phenolens.datasets import DATASETS

        return {line: summary for name in DATASETS for line, summary in _presets(name).items()}
    if what == "segmentations":
        from phenolens.images import segmentations

        return segmentations.describe(_first_line)
    from phenolens.profiling import PROFILERS, RAW

    return {RAW: _RAW, **PROFILERS.describe(_first_line)}


def _presets(name: str) -> dict[str, str]:
    """Return each preset of a data set with a line on it; the data set itself if it has no presets."""
    from phenolens.datasets import DATASETS

    try:
        entry = DATASETS[name]
    except ManifestError as error:
        return {name: str(error)}
    if not entry.presets:
        return {name: entry.summary}
    return {f"{name} --preset {preset}": summary for preset, summary in entry.presets.items()}


def _first_line(documented: object) -> str:
    """Return the first sentence of a docstring, without its full stop."""
    return str(documented.__doc__).strip().splitlines()[0].removesuffix(".")


@dataclass(frozen=True)
class TaskOption:
    """An option of a task.

    Attributes
    ----------
    type
        The type in words: ``str``, ``grouped | random``, ``path``.
    repeatable
        Whether it takes several values.
    required
        Whether it must be given.
    default
        The default value.
    help
        Its description in the docstring of the task.
    """

    type: str
    repeatable: bool
    required: bool
    default: Any
    help: str


def task_options() -> dict[str, dict[str, TaskOption]]:
    """Return the options of each task by its name; none for tasks whose package cannot be loaded."""
    from phenolens.tasks import TASKS

    options = {}
    for name in TASKS:
        try:
            options[name] = options_of(TASKS[name])
        except PhenolensError:  # `catalogue` gives the reason
            options[name] = {}
    return options


def options_of(task: "type[Task]") -> dict[str, TaskOption]:
    """Return the options of a task, from its fields and docstring."""
    documented = _documented_options(task)
    options = {}
    for name, field in task.model_fields.items():
        if name == "task":
            continue
        default = None if field.is_required() else field.get_default()
        options[name] = TaskOption(
            type=_type_in_words(field.annotation),
            repeatable=get_origin(field.annotation) is tuple,
            required=field.is_required(),
            default=default,
            help=documented.get(name, ""),
        )
    return options


def _type_in_words(annotation: Any) -> str:
    if get_origin(annotation) is Annotated:  # with a limit, which is not part of its type
        return _type_in_words(get_args(annotation)[0])
    parts = [part for part in get_args(annotation) if part not in (NoneType, Ellipsis)]
    if get_origin(annotation) is Literal:
        return " | ".join(map(str, parts))
    if get_origin(annotation) is tuple:
        return _type_in_words(parts[0])
    if parts:
        return " | ".join(map(_type_in_words, parts))
    return "path" if annotation is Path else str(annotation.__name__)


def _documented_options(documented: type) -> dict[str, str]:
    """Return the description of each parameter or attribute in a numpydoc docstring, in one line."""
    section = re.split(r"^(?:Parameters|Attributes)\n-+\n", inspect.getdoc(documented) or "", maxsplit=1, flags=re.M)[
        -1
    ]
    found: dict[str, str] = {}
    # An entry is a line of names followed by indented lines; text after the section is not indented.
    for entry in re.finditer(r"^(\w+(?:, \w+)*)\n((?:[ ]+.*\n?|\n(?=[ ]))+)", section, re.M):
        text = " ".join(entry[2].split())
        found.update(dict.fromkeys(entry[1].split(", "), text))
    return found
