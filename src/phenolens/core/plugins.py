"""What there is by name: ours, and what installed packages add through entry points."""

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

from phenolens.core.errors import PhenolensError, did_you_mean

T = TypeVar("T")


class Registry(Mapping[str, T], Generic[T]):
    """Name -> what it stands for: ours, then that of installed packages, which is loaded when it is looked up.

    To iterate over names loads nothing. A name of ours cannot be taken by a package.

    Parameters
    ----------
    kind
        What the names stand for, for messages.
    group
        The group of entry points in which packages announce theirs.
    built_in
        Ours that need no entry point.
    accept
        Returns what an entry point has loaded as the registry keeps it, or raises TypeError if it is no such thing.
    error
        What is raised for a name that is not there, and for a package that cannot be loaded.
    """

    def __init__(
        self,
        kind: str,
        group: str,
        built_in: Mapping[str, T],
        accept: Callable[[EntryPoint, Any], T],
        error: type[PhenolensError] = PhenolensError,
    ) -> None:
        self.kind = kind
        self.group = group
        self._accept = accept
        self._error = error
        self._loaded = dict(built_in)
        self._built_in = tuple(built_in)

    @cached_property  # what is installed is read from the disk, and names are looked up thousands of times
    def _points(self) -> dict[str, EntryPoint]:
        found: dict[str, EntryPoint] = {}
        for point in entry_points(group=self.group):
            if point.name not in self._built_in:
                found.setdefault(point.name, point)
        return found

    def __getitem__(self, name: str) -> T:
        """Return what a name stands for; KeyError if it is not there, `error` if its package cannot be loaded."""
        if name not in self._loaded:
            self._loaded[name] = self._load(self._points[name])
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        yield from self._built_in
        yield from self._points

    def __len__(self) -> int:
        return len(self._built_in) + len(self._points)

    def __contains__(self, name: object) -> bool:
        return name in self._built_in or name in self._points

    def find(self, name: str) -> T:
        """Return what a name stands for.

        Raises
        ------
        PhenolensError
            If it is not there, with the nearest name, or if its package cannot be loaded, with that package.
        """
        if name not in self:
            raise self._error(f"no {self.kind} '{name}'{did_you_mean(name, self)}")
        return self[name]

    def describe(self, line: Callable[[T], str]) -> dict[str, str]:
        """Return name -> a line on what it stands for; of a package that cannot be loaded the line says why."""
        lines = {}
        for name in self:
            try:
                lines[name] = line(self[name])
            except PhenolensError as error:
                lines[name] = str(error)
        return lines

    def _load(self, point: EntryPoint) -> T:
        try:
            return self._accept(point, point.load())
        except Exception as error:  # a stranger's module may raise anything
            reason = next(iter(str(error).splitlines()), "")
            raise self._error(
                f"the {self.kind} '{point.name}' of the package '{package_of(point)}' cannot be loaded "
                f"({type(error).__name__}: {reason}); mend or uninstall the package"
            ) from error


def package_of(point: EntryPoint) -> str:
    """Return the name of the package that announces an entry point."""
    return point.dist.name if point.dist is not None else "unknown"
