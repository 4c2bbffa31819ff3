"""Data sets by name: the simulated ones, and those of installed packages."""

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
    """What the registry knows of a data set, or of a family of them.

    Attributes
    ----------
    summary
        One line for a person.
    open
        Called with a folder and, as keywords, with options; returns the manifest. The folder is where what is
        downloaded or simulated lies; what already lies there is used again.
    presets
        The values of its option ``preset``, with a line on each; none if it has no such option.
    """

    summary: str
    open: Callable[..., Manifest]
    presets: Mapping[str, str] | None = None


def _accept(point: EntryPoint, loaded: Any) -> DatasetEntry:
    """Return the entry that a package announces, if it is one."""
    if not isinstance(loaded, DatasetEntry):
        raise TypeError(f"{point.value} is no phenolens.datasets.DatasetEntry")
    return loaded


DATASETS: Registry[DatasetEntry] = Registry("data set", "phenolens.datasets", {}, _accept, ManifestError)


def open_dataset(name: str, folder: str | Path, **options: Any) -> Manifest:
    """Return the manifest of a data set, after what is not there yet has been made.

    Parameters
    ----------
    name
        As ``phenolens ls datasets`` lists it, without its preset.
    folder
        Where its files lie, or are put.
    options
        What it takes besides, such as ``preset``.

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
