"""Registries of built-in objects by name, extended by the entry points of installed packages."""

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

from phenolens.core.errors import PhenolensError, did_you_mean

T = TypeVar("T")


class Registry(Mapping[str, T], Generic[T]):
    """A mapping from names to objects: built-in ones, then those of installed packages, which are loaded at first use.

    Iterating over names loads nothing. Packages cannot override built-in names.

    Parameters
    ----------
    kind
        The kind of object, for messages.
    group
        The group of entry points with which packages register theirs.
    built_in
        Built-in objects without entry points.
    accept
        Returns the object to keep for what an entry point has loaded, or raises TypeError if that is of another kind.
    error
        The error for unknown names, and for packages that cannot be loaded.
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

    @cached_property  # entry points are read from disk, and names are looked up thousands of times
    def _points(self) -> dict[str, EntryPoint]:
        found: dict[str, EntryPoint] = {}
        for point in entry_points(group=self.group):
            if point.name not in self._built_in:
                found.setdefault(point.name, point)
        return found

    def __getitem__(self, name: str) -> T:
        """Return the object of a name; KeyError if it is unknown, `error` if its package cannot be loaded."""
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
        """Return the object of a name.

        Raises
        ------
        PhenolensError
            If it is unknown, with the closest name, or if its package cannot be loaded, with the name of that package.
        """
        if name not in self:
            raise self._error(f"no {self.kind} '{name}'{did_you_mean(name, self)}")
        return self[name]

    def describe(self, line: Callable[[T], str]) -> dict[str, str]:
        """Return name -> a line on its object; for packages that cannot be loaded, the reason."""
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
        except Exception as error:  # other packages may raise anything
            reason = next(iter(str(error).splitlines()), "")
            raise self._error(
                f"the {self.kind} '{point.name}' of the package '{package_of(point)}' cannot be loaded "
                f"({type(error).__name__}: {reason}); fix or uninstall the package"
            ) from error


def package_of(point: EntryPoint) -> str:
    """Return the name of the package of an entry point."""
    return point.dist.name if point.dist is not None else "unknown"
