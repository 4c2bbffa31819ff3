"""Data sets by name: simulated ones and those of installed packages."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

from phenolens.core.errors import ManifestError, did_you_mean
from phenolens.core.plugins import Registry
from phenolens.datasets.manifest import Manifest


@dataclass(frozen=True)
class DatasetEntry:
    """The entry of a data set in the registry.

    Attributes
    ----------
    summary
        One line for users.
    open
        Called with a folder and options as keywords; returns the manifest. Downloaded or simulated files are in the
        folder, and are reused.
    presets
        The values of its option ``preset``, with one line on each; None without such an option.
    """

    summary: str
    open: Callable[..., Manifest]
    presets: Mapping[str, str] | None = None


def _accept(point: EntryPoint, loaded: Any) -> DatasetEntry:
    """Return the entry that a package registers, if it is one."""
    if not isinstance(loaded, DatasetEntry):
        raise TypeError(f"{point.value} is not a phenolens.datasets.DatasetEntry")
    return loaded


DATASETS: Registry[DatasetEntry] = Registry("data set", "phenolens.datasets", {}, _accept, ManifestError)


def open_dataset(name: str, folder: str | Path, **options: Any) -> Manifest:
    """Return the manifest of a data set, which is downloaded or simulated if needed.

    Parameters
    ----------
    name
        The name listed by ``phenolens ls datasets``, without the preset.
    folder
        The folder for its files.
    options
        Its options, such as ``preset``.

    Raises
    ------
    ManifestError
        If there is no such data set, or it has no such option.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     len(open_dataset("cells", folder, preset="strong", plates=1, wells=24, size=64))
    24
    """
    entry = DATASETS.find(name)
    parameters = inspect.signature(entry.open).parameters.values()
    known = [each.name for each in parameters if each.kind is each.KEYWORD_ONLY]
    for option in options:
        if option not in known:
            raise ManifestError(f"data set '{name}' has no option '{option}'{did_you_mean(option, known)}")
    return entry.open(Path(folder), **options)
