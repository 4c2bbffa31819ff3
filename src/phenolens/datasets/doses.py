"""Doses in one unit."""

import re
from typing import Any

import numpy as np
import pandas as pd

from phenolens.core.parse_numbers import parse_numbers
from phenolens.datasets.columns import as_names

_DOSE_WITH_UNIT = re.compile(r"^([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*([^\d\s.,+-].*)$")
_COMMA = re.compile(r"^\s*\d*,\d+\s*[^\d\s.,+-]")
_THOUSANDS = re.compile(r"^\s*[1-9]\d{0,2},\d{3}\s*[^\d\s.,+-]")
_PREFIXES = {"": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9, "p": 1e-12, "f": 1e-15}
_LONG_PREFIXES = {"milli": "m", "micro": "u", "nano": "n", "pico": "p", "femto": "f"}
_LONG_PREFIXES |= {"\N{MICRO SIGN}": "u", "\N{GREEK SMALL LETTER MU}": "u"}
_MOLAR = re.compile(r"^(m|u|n|p|f|)(?:m|molar|mol/l|mol\*l-1|moll-1)$")
_MASS = re.compile(r"^(m|u|n|p|)g/(m|u|)l$")
_PER_CENT = re.compile(r"^(%|percent)\(?([vw]/[vw])?\)?$")
_DIGITS = 12  # what is kept of a converted dose, so that 0.3 uM and 300 nM are the same number


def in_one_unit(dose: "pd.Series[Any]", unit: "pd.Series[Any]") -> "tuple[pd.Series[Any], pd.Series[Any]]":
    """Return doses (n,) and their units (n,) with those of one kind in one unit.

    Molar concentrations that are given in several units become uM, masses by volume ug/ml. Doses with a unit behind
    the number, such as ``100 nM``, are taken apart. Per cent, other units, and doses without one stay as they are.
    Doses are numbers if all are.

    Parameters
    ----------
    dose
        Numbers, or text.
    unit
        Text; missing where a dose has none, or names its own.
    """
    dose, unit = _apart(_with_points(dose), as_names(unit))
    numbers = parse_numbers(dose)
    if np.isnan(numbers[dose.notna()]).any():
        return dose, unit
    spelled = unit.map({each: spell_unit(each) for each in unit.dropna().unique()})
    for base in ("uM", "ug/ml"):
        factors = {each: _factor(each, base) for each in spelled.dropna().unique()}
        of_kind = {each: factor for each, factor in factors.items() if factor is not None}
        if len(of_kind) > 1:
            rows = spelled.isin(list(of_kind)).to_numpy()
            converted = numbers[rows] * spelled[rows].map(of_kind).to_numpy(dtype=float)
            numbers[rows] = [float(f"{each:.{_DIGITS}g}") for each in converted]
            spelled[rows] = base
    several_spellings = unit.nunique() > spelled.nunique()
    return pd.Series(numbers, dose.index, name="dose"), spelled if several_spellings else unit


def _with_points(dose: "pd.Series[Any]") -> "pd.Series[Any]":
    """Return doses with units such as ``1,5 uM`` with decimal points, unless commas may separate thousands."""
    text = [str(each) for each in dose.dropna()]
    with_commas = [each for each in text if _COMMA.match(each)]
    may_be_thousands = all(_THOUSANDS.match(each) for each in with_commas)
    if may_be_thousands or any("." in each for each in text):
        return dose
    return dose.map(lambda each: str(each).replace(",", ".") if _COMMA.match(str(each)) else each)


def spell_unit(unit: str) -> str:
    """Return the unit of a dose in one spelling; unchanged if it is not known.

    Examples
    --------
    >>> spell_unit("µM"), spell_unit("nmol/L"), spell_unit("mg/mL"), spell_unit("percent"), spell_unit("MOI")
    ('uM', 'nM', 'mg/ml', '%', 'MOI')
    """
    return known_unit(unit) or unit


def known_unit(text: str) -> str | None:
    """Return the unit of a dose in one spelling; None if it is not known.

    Examples
    --------
    >>> known_unit("µM"), known_unit("MOI")
    ('uM', None)
    """
    plain = _plain(text)
    if _PER_CENT.match(plain):
        return "%"
    if found := _MOLAR.match(plain):
        return f"{found[1]}M"
    return plain if _MASS.match(plain) else None


def _plain(unit: str) -> str:
    """Return a unit in lower case, with one letter for its prefix, without blanks and brackets."""
    plain = unit.strip().strip("()[]").lower().replace(" ", "")
    for long, short in _LONG_PREFIXES.items():
        plain = short + plain.removeprefix(long) if plain.startswith(long) else plain
    return plain


def _factor(unit: str, base: str) -> float | None:
    """Return by what a dose is multiplied to be in a base unit; None if that is another kind of unit."""
    plain = _plain(unit)
    if base == "uM" and (found := _MOLAR.match(plain)):
        return _PREFIXES[found[1]] / _PREFIXES["u"]
    if base == "ug/ml" and (found := _MASS.match(plain)):
        return _PREFIXES[found[1]] / _PREFIXES[found[2]] / _PREFIXES["m"]
    return None


def _apart(dose: "pd.Series[Any]", unit: "pd.Series[Any]") -> "tuple[pd.Series[Any], pd.Series[Any]]":
    """Return doses without the units behind them, and these units; a dose that contradicts its unit is left whole."""
    if pd.api.types.is_numeric_dtype(dose):
        return dose, unit
    dose, unit = as_names(dose), unit.copy()
    for row, text in enumerate(dose.tolist()):
        found = _DOSE_WITH_UNIT.match(text) if text else None
        if found is None or (unit.iat[row] is not None and spell_unit(unit.iat[row]) != spell_unit(found[2])):
            continue
        dose.iat[row], unit.iat[row] = found[1], found[2]
    return dose, unit
