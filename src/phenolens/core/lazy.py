"""Packages that import their names at first use, since torch takes seconds to import and many commands need none."""

import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from types import ModuleType
from typing import Any


class _LazyPackage(ModuleType):
    """A package that imports a name from its module at first use, and keeps it."""

    _homes: dict[str, str]

    def __getattr__(self, name: str) -> Any:
        if name not in self._homes:
            raise AttributeError(f"module '{self.__name__}' has no attribute '{name}'")
        value = getattr(import_module(f"{self.__name__}.{self._homes[name]}"), name)
        setattr(self, name, value)
        return value

    def __setattr__(self, name: str, value: Any) -> None:
        # Importing a submodule would overwrite a function of the same name, such as `training.train`.
        if isinstance(value, ModuleType) and name in self._homes:
            return
        super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._homes})


def import_lazily(package: str, homes: Mapping[str, Sequence[str]]) -> None:
    """Let a package import each of its names at first use.

    Parameters
    ----------
    package
        The ``__name__`` of the package, which calls this at the end of its ``__init__``.
    homes
        Module, relative to the package -> the names that are imported from it. The package imports the same names
        under ``TYPE_CHECKING``, so that type checkers and editors know them.
    """
    module = sys.modules[package]
    module.__dict__["_homes"] = {name: home for home, names in homes.items() for name in names}
    module.__class__ = _LazyPackage
