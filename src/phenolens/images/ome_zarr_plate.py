"""The fields of an OME-Zarr plate."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from phenolens.core.errors import ImageError
from phenolens.images._ome_zarr import read_attributes

_METADATA = ("zarr.json", ".zattrs", ".zgroup")


@dataclass(frozen=True)
class Field:
    """One image of an OME-Zarr plate.

    Attributes
    ----------
    path
        Its folder.
    well
        The path of its well in the plate, such as ``A/1``.
    site
        Its path in the well, preceded by the number of its acquisition if there are several.
    """

    path: Path
    well: str
    site: str


def is_zarr(folder: Path) -> bool:
    """Whether a folder has the metadata of a zarr group or array."""
    return any((folder / name).is_file() for name in _METADATA)


def list_fields(folder: Path) -> list[Field]:
    """Return the fields of an OME-Zarr plate, in the order of its metadata; none if the folder is no plate.

    Raises
    ------
    ImageError
        If its metadata cannot be read, or name folders outside of it.
    """
    try:
        attributes = read_attributes(folder)[0]
        if "plate" not in attributes:
            return []
        wells = [str(well["path"]) for well in attributes["plate"]["wells"]]
        return [field for well in wells for field in _fields_of(folder, well)]
    except ImageError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ImageError(
            f"{folder}: is no OME-Zarr folder as the format describes it ({error!r}); export it again"
        ) from error


def _fields_of(plate: Path, well: str) -> list[Field]:
    images: list[dict[str, Any]] = read_attributes(_inside(plate, well))[0]["well"]["images"]
    acquisitions = {image.get("acquisition") for image in images}
    fields = []
    for image in images:
        site = str(image["path"])
        called = f"{image.get('acquisition')}-{site}" if len(acquisitions) > 1 else site
        fields.append(Field(_inside(plate, f"{well}/{site}"), well, called))
    return fields


def _inside(folder: Path, path: str) -> Path:
    found = folder / path
    if not found.resolve().is_relative_to(folder.resolve()):
        raise ImageError(f"{folder}: its metadata refer to '{path}' outside of the folder; export the plate again")
    return found
