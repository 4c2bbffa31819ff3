"""Known relations between entities such as genes, read from tables of pairs or of sets."""

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from phenolens.core.errors import PhenolensError, reason_of
from phenolens.datasets import (
    TABLES,
    as_names,
    describe_look_alikes,
    describe_replaced_names,
    read_rows,
    read_text,
    table_suffix,
)
from phenolens.metrics import distinct_pairs

_GMT = ".gmt"
_SET_COLUMN = re.compile(r"^(complex|set|cluster|pathway|module|term|group)([_ ]?(id|name))?$", re.IGNORECASE)


def relation_files(paths: Sequence[Path]) -> dict[str, Path]:
    """Return source name -> file, for the given files and all tables in the given folders.

    Raises
    ------
    PhenolensError
        If a path does not exist, a folder holds no table, or two tables have one name.
    """
    found: dict[str, Path] = {}
    for path in paths:
        if path.is_dir():
            files = sorted(file for file in path.iterdir() if table_suffix(file) in (*TABLES, _GMT))
            if not files:
                raise PhenolensError(f"{path}: holds no table of relations ({', '.join((*TABLES, _GMT))})")
        elif path.is_file():
            files = [path]
        else:
            raise PhenolensError(f"no relations at {path}")
        for file in files:
            name = file.name.split(".")[0]
            if found.setdefault(name, file) != file:
                raise PhenolensError(f"{file} and {found[name]} are both called '{name}'; rename one")
    return found


def read_relations(path: Path) -> pd.DataFrame:
    """Read a table of related pairs, or of sets and their members.

    Parameters
    ----------
    path
        A table, as in `read_table`, or a ``.gmt`` file. If its first column is called complex, set, cluster, pathway,
        module, term or group, all members of a set are related. Otherwise the columns entity1 and entity2 (or, without
        them, the first two) are the related pairs, and further columns are kept.

    Returns
    -------
    Rows with entity1, entity2 and any further columns.

    Raises
    ------
    PhenolensError
        If it cannot be read or has fewer than two columns or no rows.
    """
    if table_suffix(path) == _GMT:
        return _pairs_of(read_sets(path))
    table = read_rows(path, "relations", keep=True)
    if table.shape[1] < 2 or not len(table):
        raise PhenolensError(f"{path}: relations need two columns and a row, found {table.shape[1]} and {len(table)}")
    named = [column for column in ("entity1", "entity2") if column in table]
    table = table[named + [column for column in table if column not in named]]
    first, second = table.columns[:2]
    if _SET_COLUMN.match(str(first)):
        return _pairs_of(_members_of(table))
    pairs = table.rename(columns={first: "entity1", second: "entity2"})
    ends = {column: as_names(pairs[column]) for column in ("entity1", "entity2")}
    return pairs.assign(**ends).dropna(subset=list(ends))


def _pairs_of(sets: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Return all pairs of members of the same set."""
    rows = [pair for members in sets.values() for pair in combinations(members, 2)]
    return pd.DataFrame(rows, columns=["entity1", "entity2"])


def read_sets(path: Path) -> dict[str, list[str]]:
    """Read a table of complexes, pathways or other sets and their members.

    Parameters
    ----------
    path
        A table, as in `read_table`, with a row for each member, whose first column is called complex, set, cluster,
        pathway, module, term or group; a ``.gmt`` file; or lines without a header, a name and, behind a tab, members
        separated by blanks, as those of EFAAR.

    Returns
    -------
    Set -> its members, each once.

    Raises
    ------
    PhenolensError
        If it cannot be read as sets.
    """
    if table_suffix(path) == _GMT:
        return _rows_of_sets(path, "\t", first=1)  # before the members stands a description, which may be empty
    table = read_rows(path, "sets", keep=True)
    if table.shape[1] >= 2 and _SET_COLUMN.match(str(table.columns[0])):
        return _members_of(table)
    if table.shape[1] == 2 and table_suffix(path) in (".tsv", ".txt", ".tab"):
        sets = _rows_of_sets(path, " ")
        if any(len(members) > 1 for members in sets.values()):  # else it is a table of pairs
            return sets
    raise PhenolensError(
        f"{path}: is no table of sets; its first column must be called complex, set, cluster, pathway, module, term or "
        f"group, found '{table.columns[0]}'"
    )


def _members_of(table: pd.DataFrame) -> dict[str, list[str]]:
    """Return set -> its members, each once, of a table whose first two columns hold these."""
    first, second = table.columns[:2]
    rows = pd.DataFrame({"set": as_names(table[first]), "member": as_names(table[second])}).dropna()
    return {str(name): members.unique().tolist() for name, members in rows.groupby("set", sort=False)["member"]}


def _rows_of_sets(path: Path, separator: str, first: int = 0) -> dict[str, list[str]]:
    """Return set -> what follows its name and a tab on its line, from the given number on, each once."""
    try:
        lines = read_text(path).splitlines()
    except (OSError, ValueError) as error:
        raise PhenolensError(f"{path}: cannot be read as sets: {reason_of(error)}") from error
    sets: dict[str, list[str]] = {}
    for line in lines:
        name, _, members = line.partition("\t")
        if name.strip():
            named = map(str.strip, members.split(separator)[first:])
            sets[name.strip()] = [*dict.fromkeys(member for member in named if member)]
    return sets


def read_translation(path: Path) -> dict[str, list[str]]:
    """Read a table of entities (first column) and their names in the relations (second); return name -> entities."""
    table = read_relations(path)
    return {str(name): sorted(set(entities)) for name, entities in table.groupby("entity2")["entity1"]}


def spelling_note(names: Iterable[str], entities: Iterable[str], of: str = "relations") -> str:
    """Return which names are not found among entities for their spelling alone; empty if none.

    Parameters
    ----------
    names
        The names in relations, or the members of sets.
    entities
        The names of perturbations, or of what relations are translated from.
    of
        What the names are of.
    """
    names = list(names)
    found = describe_look_alikes(names, entities), describe_replaced_names(names)
    return "; ".join(f"names of {of}: {text}" for text in found if text)


def related_names(relations: Iterable[pd.DataFrame]) -> list[str]:
    """Return the distinct names in tables of relations, as `read_relations` returns them."""
    return pd.unique(np.concatenate([table[["entity1", "entity2"]].to_numpy().ravel() for table in relations])).tolist()


def pairs_among(
    relations: pd.DataFrame, entities: Sequence[str], translation: Mapping[str, Sequence[str]] | None = None
) -> NDArray[np.intp]:
    """Return the distinct related pairs (m, 2) of row numbers of `entities`.

    Parameters
    ----------
    relations
        Rows with entity1 and entity2.
    entities
        The names of the rows, each once.
    translation
        Name in the relations -> the entities that it stands for.

    Raises
    ------
    PhenolensError
        If two entities have the same name.
    """
    number = {name: row for row, name in enumerate(entities)}
    if len(number) < len(entities):
        twice = next(name for row, name in enumerate(entities) if number[name] != row)
        raise PhenolensError(f"'{twice}' names more than one row; average them first")
    if translation is None:
        known = pd.Series(number, dtype="int64")
        first, second = relations["entity1"].map(known), relations["entity2"].map(known)
        both = first.notna() & second.notna()
        return distinct_pairs(np.stack([first[both], second[both]], axis=1).astype(np.intp))
    meant = {name: [number[entity] for entity in known if entity in number] for name, known in translation.items()}
    pairs: list[Any] = [
        (one, other)
        for a, b in relations[["entity1", "entity2"]].itertuples(index=False)
        for one in meant.get(a, ())
        for other in meant.get(b, ())
    ]
    return distinct_pairs(np.array(pairs, dtype=np.intp).reshape(-1, 2))
