"""What people call the columns of a manifest, the roles of wells, and negative controls."""

import re
from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from phenolens.core.errors import ManifestError, did_you_mean
from phenolens.core.numbers import listed
from phenolens.datasets.columns import as_names, column_name
from phenolens.datasets.doses import known_unit
from phenolens.datasets.layouts.layout import Notes
from phenolens.datasets.names import plain_name
from phenolens.datasets.roles import is_control_name, is_empty_name, role_named
from phenolens.datasets.wells import parse_well

# Manifest column -> its names elsewhere as `plain_name` spells them, the surest first.
_NAMES: Mapping[str, tuple[str, ...]] = {
    "plate": (
        "plate",
        "plate id",
        "plate name",
        "assay plate barcode",
        "plate barcode",
        "barcode",
        "plateid",
        "image plate",
    ),
    "well": ("well", "well position", "well id", "well name", "wellposition", "well address", "image well", "position"),
    "site": ("site", "field", "fov", "field id", "image site"),
    "batch": ("batch", "experiment", "experiment name", "batch id"),
    "perturbation": (
        "perturbation",
        "compound",
        "compound name",
        "pert iname",
        "broad sample",
        "treatment",
        "drug",
        "molecule",
        "gene symbol",
        "gene",
        "symbol",
        "sirna",
        "sgrna",
        "guide",
        "orf",
        "reagent",
        "perturbation name",
        "jcp2022",
    ),
    "dose": ("dose", "concentration", "conc", "compound concentration", "mmoles per liter"),
    "dose_unit": ("dose unit", "concentration unit", "concentration units", "conc unit", "unit", "units"),
    "role": ("role", "control type", "pert type", "well type", "assay well role", "control", "well role"),
    "label": ("label", "class", "phenotype", "diagnosis", "category", "tissue class"),
    "patient": ("patient", "patient id", "donor", "donor id", "subject", "case", "case id"),
    "slide": ("slide", "slide id", "wsi"),
}
KNOWN = tuple(_NAMES)
"""The columns of manifests that are known by other names too."""

_DOSE = re.compile(r"^(?:dose|conc(?:entration)?|compound concentration)[ (\[]+([^ )\]]+)[)\]]?$")
_UNIT_OF_NAME = {"mmoles per liter": "mM"}

MECHANISMS = ("moa", "mechanism", "mechanism of action", "target", "target list", "moa list", "pathway", "complex")
"""Columns of what perturbations have in common, as `plain_name` spells them."""

GROUPS = ("patient", "slide", "movie", "source group", "source image", "source", "batch", "plate")
"""Columns of what rows have in common besides their label, the widest first."""

_MOST_NAMES = 10


def find_columns(rows: pd.DataFrame, wanted: Iterable[str], notes: Notes) -> dict[str, str]:
    """Return manifest column -> the column of a table that is it by its name; a guess names both.

    Parameters
    ----------
    rows
        A table whose columns are named as `column_name` does.
    wanted
        Manifest columns.
    notes
        Where guesses are written.
    """
    by_plain: dict[str, str] = {}
    for column in map(str, rows.columns):
        by_plain.setdefault(_plain(column), column)
    found: dict[str, str] = {}
    for column in sorted(wanted, key=lambda each: each != "dose"):  # which tells perturbations from their doses
        candidates = [by_plain[name] for name in _NAMES[column] if name in by_plain]
        if column == "well":
            candidates = [each for each in candidates if each == "well" or _are_wells(rows[each])]
        if column == "dose":
            candidates += [each for plain, each in by_plain.items() if _unit_in(plain) and each not in candidates]
        candidates = [each for each in candidates if rows[each].notna().any()]
        if column == "perturbation":  # what all rows have alike is the kind of it, such as compound
            candidates = [each for each in candidates if rows[each].nunique() > 1] or candidates
        if not candidates:
            continue
        found[column] = candidates[0]
        if column == "perturbation" and len(candidates) > 1:
            found[column] = _with_doses(rows, candidates, found.get("dose"))
        if found[column] != column or len(candidates) > 1:
            others = [each for each in candidates if each != found[column]]
            beside = f", not {listed(others)}" if others else ""
            notes.guess(f"{column} is the column '{found[column]}'{beside}")
    return found


def _plain(column: str) -> str:
    plain = plain_name(column_name(column))
    return plain.replace("image metadata ", "image ")


def _are_wells(values: "pd.Series[object]") -> bool:
    names = values.dropna().unique()
    return len(names) > 0 and sum(parse_well(name) is not None for name in names) > len(names) / 2


def _with_doses(rows: pd.DataFrame, candidates: Sequence[str], dose: str | None) -> str:
    """Return the column whose perturbations have most doses: others may name a perturbation and its dose together."""
    if dose is None:
        return candidates[0]
    n_doses = {each: rows.groupby(each, observed=True)[dose].nunique().mean() for each in candidates}
    return max(candidates, key=lambda each: n_doses[each])


def _unit_in(plain: str) -> str | None:
    """Return the unit in the name of a column of doses."""
    found = _DOSE.match(plain)
    return known_unit(found[1]) if found else None


def unit_of(column: str) -> str | None:
    """Return the unit that the name of a column of doses holds.

    Examples
    --------
    >>> unit_of("concentration_uM"), unit_of("Dose (nM)"), unit_of("mmoles_per_liter"), unit_of("dose")
    ('uM', 'nM', 'mM', None)
    """
    plain = _plain(column)
    return _UNIT_OF_NAME.get(plain) or _unit_in(plain)


def find_roles(values: "pd.Series[object]", notes: Notes) -> dict[str, str]:
    """Return value of a column of roles -> its role, for all whose meaning is known; the others should be filled in.

    Parameters
    ----------
    values
        The column.
    notes
        Where guesses are written.
    """
    roles, unknown = {}, []
    for value in as_names(values).dropna().unique():
        known = role_named(value)
        if known is None:
            unknown.append(value)
        else:
            roles[value] = known
    renamed = [f"{value} as {role}" for value, role in roles.items() if plain_name(value) != plain_name(role)]
    if renamed:
        notes.guess(f"roles are read so: {listed(renamed, _MOST_NAMES)}")
    if unknown:
        notes.fill_in(
            f"what the roles {listed(unknown, _MOST_NAMES)} mean: treatment, negative_control, positive_control, empty"
        )
    return roles


def choose_controls(names: Sequence[str], given: Sequence[str], source: str) -> list[str]:
    """Return the perturbations that are negative controls: those given, or else those that are called like some.

    Parameters
    ----------
    names
        All perturbations.
    given
        What the user calls the negative controls; case, blanks and hyphens do not matter.
    source
        The file of the perturbations, for messages.

    Raises
    ------
    ManifestError
        If no perturbation has a given name.
    """
    if not given:
        return find_controls(names)
    there = {plain_name(name) for name in names}
    unknown = [name for name in given if plain_name(name) not in there]
    if unknown:
        raise ManifestError(
            f"{source}: no perturbation is called {unknown[0]} (--controls){did_you_mean(unknown[0], names[:50])}"
        )
    wanted = {plain_name(name) for name in given}
    return [name for name in names if plain_name(name) in wanted]


def find_controls(names: Iterable[str]) -> list[str]:
    """Return the perturbations that are negative controls by their names; EMPTY only if there is no other.

    Examples
    --------
    >>> find_controls(["DMSO", "taxol", "EMPTY"]), find_controls(["EMPTY", "TP53"]), find_controls(["scrambled 2"])
    (['DMSO'], ['EMPTY'], ['scrambled 2'])
    """
    names = list(names)
    controls = [name for name in names if is_control_name(name)]
    return controls or [name for name in names if is_empty_name(name)]
