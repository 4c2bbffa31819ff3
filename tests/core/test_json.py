"""What studies find as JSON that every parser reads."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from phenolens.core.json import plain, strict_json


def refuse(token):
    raise AssertionError(token)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.float32(0.5), 0.5),
        (np.int64(3), 3),
        (np.bool_(True), True),
        (np.str_("tvn"), "tvn"),
        (np.array([[1.0, np.nan], [np.inf, -np.inf]]), [[1.0, None], [None, None]]),
        (np.float64("nan"), None),
        (float("inf"), None),
        (pd.NA, None),
        (pd.NaT, None),
        (True, True),
        ({"b", "a"}, ["a", "b"]),
        (("x", 1), ["x", 1]),
        ({1: {"deep": [np.int8(2)]}}, {"1": {"deep": [2]}}),
        (Path("a") / "b.html", str(Path("a") / "b.html")),
    ],
)
def test_values_come_back_as_plain_ones(value, expected):
    found = json.loads(strict_json(value), parse_constant=refuse)
    assert found == expected
    assert type(found) is type(expected)  # True is equal to 1, and 3 to 3.0
    assert type(plain(value)) is type(expected)


def test_characters_are_escaped_only_where_wanted():
    assert strict_json("µm") == '"µm"'
    assert strict_json("µm", ensure_ascii=True) == '"\\u00b5m"'


def test_needs_neither_numpy_nor_pandas():
    code = "import sys, phenolens.core.json; print([name for name in ('numpy', 'pandas') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
