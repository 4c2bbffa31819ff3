"""Former spellings of names and options: still read, with a warning that gives the new spelling."""

import warnings
from collections.abc import Mapping
from typing import Any

from phenolens.core.errors import PhenolensWarning

RENAMED: dict[str, dict[str, str]] = {
    "profiling": {"spread": "random-fourier-features"},
    "replicate-retrieval": {"against=controls": "measures=activity", "against=others": "measures=distinctiveness"},
}
"""What it is a spelling of (a kind of name, or whose option) -> former spelling -> new spelling."""


def current_name(of: str, name: str) -> str:
    """Return the current spelling of a name, with a warning if the given one is a former spelling.

    Examples
    --------
    >>> current_name("profiling", "tvn")
    'tvn'
    """
    new = RENAMED.get(of, {}).get(name)
    if new is None:
        return name
    warnings.warn(f"{of}: '{name}' is a former spelling; write '{new}'", PhenolensWarning, stacklevel=2)
    return new


def current_option(of: str, option: str, value: Any) -> tuple[str, Any]:
    """Return option and value in their current spelling, with a warning if they are given in a former one."""
    former = f"{option}={value}"
    if former not in RENAMED.get(of, {}):
        return option, value
    new_option, _, new_value = current_name(of, former).partition("=")
    return new_option, new_value


def current_options(of: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options in their current spelling; see `current_option`."""
    return dict(current_option(of, option, value) for option, value in options.items())
