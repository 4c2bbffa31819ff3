"""The manifest: a table with one row per imaged site, validated before any work starts."""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Real
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import yaml
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from phenolens.core.errors import ManifestError, did_you_mean
from phenolens.core.random import spawn
from phenolens.datasets.cell_table import CellTable
from phenolens.datasets.class_folders import list_class_folders
from phenolens.datasets.columns import as_names, column_name, python_text
from phenolens.datasets.metadata import tidy_metadata
from phenolens.datasets.roles import is_control_name, role_named
from phenolens.datasets.schema import IMAGE_COLUMN, IMAGE_PREFIX, NEGATIVE_CONTROL, VOCABULARIES, ManifestRow
from phenolens.datasets.table_file import read_rows
from phenolens.images import file_of

_FIRST_DATA_LINE = 2  # row numbers in messages are those of a spreadsheet, whose first line is the header
_MOST_ERRORS = 5

_ROWS = TypeAdapter(list[ManifestRow])


@dataclass(frozen=True, eq=False)
class Manifest:
    """A validated table of imaged sites.

    Attributes
    ----------
    table
        One row per site, indexed by `site_id`: the columns of `ManifestRow` in the file, all others, and
        the image columns.
    root
        The folder that image paths are relative to.
    source
        The file, or the folder of class folders, that it was read from.
    names
        Channel names for multi-channel files that do not hold names.
    cells
        The cells of the sites, if a table of them was given.
    """

    table: pd.DataFrame
    root: Path
    source: Path
    names: tuple[str, ...] | None = None
    cells: CellTable | None = None

    def __len__(self) -> int:
        return len(self.table)

    @property
    def image_columns(self) -> tuple[str, ...]:
        """The columns that name image files."""
        return _image_columns(self.table.columns)

    def images(self, row: int) -> Path | dict[str, Path]:
        """Return the image file of one row, or its file per channel."""
        files = {column: self.root / self.table[column].iat[row] for column in self.image_columns}
        if IMAGE_COLUMN in files:
            return files[IMAGE_COLUMN]
        return {column.removeprefix(IMAGE_PREFIX): path for column, path in files.items()}

    def part(self, group: str, part: Literal["train", "test"], test_share: float = 0.5, seed: int = 0) -> "Manifest":
        """Return the rows of the groups that are assigned to one part.

        The part of a group depends only on its name and the seed, so that it does not change when rows are added.

        Parameters
        ----------
        group
            The column of groups, each of which is in one part only.
        part
            ``train`` or ``test``.
        test_share
            The approximate share of groups in the test part.
        seed
            The seed of the assignment.

        Raises
        ------
        ManifestError
            If there is no such column, it has missing values, or no group is assigned to the part.
        """
        if group not in self.table:
            raise ManifestError(f"{self.source}: no column '{group}' to split rows by{did_you_mean(group, self.table)}")
        names = self.table[group]
        if names.isna().any():
            raise ManifestError(f"{self.source}: row {_first(names.isna())} has no '{group}', by which rows are split")
        is_test = {name: spawn(seed, "part", str(name)).random() < test_share for name in names.unique()}
        chosen = names.map(is_test) == (part == "test")
        if not chosen.any():
            raise ManifestError(
                f"{self.source}: none of {len(is_test)} values of '{group}' is in the part '{part}'; change the seed"
            )
        return replace(self, table=self.table[chosen])

    def take(self, rows: NDArray[np.intp]) -> "Manifest":
        """Return the given rows, by number."""
        return replace(self, table=self.table.iloc[rows])

    def without_masks(self) -> "Manifest":
        """Return the same sites without their masks."""
        return replace(self, table=self.table.drop(columns="mask", errors="ignore"))

    def mpp(self, row: int) -> float | None:
        """Return the microns per pixel of one row; None if they are unknown."""
        value = self.table["mpp"].iat[row] if "mpp" in self.table else None
        return None if value is None or pd.isna(value) else float(value)

    def mask(self, row: int) -> Path | None:
        """Return the file of instance labels of one row; None if the manifest has no masks.

        Raises
        ------
        ManifestError
            If it has masks, but not for this row.
        """
        if "mask" not in self.table:
            return None
        name = self.table["mask"].iat[row]
        if name is None or pd.isna(name):
            raise ManifestError(f"{self.table.index[row]}: has no mask, although the manifest has a column of masks")
        return self.root / str(name)

    @property
    def controls(self) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Mask (n,) of the negative controls; all False if the manifest has no roles."""
        if "role" not in self.table:
            return np.zeros(len(self), dtype=bool)
        return (self.table["role"] == NEGATIVE_CONTROL).to_numpy()

    @property
    def fingerprint(self) -> str:
        """A hash of the rows and of size and time of all image files, by which outdated results are recognised."""
        digest = hashlib.sha256(self.table.to_csv().encode())
        digest.update(repr(self.names).encode())
        if self.cells is not None:
            stat = self.cells.source.stat()
            digest.update(f"{self.cells.source.name}:{stat.st_size}:{stat.st_mtime_ns}".encode())
            digest.update(repr((self.cells.type_names, self.cells.morphology_names)).encode())
        for column in self._file_columns:
            for name in self.table[column].dropna():
                for path in _files_in(file_of(self.root / name)):
                    stat = path.stat()
                    digest.update(f"{stat.st_size}:{stat.st_mtime_ns}".encode())
        return digest.hexdigest()[:16]

    @property
    def _file_columns(self) -> tuple[str, ...]:
        return (*self.image_columns, "mask") if "mask" in self.table else self.image_columns

    def missing_files(self) -> list[str]:
        """Return one line for each image that is no file or folder, naming row and column."""
        lines = []
        for column in self._file_columns:
            for row, name in enumerate(self.table[column]):
                path = None if name is None else file_of(self.root / name)
                # Named pipes and devices exist too, but are neither.
                if path is not None and not path.is_file() and not path.is_dir():
                    found = "no regular file" if path.exists() else "no file"
                    lines.append(f"row {row + _FIRST_DATA_LINE}, column '{column}': {found} {self.root / name}")
        return lines

    def check_files(self) -> None:
        """Raise `ManifestError` if image files are missing, naming the first of them."""
        if missing := self.missing_files():
            more = f"; and {len(missing) - 3} more" if len(missing) > 3 else ""
            raise ManifestError(f"{self.source}: {'; '.join(missing[:3])}{more}")


def read_manifest(
    path: str | Path,
    *,
    columns: Mapping[str, str] | None = None,
    values: Mapping[str, Mapping[str, str]] | None = None,
    names: Sequence[str] | None = None,
    cells: CellTable | None = None,
) -> Manifest:
    """Read and validate a manifest.

    Parameters
    ----------
    path
        A table, as in `read_table`; or a folder of class folders, as in `list_class_folders`.
    columns
        Manifest column -> column of the file, for tables with other names. A value with braces is a template, filled
        from the row: ``{"site_id": "{plate}_{well}"}``.
    values
        Manifest column -> {value in the file: value in the manifest}, applied after `columns`.
    names
        Channel names for multi-channel files that do not hold names.
    cells
        The cells of the sites; the manifest then does not need images.

    Raises
    ------
    ManifestError
        If the file cannot be read, a row violates the schema, or the table of cells is of other sites; the message
        names row and column.
    """
    path = Path(path)
    is_folder = path.is_dir()
    table = list_class_folders(path) if is_folder else _read_rows(path)
    table = map_metadata(table, columns or {}, values or {}, path)
    table = _validated(table, path, needs_images=cells is None)
    if cells is not None and not any(site in cells.rows for site in table.index):
        raise ManifestError(
            f"{cells.source}: has no cells of the sites of {path}: its first site is '{next(iter(cells.rows))}', "
            f"the manifest's is '{table.index[0]}'"
        )
    return Manifest(table, path if is_folder else path.parent, path, tuple(names) if names else None, cells)


def rows_without_images(table: pd.DataFrame, source: Path) -> Manifest:
    """Return the metadata of existing vectors as a manifest that names no file.

    Vectors carry the columns of the manifest that they were made from. What these name lies elsewhere, or is chosen by
    whoever wrote the table: no path of a table of vectors is opened.

    Parameters
    ----------
    table
        The metadata of the vectors, one row for each.
    source
        The file that the vectors were read from.
    """
    files = [column for column in table if column in (IMAGE_COLUMN, "mask") or column.startswith(IMAGE_PREFIX)]
    return Manifest(table.drop(columns=files), source.parent, source)


def condition_names(table: pd.DataFrame) -> "pd.Series[str]":
    """Return the condition of each row: perturbation, dose and unit, e.g. ``wortmannin 62.5 nM``.

    Parameters
    ----------
    table
        Rows with a column `perturbation` and optionally `dose` and `dose_unit`. Rows without a perturbation have an
        empty name.
    """
    name = table["perturbation"].astype(object).fillna("").astype(str)
    if "dose" not in table:
        return name
    unit = table["dose_unit"].astype(object).fillna("") if "dose_unit" in table else ""
    return (name + table["dose"].map(_dose_text).astype(str) + unit).str.rstrip()


def _dose_text(dose: object) -> str:
    """Return a dose as text between spaces; in tables of vectors, doses may be text already."""
    if pd.isna(dose):
        return ""
    return f" {dose:g} " if isinstance(dose, Real) else f" {dose} "


def treated(table: pd.DataFrame) -> "pd.Series[bool]":
    """Return which rows are treated: neither negative controls nor empty wells."""
    if "role" not in table:
        return pd.Series(data=True, index=table.index)
    return ~table["role"].astype(object).isin([NEGATIVE_CONTROL, "empty"])


def _read_rows(path: Path) -> pd.DataFrame:
    """Read a table, and give its rows numbers."""
    if not path.is_file():
        raise ManifestError(f"no manifest at {path}")
    return read_rows(path, "a table", ManifestError).reset_index(drop=True)


def map_metadata(
    table: pd.DataFrame, columns: Mapping[str, str], values: Mapping[str, Mapping[str, str]], source: Path
) -> pd.DataFrame:
    """Return metadata with the columns and values of manifests, and as `tidy_metadata` leaves them.

    Parameters
    ----------
    table
        The rows of a file.
    columns, values
        As in `read_manifest`.
    source
        The file, for messages.

    Raises
    ------
    ManifestError
        If the table lacks a named column.
    """
    table = _with_columns(python_text(table), columns, source)
    for column, mapping in values.items():
        if column not in table:
            raise ManifestError(f"{source}: values are given for column '{column}', which is missing")
        table[column] = as_names(table[column]).replace(dict(mapping))
    return tidy_metadata(table, source)


def _with_columns(table: pd.DataFrame, columns: Mapping[str, str], source: Path) -> pd.DataFrame:
    """Add columns that are copies of others, or templates filled from several, such as ``{plate}_{well}``."""
    mapped = table.copy(deep=False)
    for column, origin in columns.items():
        origins = {name: column_name(name) for name in column_origins(origin)}
        for name, called in origins.items():
            if called not in table:
                raise ManifestError(
                    f"{source}: column '{column}' is mapped from '{name}', which is missing"
                    f"{did_you_mean(called, table.columns)}"
                )
        if [*origins] == [origin]:
            mapped[column] = table[origins[origin]]
        else:
            names = {name: as_names(table[called]).tolist() for name, called in origins.items()}
            rows = (dict(zip(names, row, strict=True)) for row in zip(*names.values(), strict=True))
            mapped[column] = [_fill(origin, row) for row in rows]
    return mapped


def column_origins(origin: str) -> list[str]:
    """Return the columns that a mapped column is filled from.

    Examples
    --------
    >>> column_origins("{plate}_{well}"), column_origins("compound")
    (['plate', 'well'], ['compound'])
    """
    return re.findall(r"{([^{}]+)}", origin) or [origin]


def _fill(template: str, row: Mapping[str, str | None]) -> str | None:
    """Fill in plain column names only: `str.format` would let untrusted templates access attributes."""
    if None in row.values():
        return None
    return re.sub(r"{([^{}]+)}", lambda match: str(row[match[1]]), template)


def _validated(table: pd.DataFrame, path: Path, *, needs_images: bool) -> pd.DataFrame:
    """Return the table with typed columns, indexed by site_id; errors name the rows and columns."""
    if table.empty:
        raise ManifestError(f"{path}: has no rows")
    if "site_id" not in table:
        raise ManifestError(
            f"{path}: has no column 'site_id'; add it or map it from others, e.g. columns: "
            f"{{site_id: {table.columns[0]}}}{did_you_mean('site_id', table.columns)}"
        )
    images = _image_columns(table.columns)
    if not images and needs_images:
        raise ManifestError(f"{path}: has no column 'image' nor any 'image_<channel>', and no table of cells is given")
    known = [column for column in table.columns if column in ManifestRow.model_fields]
    if "role" in table:
        _refuse_unknown_roles(table["role"], path)
    try:
        rows = _ROWS.validate_python(table[known].to_dict("records"))
    except ValidationError as error:
        raise ManifestError(f"{path}: {_describe(error)}") from error
    table = table.copy()
    for column in known:
        table[column] = pd.Series([getattr(row, column) for row in rows], index=table.index)
    for column in images:
        empty = table[column].isna()
        if empty.any():
            raise ManifestError(f"{path}: row {_first(empty)}, column '{column}': no image file is named")
        table[column] = as_names(table[column])
    repeated = table["site_id"].duplicated()
    if repeated.any():
        site_id = table["site_id"][repeated].iloc[0]
        at = np.flatnonzero(table["site_id"] == site_id) + _FIRST_DATA_LINE
        raise ManifestError(f"{path}: column 'site_id': '{site_id}' is in rows {', '.join(map(str, at))}")
    return table.set_index("site_id", drop=False).rename_axis(None)


def _refuse_unknown_roles(roles: "pd.Series[Any]", path: Path) -> None:
    """Refuse values that are no roles, with the line that says what they mean."""
    allowed = VOCABULARIES["role"]
    unknown = [value for value in roles.dropna().unique() if value not in allowed]
    if not unknown:
        return
    shown = unknown[:_MOST_ERRORS]
    meant = {str(value): _role_of(str(value)) for value in shown}
    line = yaml.safe_dump({"values": {"role": meant}}, default_flow_style=True, width=1000, sort_keys=False).strip()
    more = f" and {len(unknown) - len(shown)} more" if len(unknown) > len(shown) else ""
    raise ManifestError(
        f"{path}: column 'role' holds {', '.join(map(repr, shown))}{more}; roles are {', '.join(allowed)}. Say in the "
        f"recipe, under dataset, what each means, such as {line[1:-1]}"
    )


def _role_of(value: str) -> str:
    return role_named(value) or ("negative_control" if is_control_name(value) else "treatment")


def _files_in(path: Path) -> list[Path]:
    """Return a file, or all files of an image that is a folder; none if it does not exist."""
    if path.is_dir():
        return sorted(each for each in path.rglob("*") if each.is_file())
    return [path] if path.exists() else []


def _image_columns(columns: Iterable[str]) -> tuple[str, ...]:
    if IMAGE_COLUMN in columns:
        return (IMAGE_COLUMN,)
    return tuple(column for column in columns if column.startswith(IMAGE_PREFIX))


def _first(mask: "pd.Series[bool]") -> int:
    return int(np.flatnonzero(mask)[0]) + _FIRST_DATA_LINE


def _describe(error: ValidationError) -> str:
    """Put the first errors of pydantic on one line, with row, column and what was found."""
    parts = []
    for item in error.errors()[:_MOST_ERRORS]:
        row, column, *_ = item["loc"]
        message = item["msg"][0].lower() + item["msg"][1:]
        parts.append(f"row {int(row) + _FIRST_DATA_LINE}, column '{column}': {message}, found {item['input']!r}")
    more = error.error_count() - len(parts)
    return "; ".join(parts) + (f"; and {more} more" if more else "")
