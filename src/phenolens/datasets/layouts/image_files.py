"""The image files below a folder, and what else lies there."""

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from phenolens.core.errors import ManifestError
from phenolens.datasets.table_file import TABLES, table_suffix
from phenolens.images import IMAGE_SUFFIXES, is_zarr

_THUMBNAIL = re.compile(r"(^|[_. -])thumb(nail)?s?([_. -]|\d|$)", re.IGNORECASE)
_ILLUMINATION = re.compile(r"^(?:DC|SC|SHD)_.*_(?:CAM|CH)\d+\.tiff?$|(?:^|[_-])illum", re.IGNORECASE)
_MICROSCOPES = (".czi", ".nd2", ".lif", ".lsm", ".flex", ".c01", ".stk", ".dv", ".vsi", ".oib", ".ims")
_SLIDES = (".svs", ".ndpi", ".mrxs", ".scn")
_NOT_READ = (".bmp", ".dib", ".gif", ".webp", *_MICROSCOPES, *_SLIDES)
_RESULTS = "results.json"
_LARGEST_TABLE = 2**28  # bytes


@dataclass(frozen=True)
class ImageFiles:
    """What lies below a folder.

    Attributes
    ----------
    folder
        The folder.
    images
        Image files and OME-Zarr folders, relative to it, sorted.
    tables
        The tables that lie in it, but not below it.
    skipped
        Why files are no images of the data set -> how many.
    """

    folder: Path
    images: tuple[str, ...]
    tables: tuple[Path, ...]
    skipped: Mapping[str, int]


def list_image_files(folder: Path) -> ImageFiles:
    """List the image files below a folder.

    Hidden files, thumbnails and images of the illumination are left out; OME-Zarr folders count as one image.

    Raises
    ------
    ManifestError
        If there is no such folder, it is the results folder of a study, or no image is in it.
    """
    if not folder.is_dir():
        found = "is a file; name the folder that it lies in" if folder.exists() else "no such folder; check its name"
        raise ManifestError(f"{folder}: {found}")
    if (folder / _RESULTS).is_file():
        raise ManifestError(f"{folder}: holds the results of a study ({_RESULTS}); name the folder of its images")
    images: list[str] = []
    skipped: Counter[str] = Counter()
    for path, is_array in _walk(folder):
        why = _why_skipped(path, is_array)
        if why is None:
            images.append(path)
        elif why:
            skipped[why] += 1
    if not images:
        others = "".join(f", but {n} {why}" for why, n in skipped.items())
        raise ManifestError(
            f"{folder}: no image in it or below it ({', '.join(IMAGE_SUFFIXES)} or OME-Zarr){others}; name another "
            "folder, or convert images to TIFF"
        )
    files = sorted(each for each in folder.iterdir() if each.is_file() and not each.name.startswith("."))
    tables = [each for each in files if table_suffix(each) in TABLES]
    read = tuple(each for each in tables if each.stat().st_size <= _LARGEST_TABLE)
    if len(read) < len(tables):
        skipped["tables that are too large to list images (--table)"] = len(tables) - len(read)
    return ImageFiles(folder, tuple(sorted(images)), read, dict(skipped))


def _walk(folder: Path) -> Iterator[tuple[str, bool]]:
    """Yield the files below a folder, and the OME-Zarr folders, into which it does not go; and whether it is such."""
    if is_zarr(folder):
        yield ".", True
        return
    for root, folders, files in os.walk(folder):
        here = Path(root)
        seen = sorted(name for name in folders if not name.startswith("."))
        arrays = [name for name in seen if is_zarr(here / name)]
        folders[:] = [name for name in seen if name not in arrays]
        for name in (*arrays, *sorted(files)):
            yield (here / name).relative_to(folder).as_posix(), name in arrays


def _why_skipped(path: str, is_array: bool) -> str | None:
    """Return why a file is no image of the data set; None if it is one, empty if nobody would take it for one."""
    name = path.rsplit("/", 1)[-1]
    suffix = Path(name).suffix.lower()
    if suffix in _NOT_READ:
        return f"{suffix} files, which are not read"
    if not is_array and (name.startswith(".") or suffix not in IMAGE_SUFFIXES):
        return ""
    if not path.isprintable():  # it could not be written to a table, or not be read from it
        return "files whose names are no text in one line"
    parts = path.split("/")
    if any(_THUMBNAIL.search(part) for part in (Path(name).stem, *parts[:-1])):
        return "thumbnails"
    if any(_ILLUMINATION.search(part) for part in parts):
        return "images of the illumination"
    return None
