"""Names that differ by so little that they may mean the same."""

import re
import unicodedata
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from phenolens.core.errors import PhenolensWarning

_CHECKED = ("plate", "batch", "perturbation", "role", "label", "slide", "patient")
_MOST_SHOWN = 3
_MONTHS = "jan|feb|mar|apr|may|jun|jul|aug|sep|sept|oct|nov|dec|m[aä]r|mrz|mai|okt|dez"
_DATE = re.compile(
    rf"^(\d{{1,2}}[-. ]+({_MONTHS})|({_MONTHS})[-. ]\d{{1,2}}|\d{{4}}-(03|09|12)-\d\d(T00:00:00)?)$", re.I
)
_ROUNDED = re.compile(r"^\d(\.\d+)?E\+\d+$")


def plain_name(name: str) -> str:
    """Return a name without what is easily mistaken: case, kinds of blanks, hyphens and underscores.

    Examples
    --------
    >>> plain_name("Non_Targeting"), plain_name("non targeting"), plain_name("DMSO ")
    ('non targeting', 'non targeting', 'dmso')
    """
    return re.sub(r"[\s_-]+", " ", unicodedata.normalize("NFKC", name).casefold()).strip()


def near_names(names: Iterable[str]) -> list[list[str]]:
    """Return the groups of distinct names that differ by case, blanks, hyphens or underscores alone.

    Examples
    --------
    >>> near_names(["DMSO", "dmso", "TP53"])
    [['DMSO', 'dmso']]
    """
    groups: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        groups.setdefault(plain_name(name), []).append(name)
    return [group for group in groups.values() if len(group) > 1]


def look_alikes(names: Iterable[str], known: Iterable[str]) -> dict[str, str]:
    """Return name -> the known name that it differs from by so little; of names that are not known themselves."""
    exact = set(known)
    by_plain = {plain_name(name): name for name in exact}
    return {name: by_plain[plain_name(name)] for name in names if name not in exact and plain_name(name) in by_plain}


def describe_look_alikes(names: Iterable[str], perturbations: Iterable[str]) -> str:
    """Return a sentence on names that are nearly those of perturbations, and are not taken for these; empty if none."""
    found = look_alikes(names, perturbations)
    if not found:
        return ""
    shown = ", ".join(f"'{name}' ('{other}')" for name, other in sorted(found.items())[:_MOST_SHOWN])
    return (
        f"{shown}{_more(len(found))} differ from perturbations by case, blanks or hyphens alone, and are taken "
        "for other names; spell them alike"
    )


def describe_replaced_names(names: Iterable[str]) -> str:
    """Return a sentence on names that a spreadsheet seems to have replaced, such as SEPT2 by 2-Sep; empty if none."""
    found = [name for name in names if _DATE.match(name) or _ROUNDED.match(name)]
    if not found:
        return ""
    shown = ", ".join(f"'{name}'" for name in found[:_MOST_SHOWN])
    return (
        f"{shown}{_more(len(found))} look like names that a spreadsheet has turned into dates or numbers, such as "
        "SEPT2; restore them"
    )


def warn_of_nearly_controls(names: Iterable[str], controls: Sequence[str], source: str | Path) -> None:
    """Warn of names that begin like a negative control, and are not marked as one, such as dmso beside DMSO."""
    words = tuple(plain_name(control) for control in controls)
    found = []
    for name in names:
        plain = plain_name(name)
        rest = [plain.removeprefix(word) for word in words if plain.startswith(word)]
        if name not in controls and any(not each[:1].isalnum() for each in rest):
            found.append(name)
    if found:
        shown = ", ".join(f"'{name}'" for name in found[:_MOST_SHOWN])
        _warn(
            f"{source}: {shown}{_more(len(found))} look like negative controls and are not marked as such; name each "
            "(--negative-control) if they are"
        )


def warn_of_near_names(table: pd.DataFrame, source: str | Path) -> None:
    """Warn of names within a column that differ by so little, and of names that a spreadsheet has replaced."""
    for column in _CHECKED:
        if column not in table:
            continue
        names = [str(name) for name in table[column].dropna().unique()]
        groups = near_names(names)
        if groups:
            shown = "; ".join(", ".join(f"'{name}'" for name in group) for group in groups[:_MOST_SHOWN])
            _warn(
                f"{source}: column '{column}': {shown}{_more(len(groups))} differ by case, blanks or hyphens alone, "
                "and are taken for different names; spell them alike if they are one"
            )
        replaced = describe_replaced_names(names) if column == "perturbation" else ""
        if replaced:
            _warn(f"{source}: column '{column}': {replaced}")


def _more(n: int) -> str:
    return f" and {n - _MOST_SHOWN} more" if n > _MOST_SHOWN else ""


def _warn(text: str) -> None:
    warnings.warn(text, PhenolensWarning, stacklevel=3)
