"""What there is, by name, with a line on each."""

from typing import Literal

from phenolens.core.errors import ManifestError

_RAW = "wells as the mean of their sites, nothing more"


def catalogue(what: Literal["encoders", "datasets", "tasks", "profilers"]) -> dict[str, str]:
    """Return name -> one line on what it is; what is not listed is not imported."""
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
    from phenolens.profiling import PROFILERS, RAW

    return {RAW: _RAW, **PROFILERS.describe(_first_line)}


def _presets(name: str) -> dict[str, str]:
    """Return each preset of a data set with a line on it; the data set itself where it has none."""
    from phenolens.datasets import DATASETS

    try:
        entry = DATASETS[name]
    except ManifestError as error:
        return {name: str(error)}
    if not entry.presets:
        return {name: entry.summary}
    return {f"{name} --preset {preset}": summary for preset, summary in entry.presets.items()}


def _first_line(documented: type) -> str:
    """Return the first sentence of a docstring, without its full stop."""
    return str(documented.__doc__).strip().splitlines()[0].removesuffix(".")
