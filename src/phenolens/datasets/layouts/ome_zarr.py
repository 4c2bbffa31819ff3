"""OME-Zarr plates."""

import re
from pathlib import Path, PurePosixPath

import pandas as pd

from phenolens.core.errors import ImageError, ManifestError
from phenolens.core.numbers import listed
from phenolens.datasets.layouts.image_files import ImageFiles
from phenolens.datasets.layouts.layout import Layout, Notes
from phenolens.datasets.schema import IMAGE_COLUMN
from phenolens.datasets.wells import parse_well, spell_well
from phenolens.images import IMAGE_SUFFIXES, Field, list_fields

NAME = "ome-zarr-plate"


def find_ome_zarr(files: ImageFiles) -> Layout | None:
    """Return the fields of the OME-Zarr plates among the images, or None if there is no plate.

    Raises
    ------
    ManifestError
        If the metadata of an OME-Zarr folder cannot be read.
    """
    fields_of: dict[str, list[Field]] = {}
    for image in files.images:
        if PurePosixPath(image).suffix.lower() in IMAGE_SUFFIXES:
            continue
        try:
            fields = list_fields(files.folder / image)
        except ImageError as error:
            raise ManifestError(f"{error}; or move it away") from error
        if fields:
            fields_of[image] = fields
    rows = []
    plates = _plate_names(list(fields_of), files.folder)
    for image, fields in fields_of.items():
        plate = plates[image]
        for each in fields:
            well = spell_well(each.well.replace("/", ""))
            if parse_well(well) is None:
                raise ManifestError(
                    f"{files.folder / image}: the well '{each.well}' is none such as A/1; export it again"
                )
            path_of_image = each.path.relative_to(files.folder).as_posix()
            rows.append((f"{plate}_{well}_{each.site}", plate, well, each.site, path_of_image))
    if not rows:
        return None
    table = pd.DataFrame(rows, columns=["site_id", "plate", "well", "site", IMAGE_COLUMN])
    notes = Notes()
    notes.guess(f"plates are called like their OME-Zarr folders: {listed(list(table['plate'].unique()))}")
    return Layout(NAME, "OME-Zarr plates", frozenset(fields_of), table, notes)


def _plate_names(images: list[str], folder: Path) -> dict[str, str]:
    """Return OME-Zarr folder -> the name of its plate: its own, with those above where several are called alike."""
    own = {image: _without_suffix((folder / image).resolve().name) for image in images}
    if len(set(own.values())) == len(own):
        return own
    return {image: _without_suffix(image).replace("/", "_") for image in images}


def _without_suffix(name: str) -> str:
    return re.sub(r"(\.ome)?\.zarr$", "", name, flags=re.IGNORECASE)
