"""Strict JSON of results, with numpy numbers and arrays, paths and missing values."""

import json
import math
from typing import Any

# Recognised by the names of their types, since importing pandas takes long.
_PANDAS_MISSING = ("NAType", "NaTType")


def strict_json(value: Any, *, ensure_ascii: bool = False) -> str:
    """Return indented JSON; NaN and infinity, which JSON does not have, become null.

    Parameters
    ----------
    value
        As in `plain`.
    ensure_ascii
        Whether to escape other characters, for terminals of unknown encoding.

    Examples
    --------
    >>> print(strict_json([0.5, float("nan")]))
    [
     0.5,
     null
    ]
    """
    return json.dumps(plain(value), indent=1, ensure_ascii=ensure_ascii, allow_nan=False)


def plain(value: Any) -> Any:  # noqa: PLR0911 - one line per kind of value reads best
    """Return a value as dictionaries, lists, texts, finite numbers, booleans and None.

    Parameters
    ----------
    value
        Nested dictionaries, whose keys become texts, sequences, and sets, which are sorted; scalars and arrays of
        numpy. Missing values become None, and everything else, such as a path, becomes text.

    Examples
    --------
    >>> import numpy as np
    >>> from pathlib import Path
    >>> plain({"n": np.int64(3), "p": np.array([0.5, np.nan]), "file": Path("report.html")})
    {'n': 3, 'p': [0.5, None], 'file': 'report.html'}
    """
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return [plain(item) for item in sorted(value, key=str)]
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):  # arrays and scalars of numpy
        return plain(value.tolist())
    if value is None or type(value).__name__ in _PANDAS_MISSING:
        return None
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, bool | int | str):
        return value
    return str(value)
