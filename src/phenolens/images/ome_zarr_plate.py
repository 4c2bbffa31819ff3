"""The images in an OME-Zarr folder: one, the series of a converted file, or the fields of a plate."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from phenolens.core.errors import ImageError
from phenolens.images._ome_zarr import read_attributes

_METADATA = ("zarr.json", ".zattrs", ".zgroup")


@dataclass(frozen=True)
class PlacedImage:
    """One image of an OME-Zarr folder.

    Attributes
    ----------
    path
        Its folder.
    well
        The path of its well in the plate, such as ``A/1``; None if the folder is no plate.
    site
        The path of its field in the well, preceded by that of its acquisition if there are several.
    """

    path: Path
    well: str | None = None
    site: str | None = None


def is_zarr(folder: Path) -> bool:
    """Whether a folder has the metadata of a zarr group or array."""
    return any((folder / name).is_file() for name in _METADATA)


def list_ome_zarr(folder: Path) -> list[PlacedImage]:
    """Return the images in an OME-Zarr folder, in the order of its metadata.

    Raises
    ------
    ImageError
        If its metadata cannot be read, or name folders outside of it.
    """
    try:
        attributes = read_attributes(folder)[0]
        if "plate" in attributes:
            return [
                image
                for well in attributes["plate"]["wells"]
                for image in _fields(folder, _inside(folder, str(well["path"])), str(well["path"]))
            ]
        if "bioformats2raw.layout" in attributes:
            series = (each for each in folder.iterdir() if each.name.isdigit() and is_zarr(each))
            return [PlacedImage(each) for each in sorted(series, key=lambda each: int(each.name))]
    except ImageError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ImageError(
            f"{folder}: is no OME-Zarr folder as the format describes it ({error!r}); export it again"
        ) from error
    return [PlacedImage(folder)]


def _fields(plate: Path, well: Path, name: str) -> list[PlacedImage]:
    images: list[dict[str, Any]] = read_attributes(well)[0]["well"]["images"]
    acquisitions = {image.get("acquisition") for image in images}
    fields = []
    for image in images:
        site = str(image["path"])
        called = f"{image.get('acquisition')}-{site}" if len(acquisitions) > 1 else site
        fields.append(PlacedImage(_inside(plate, f"{name}/{site}"), name, called))
    return fields


def _inside(folder: Path, path: str) -> Path:
    found = folder / path
    if not found.resolve().is_relative_to(folder.resolve()):
        raise ImageError(f"{folder}: its metadata refer to '{path}' outside of the folder; export the plate again")
    return found
