"""Known relations between entities such as genes, read from tables of pairs or of sets."""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from phenolens.core.errors import PhenolensError
from phenolens.metrics import distinct_pairs

_SUFFIXES = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".txt", ".parquet")
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
            files = sorted(file for file in path.iterdir() if file.name.lower().endswith(_SUFFIXES))
            if not files:
                raise PhenolensError(f"{path}: holds no table of relations ({', '.join(_SUFFIXES)})")
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
        A CSV, TSV or Parquet table, gzipped or not. If its first column is called complex, set, cluster, pathway,
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
    try:
        table = _read(path, path.stat().st_mtime_ns)
    except (OSError, ValueError, pd.errors.ParserError) as error:
        raise PhenolensError(f"{path}: cannot be read as relations: {str(error).splitlines()[0]}") from error
    if table.shape[1] < 2 or not len(table):
        raise PhenolensError(f"{path}: relations need two columns and a row, found {table.shape[1]} and {len(table)}")
    named = [column for column in ("entity1", "entity2") if column in table]
    rest = [column for column in table if column not in named and not str(column).startswith("Unnamed: ")]
    table = table[named + rest]
    first, second = table.columns[:2]
    if not _SET_COLUMN.match(str(first)):
        pairs = table.rename(columns={first: "entity1", second: "entity2"})
        return pairs.dropna(subset=["entity1", "entity2"]).astype({"entity1": str, "entity2": str})
    members = table.dropna(subset=[first, second]).astype({second: str}).groupby(first, sort=False)[second]
    rows = [pair for _, names in members for pair in combinations(names.unique(), 2)]
    return pd.DataFrame(rows, columns=["entity1", "entity2"])


@lru_cache(maxsize=32)
def _read(path: Path, _modified: int) -> pd.DataFrame:
    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    separator = "\t" if ".tsv" in path.name.lower() else ","
    return pd.read_csv(path, sep=separator)


def read_translation(path: Path) -> dict[str, list[str]]:
    """Read a table of entities (first column) and their names in the relations (second); return name -> entities."""
    table = read_relations(path)
    return {str(name): sorted(set(entities)) for name, entities in table.groupby("entity2")["entity1"]}


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
