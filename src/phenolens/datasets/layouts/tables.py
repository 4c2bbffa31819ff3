"""Images that a table beside them names."""

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import pandas as pd

from phenolens.core.errors import ManifestError
from phenolens.core.numbers import listed
from phenolens.datasets.columns import as_names, python_text
from phenolens.datasets.layouts.image_files import ImageFiles
from phenolens.datasets.layouts.known_columns import KNOWN
from phenolens.datasets.layouts.layout import Layout, Notes
from phenolens.datasets.layouts.platemap import with_known_columns
from phenolens.datasets.schema import IMAGE_COLUMN, IMAGE_PREFIX
from phenolens.datasets.table_file import read_rows

NAME = "table"

_PREFIX = re.compile(r"^(image_)?(file_?name|url|path_?name|image)_(orig)?", re.IGNORECASE)
_MASK = re.compile(r"(mask|label|segmentation|outline)", re.IGNORECASE)
_LEAST_NAMED = 0.9  # of the cells of a column of images
_LEAST_OF_ALL = 0.5  # of all images, by a column of names without suffixes


def find_tables(files: ImageFiles, given: Path | None) -> list[Layout]:
    """Return how each table beside the images explains them; a table that names none of them explains nothing.

    Parameters
    ----------
    files
        The image files, and the tables beside them.
    given
        The only table to look at, wherever it is.

    Raises
    ------
    ManifestError
        If the given table cannot be read, or names no images.
    """
    if given is not None:
        layout = _read(files, given)
        if layout is None:
            raise ManifestError(
                f"{given}: no column of it names images below {files.folder}, such as {files.images[0]}; name the "
                "folder to which its paths are relative"
            )
        return [layout]
    found = []
    for path in files.tables:
        try:
            found.append(_read(files, path))
        except ManifestError:  # whatever else lies beside images need not be readable
            continue
    return [layout for layout in found if layout is not None]


def _read(files: ImageFiles, path: Path) -> Layout | None:
    rows = python_text(read_rows(path, "a table", ManifestError)).reset_index(drop=True)
    places = _places(files)
    named = {}
    for column in rows:
        cells = as_names(rows[column])
        images = [None if cell is None else _find(cell, places) for cell in cells]
        n_named, n_cells = sum(image is not None for image in images), int(cells.notna().sum())
        # Numbers may be names of files without their suffix by chance.
        is_path = cells.str.contains(".", regex=False).any()
        if n_cells and n_named >= _LEAST_NAMED * n_cells and (is_path or n_named >= _LEAST_OF_ALL * len(files.images)):
            named[str(column)] = pd.Series(images, rows.index, dtype=object)
    masks = [column for column in named if _MASK.search(column)] if len(named) > 1 else []
    images_of: dict[str, pd.Series[object]] = {}
    for column, values in named.items():
        # Names and addresses of the same images stand side by side in the tables of CellProfiler.
        if column not in masks and not any(values.equals(other) for other in images_of.values()):
            images_of[column] = values
    if not images_of:
        return None
    return _as_layout(rows, images_of, {column: named[column] for column in masks}, path, files)


def _places(files: ImageFiles) -> dict[str, str | None]:
    """Return each way to write the path of an image -> the image; None if it could be several."""
    places: dict[str, str | None] = {}
    for image in files.images:
        path = PurePosixPath(image)
        parts = path.parts
        tails = ["/".join(parts[start:]) for start in range(len(parts))]
        for tail in {*tails, path.stem}:
            places[tail] = image if tail not in places else None
        places[f"{files.folder.name}/{image}"] = image
    return places


def _find(cell: str, places: dict[str, str | None]) -> str | None:
    """Return the image that a cell names, by the longest end of its path that there is."""
    parts = cell.replace("\\", "/").removeprefix("./").split("/")
    for start in range(len(parts)):
        tail = "/".join(parts[start:])
        if tail in places:
            return places[tail]
    return None


def _as_layout(
    rows: pd.DataFrame,
    images_of: dict[str, "pd.Series[object]"],
    masks: dict[str, "pd.Series[object]"],
    path: Path,
    files: ImageFiles,
) -> Layout:
    notes = Notes()
    columns = _image_columns(list(images_of))
    table = with_known_columns(rows.drop(columns=[*images_of, *masks]), KNOWN, notes)
    for column, called in columns.items():
        table[called] = images_of[column]
    if "well" in table and "plate" not in table:
        table["plate"] = files.folder.resolve().name
        notes.guess(f"{path.name} names wells and no plates: all are of one, called {files.folder.resolve().name}")
    if masks:
        first = next(iter(masks))
        table["mask"] = masks[first]
        notes.guess(f"the column '{first}' names masks of nuclei")
    notes.guess(f"the images are those in the columns {listed(list(images_of), 8)} of {path.name}")
    lacking = table[list(columns.values())].isna().any(axis=1)
    if lacking.all():
        raise ManifestError(
            f"{path}: no row of it names an image in each of the columns {listed(list(images_of), 8)}; fill them in, "
            "or leave out columns"
        )
    if lacking.any():
        cell = rows.loc[lacking, next(iter(images_of))].iloc[0]
        notes.guess(
            f"{lacking.sum()} of {len(rows)} rows of {path.name} name no image that is there, such as '{cell}', and "
            "are left out"
        )
    table = table[~lacking].reset_index(drop=True)
    table = _with_ids(table, columns)
    explained = {
        image for called in (*columns.values(), *(["mask"] if masks else [])) for image in table[called].dropna()
    }
    return Layout(NAME, f"the table {path.name} beside the images", frozenset(explained), table, notes)


def _image_columns(names: Sequence[str]) -> dict[str, str]:
    """Return column of images -> its name in a manifest: ``image``, or one for each channel."""
    if len(names) == 1:
        return {names[0]: IMAGE_COLUMN}
    channels = {name: re.sub(r"\W+", "_", _PREFIX.sub("", name)).strip("_") or name for name in names}
    if len(set(channels.values())) < len(channels):
        channels = {name: re.sub(r"\W+", "_", name) for name in names}
    return {name: f"{IMAGE_PREFIX}{channel}" for name, channel in channels.items()}


def _with_ids(table: pd.DataFrame, columns: dict[str, str]) -> pd.DataFrame:
    """Name rows by their wells, or else by their images."""
    if "site_id" in table and table["site_id"].notna().all() and table["site_id"].is_unique:
        return table
    table = table.drop(columns="site_id", errors="ignore")
    for keys in (["plate", "well"], ["plate", "well", "site"]):
        if set(keys) <= set(table) and not table.duplicated(keys).any() and table[keys].notna().all(axis=None):
            return _first_column(table, table[keys].astype(str).agg("_".join, axis=1))
    image = table[next(iter(columns.values()))]
    ids = image if image.is_unique else image + "#" + image.groupby(image).cumcount().astype(str)
    return _first_column(table, ids)


def _first_column(table: pd.DataFrame, ids: "pd.Series[str]") -> pd.DataFrame:
    return table.assign(site_id=ids)[["site_id", *table.columns]]
