"""From tables of vectors to a recipe: which columns are features, and which are perturbations, plates and controls."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from glob import escape
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from phenolens.core.errors import EmbeddingError, PhenolensError
from phenolens.core.files import write_whole
from phenolens.core.numbers import listed
from phenolens.datasets import NEGATIVE_CONTROL, map_metadata, table_stem
from phenolens.datasets.layouts import KNOWN, Notes, choose_controls, find_columns, find_roles
from phenolens.datasets.names import plain_name
from phenolens.datasets.schema import COLUMNS
from phenolens.embedding import Missing, read_unfinished
from phenolens.workflows.draft_recipe import Draft, as_yaml, draft_recipe, why_nothing_is_asked
from phenolens.workflows.init import RECIPE, Drafted, refuse_other

_CELLPROFILER = ("Cells_*", "Cytoplasm_*", "Nuclei_*")
# What features have in common at the start of their names -> the share of all columns of numbers that must have it.
_PREFIXES = {r"(.*?)\d+$": 0.5, r"([A-Za-z]+[_.])": 0.8}
_NO_FEATURE = re.compile(
    r"(^|_)(ImageNumber|ObjectNumber|Object_Number|TableNumber|Parent|Location)(_|$)", re.IGNORECASE
)
_COUNTS = ("cell count", "count cells", "object count", "nuclei count", "n cells", "image count cells")
_FEW_ROWS = 0.05


@dataclass(frozen=True, eq=False)
class _Look:
    """What a table of vectors was found to hold.

    Attributes
    ----------
    features
        The feature columns, as patterns; None if all columns of numbers that are not metadata are features.
    missing
        How missing values are handled.
    columns
        Manifest column -> column of the file, where they are called otherwise.
    roles
        Value of the column of roles -> role.
    rows
        The metadata as the study sees them.
    count
        A column of cell counts, if there is one.
    n_features
        The number of features.
    """

    features: tuple[str, ...] | None
    missing: Missing
    columns: Mapping[str, str]
    roles: Mapping[str, str]
    rows: pd.DataFrame
    count: str | None
    n_features: int


def init_tables(files: Sequence[Path], out: Path | None = None, *, controls: Sequence[str] = ()) -> Drafted:
    """Write a recipe for tables of vectors, one encoder each.

    Parameters
    ----------
    files
        Tables, .h5ad or .npz files, as in `read_embeddings`.
    out
        The folder for recipe.yaml; that of the first table if None.
    controls
        The perturbations that are negative controls; found by roles or names if none are given.

    Raises
    ------
    PhenolensError
        If a table cannot be read, their metadata are called differently, no task can be asked of them, or a recipe
        would be overwritten.
    """
    out = files[0].parent if out is None else out
    notes, names = Notes(), _names(files)
    looks = {name: _look_at(file, notes) for name, file in names.items()}
    first = next(iter(looks.values()))
    for name, look in looks.items():
        if (look.columns, look.roles) != (first.columns, first.roles):
            raise PhenolensError(
                f"{names[name]}: its columns are called otherwise than those of {files[0]}: "
                f"{dict(look.columns)}, not {dict(first.columns)}; make a recipe of each (--tables FILE)"
            )
    rows, negative = _with_controls(first.rows, controls, notes, files[0])
    reason = why_nothing_is_asked(rows)
    if reason is not None:
        there = ", ".join(map(str, rows.columns[:8])) or "none"
        raise PhenolensError(
            f"{files[0]}: no task can be asked: {reason}; its metadata are {there}; rename their columns to "
            "perturbation or label, or add them"
        )
    found = [
        f"{file}: {len(looks[name].rows)} rows, {looks[name].n_features} features, called {name}"
        for name, file in names.items()
    ]
    dataset = [
        "tables:",
        *(f"  {line}" for name, file in names.items() for line in _table(name, file, looks[name], out)),
    ]
    counted = next((name for name, look in looks.items() if look.count), None)
    if counted is not None and "cell-count" not in names:
        count = looks[counted].count
        entry = {"file": _relative(names[counted], out), "features": [count], "missing": "rows"}
        dataset.append(f"  cell-count: {as_yaml(entry)}  # the baseline that counts cells")
        notes.guess(f"the column '{count}' is the number of cells, and is used as that baseline")
    if first.columns:
        dataset.append(f"columns: {as_yaml(dict(first.columns))}")
    if first.roles:
        dataset.append(f"values: {as_yaml({'role': dict(first.roles)})}")
    if negative:
        dataset.append(f"negative_controls: {as_yaml(negative)}")
    about = f"Written by `phenolens init --tables`. {'. '.join(found)}."
    text = draft_recipe(Draft(" and ".join(names), about, dataset, notes, rows)).encode()
    path = out / RECIPE
    refuse_other(path, {text})
    out.mkdir(parents=True, exist_ok=True)
    write_whole(path, text)
    return Drafted((path,), tuple(found), tuple(notes.guesses), tuple(notes.missing), f"phenolens validate {path}")


def _names(files: Sequence[Path]) -> dict[str, Path]:
    """Return the name of the encoder of each file: that of the file, with its folder where several are called alike."""
    stems = {file: table_stem(file) for file in dict.fromkeys(files)}
    counts = Counter(stems.values())
    names = {
        stem if counts[stem] == 1 else f"{file.resolve().parent.name}_{stem}": file for file, stem in stems.items()
    }
    if len(names) < len(stems):
        raise PhenolensError(f"{', '.join(map(str, files))}: two tables are called alike; rename one of them")
    return names


def _look_at(path: Path, notes: Notes) -> _Look:
    """Read a table of vectors, and tell features from metadata by the names of columns."""
    vectors = read_unfinished(path).embeddings
    numbers = [str(name) for name in vectors.var_names]
    texts = vectors.obs
    # Plates and wells may be numbers, which stand among the features then.
    rows = pd.concat([texts, pd.DataFrame(np.asarray(vectors.X), texts.index, numbers)], axis=1)
    rows = rows.loc[:, ~rows.columns.duplicated()]
    columns = find_columns(rows, KNOWN, notes)
    if not set(columns.values()).isdisjoint(numbers):
        # Vectors are rounded to float32, in which long barcodes of two plates would be one.
        exact = read_unfinished(path, {*COLUMNS, *columns.values()}).embeddings.obs
        rows = rows.assign(**{each: exact[each] for each in columns.values() if each in exact})
    features, chosen = _features([each for each in numbers if each not in columns.values()], path, notes)
    if features is None and set(chosen) != set(numbers) - set(columns.values()):
        features = tuple(map(escape, chosen))
    missing = _missing(np.asarray(vectors.X)[:, np.isin(numbers, chosen)], path, notes)
    mapped = {name: column for name, column in columns.items() if name != column}
    metadata = rows.drop(columns=[each for each in chosen if each in rows])
    roles = find_roles(metadata[columns["role"]], notes) if "role" in columns else {}
    renamed = {value: role for value, role in roles.items() if value != role}
    metadata = map_metadata(metadata, mapped, {"role": renamed} if renamed else {}, path)
    count = next((str(each) for each in rows if plain_name(str(each)) in _COUNTS), None)
    return _Look(features, missing, mapped, renamed, metadata, count, len(chosen))


def _features(numbers: list[str], path: Path, notes: Notes) -> tuple[tuple[str, ...] | None, list[str]]:
    """Return the patterns of features, and the columns that match; None for patterns if names tell nothing.

    Raises
    ------
    EmbeddingError
        If there are no columns of numbers.
    """
    if all(_NO_FEATURE.search(name) for name in numbers):
        raise EmbeddingError(f"{path}: has no columns of numbers besides metadata; name a table of vectors")
    patterns: tuple[str, ...] = tuple(
        each for each in _CELLPROFILER if any(fnmatchcase(name, each) for name in numbers)
    )
    for expression, share in _PREFIXES.items():
        prefixes = Counter(found[1] for name in numbers if (found := re.match(expression, name)))
        prefix, n = prefixes.most_common(1)[0] if prefixes else ("", 0)
        if not patterns and prefix and n >= share * len(numbers) and not set(prefix) & set("*?["):
            patterns = (f"{prefix}*",)
    if patterns:
        chosen = [name for name in numbers if any(fnmatchcase(name, pattern) for pattern in patterns)]
        notes.guess(f"features of {path.name} are the {len(chosen)} columns {', '.join(patterns)}")
        others = [name for name in numbers if name not in chosen]
        if others:
            notes.guess(f"columns of numbers that are metadata, and no features: {listed(others, 8)}")
    else:
        chosen = [name for name in numbers if not _NO_FEATURE.search(name)]
        notes.guess(f"features of {path.name} are its {len(chosen)} columns of numbers: {listed(chosen, 5)}")
    odd = [name for name in chosen if _NO_FEATURE.search(name)]
    if odd:
        notes.guess(
            f"{len(odd)} of the features number objects or say where they lie, such as {odd[0]}: leave them out if so"
        )
    return patterns or None, chosen


def _missing(x: NDArray[np.floating], path: Path, notes: Notes) -> Missing:
    """Return how missing values are handled: few rows with any are left out, otherwise the median is taken."""
    bad = ~np.isfinite(x)
    if not bad.any():
        return "refuse"
    n_rows = int(bad.any(axis=1).sum())
    found = f"{n_rows} of {len(x)} rows of {path.name} have missing values"
    if n_rows <= _FEW_ROWS * len(x):
        notes.guess(f"{found}, and are left out")
        return "rows"
    notes.guess(f"{found}, which become the median of the feature")
    return "median"


def _with_controls(
    rows: pd.DataFrame, given: Sequence[str], notes: Notes, path: Path
) -> tuple[pd.DataFrame, list[str]]:
    """Return metadata with negative controls marked, and the perturbations that the recipe must name for that.

    Raises
    ------
    PhenolensError
        If a given control is not there, or roles say otherwise.
    """
    has_role = "role" in rows
    if has_role and (rows["role"] == NEGATIVE_CONTROL).any() and not given:
        return rows, []
    if "perturbation" not in rows:
        if given:
            raise PhenolensError(f"{path}: has no column of perturbations, of which {given[0]} (--controls) is one")
        return rows, []
    names = rows["perturbation"].dropna().astype(str).unique().tolist()
    controls = choose_controls(names, given, str(path))
    if has_role and given:
        unmarked = rows.loc[rows["perturbation"].isin(controls) & (rows["role"] != NEGATIVE_CONTROL), "perturbation"]
        if len(unmarked):
            raise PhenolensError(
                f"{path}: its column of roles does not mark {unmarked.iloc[0]} as negative control (--controls), and a "
                "recipe goes by roles; correct or remove this column"
            )
        return rows, []
    if not controls or has_role:
        # A recipe names controls by role if there is one, and by perturbation otherwise.
        notes.fill_in(
            "which rows are negative controls: without any, no activity is scored"
            + (
                f"; the column of roles marks none, although there is {controls[0]}"
                if controls
                else ", as in --controls DMSO"
            )
        )
        return rows, []
    if not given:
        notes.guess(f"negative controls are {listed(controls)}, by their names")
    role = np.where(rows["perturbation"].isin(controls), NEGATIVE_CONTROL, "treatment")
    return rows.assign(role=pd.Series(role, rows.index, dtype=object)), controls


def _table(name: str, file: Path, look: _Look, out: Path) -> list[str]:
    """Return the lines of one table in a recipe."""
    lines = [f"{as_yaml(name)}:", f"  file: {as_yaml(_relative(file, out))}"]
    if look.features is not None:
        lines.append(f"  features: {as_yaml(list(look.features))}")
    if look.missing != "refuse":
        lines.append(f"  missing: {look.missing}  # or refuse, rows, features, median")
    return lines


def _relative(file: Path, out: Path) -> str:
    return Path(os.path.relpath(file.resolve(), out.resolve())).as_posix()
