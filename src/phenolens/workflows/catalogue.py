"""What there is, by name, with a line on each."""

from typing import Literal

from phenolens.encoders import ENCODERS
from phenolens.profiling import PROFILERS, RAW
from phenolens.simulation import CLASSES, PRESETS
from phenolens.tasks import TASKS

_RAW = "wells as the mean of their sites, nothing more"


def catalogue(what: Literal["encoders", "datasets", "tasks", "profilers"]) -> dict[str, str]:
    """Return name -> one line on what it is."""
    if what == "encoders":
        return {
            f"{name}..." if name.endswith(("/", ":")) else name: line
            for name, line in ENCODERS.describe(lambda entry: entry.summary + " (baseline)" * entry.is_baseline).items()
        }
    if what == "tasks":
        return {name: task.contract.question for name, task in TASKS.items()}
    if what == "datasets":
        cells = {f"cells --preset {name}": preset.summary for name, preset in PRESETS.items()}
        return cells | {
            f"tissue --preset {name}": f"slides of two classes that differ in {name} alone" for name in CLASSES
        }
    return {RAW: _RAW, **{name: _first_line(profiler) for name, profiler in PROFILERS.items()}}


def _first_line(documented: type) -> str:
    """Return the first sentence of a docstring, without its full stop."""
    return str(documented.__doc__).strip().splitlines()[0].removesuffix(".")
