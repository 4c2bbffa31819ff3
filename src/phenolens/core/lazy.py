"""Packages whose names are imported when they are asked for: torch takes seconds, and validating a file needs none."""

import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from types import ModuleType
from typing import Any


class _LazyPackage(ModuleType):
    """A package that looks up where a name is at home, and keeps what it found there."""

    _homes: dict[str, str]

    def __getattr__(self, name: str) -> Any:
        if name not in self._homes:
            raise AttributeError(f"module '{self.__name__}' has no attribute '{name}'")
        value = getattr(import_module(f"{self.__name__}.{self._homes[name]}"), name)
        setattr(self, name, value)
        return value

    def __setattr__(self, name: str, value: Any) -> None:
        # Importing a submodule sets it here, where `training.train` must stay the function of that name.
        if isinstance(value, ModuleType) and name in self._homes:
            return
        super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._homes})


def import_lazily(package: str, homes: Mapping[str, Sequence[str]]) -> None:
    """Let a package import each of its names when it is first asked for.

    Parameters
    ----------
    package
        The ``__name__`` of the package, whose ``__init__`` calls this last.
    homes
        Module, counted from the package -> the names that are imported from it. The package imports the same names
        under ``TYPE_CHECKING``, so that type checkers and editors know them.
    """
    module = sys.modules[package]
    module.__dict__["_homes"] = {name: home for home, names in homes.items() for name in names}
    module.__class__ = _LazyPackage
