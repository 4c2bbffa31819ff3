"""Decoder of OME-Zarr (NGFF 0.4 on zarr v2, 0.5 on zarr v3): the highest resolution level of one image.

A missing chunk of a zarr array means "all fill value", and writers do leave out empty chunks; an interrupted copy looks
the same. The decoder reads them as the fill value, and says what is absent.
"""

import json
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from phenolens.core.errors import ImageError
from phenolens.images._axes import Axis, Kind, Layout, find_layout
from phenolens.images._decoded import Absent, Decoded, check_size
from phenolens.images._file import check_regular
from phenolens.images._zarr_chunks import check_chunk, check_grid, read_codecs

_MOST_METADATA = 2**24  # bytes

_BY_TYPE: dict[str, Kind] = {"channel": "channel", "time": "time"}
_BY_NAME: dict[str, Kind] = {
    "x": "x",
    "y": "y",
    "z": "z",
    "c": "channel",
    "channel": "channel",
    "t": "time",
    "time": "time",
}


def decode_ome_zarr(path: Path) -> Decoded:
    """Decode the first level of an OME-Zarr image folder."""
    # Importing zarr takes a third of a second, and most images do not need it.
    import zarr

    attributes, version = read_attributes(path)
    multiscale = _multiscale(path, attributes)
    level = _first_level(path, multiscale)
    codecs = read_codecs(path, _level_metadata(path, level, version), version)
    array = zarr.open_array(str(level), mode="r", zarr_format=version)
    check_size(path, array.shape)
    if array.dtype.kind not in "buif":
        raise ImageError(f"{path}: pixels of type {array.dtype} are not numbers; export the image again")
    layout = find_layout(path, array.shape, _axes(multiscale))
    is_absent = np.zeros(check_grid(path, array), bool)
    for at in np.ndindex(is_absent.shape):
        try:
            check_chunk(path, level / array.metadata.encode_chunk_key(at), array, codecs)
        except FileNotFoundError:
            is_absent[at] = True
    samples = layout.channels_first(np.asarray(array[...]))
    return Decoded(samples, _names(attributes, len(samples)), absent=_describe_absent(array, layout, is_absent))


def size_of_ome_zarr(path: Path) -> tuple[int, int]:
    """Return height and width of the first level of an OME-Zarr image folder from its metadata."""
    attributes, version = read_attributes(path)
    multiscale = _multiscale(path, attributes)
    shape = tuple(map(int, _level_metadata(path, _first_level(path, multiscale), version)["shape"]))
    check_size(path, shape)
    *_, row, column = find_layout(path, shape, _axes(multiscale)).order
    return shape[row], shape[column]


def read_attributes(path: Path) -> tuple[dict[str, Any], Literal[2, 3]]:
    """Return the OME attributes of a zarr group and its format version (2 or 3)."""
    if (path / "zarr.json").exists():
        attributes = _read_json(path / "zarr.json").get("attributes", {})
        return attributes.get("ome", attributes), 3
    if (path / ".zattrs").exists():
        return _read_json(path / ".zattrs"), 2
    if not path.is_dir():
        check_regular(path)
        raise ImageError(f"{path}: an OME-Zarr image is a folder, this is a file; unpack or export it again")
    raise ImageError(f"{path}: not an image but a folder without OME-Zarr metadata; name an image file")


def _read_json(file: Path) -> dict[str, Any]:
    if check_regular(file) > _MOST_METADATA:
        raise ImageError(f"{file}: is too large for the metadata of an image; export it again")
    metadata: dict[str, Any] = json.loads(file.read_bytes())
    return metadata


def _multiscale(path: Path, attributes: dict[str, Any]) -> dict[str, Any]:
    if "multiscales" in attributes:
        multiscale: dict[str, Any] = attributes["multiscales"][0]
        return multiscale
    if "plate" in attributes or "well" in attributes or "bioformats2raw.layout" in attributes:
        raise ImageError(f"{path}: a collection of OME-Zarr images; name one in it, such as {path.name}/0")
    raise ImageError(f"{path}: the zarr folder has no 'multiscales' metadata; export it as OME-Zarr 0.5")


def _first_level(path: Path, multiscale: dict[str, Any]) -> Path:
    """Return the folder of the highest resolution."""
    level = path / str(multiscale["datasets"][0]["path"])
    if not level.resolve().is_relative_to(path.resolve()):
        raise ImageError(f"{path}: its metadata refers to files outside of the folder; export the image again")
    return level


def _level_metadata(path: Path, level: Path, version: int) -> dict[str, Any]:
    """Return the metadata of the array of a resolution level, after checking all files that zarr will open."""
    needed, further = ("zarr.json", ()) if version == 3 else (".zarray", (".zattrs",))
    if not (level / needed).exists():
        raise ImageError(f"{path}: the resolution level '{level.name}' is missing; copy or export it again")
    for name in further:
        if (level / name).exists():
            _read_json(level / name)
    return _read_json(level / needed)


def _axes(multiscale: dict[str, Any]) -> list[Axis]:
    """Return the axes by their type; without one, by their name. Before NGFF 0.3 the axes were always tczyx.

    Axes in space are z, y and x by their names, or, if these are others, by their position, which the format requires
    to be that order.
    """
    listed = multiscale.get("axes", list("tczyx"))
    described = [axis if isinstance(axis, dict) else {"name": axis} for axis in listed]
    names = [str(axis["name"]) for axis in described]
    types = [str(axis.get("type") or "").lower() for axis in described]
    kinds: list[Kind] = []
    for name, of_type in zip(names, types, strict=True):
        kinds.append(_BY_TYPE.get(of_type, "other") if of_type else _BY_NAME.get(name.lower(), "other"))
    in_space = [at for at, of_type in enumerate(types) if of_type == "space"]
    letters = [names[at].lower() for at in in_space]
    if sorted(letters) not in (["x", "y"], ["x", "y", "z"]):
        letters = ["x", "y", "z"][: len(in_space)][::-1]
    for at, letter in zip(in_space, letters, strict=False):
        kinds[at] = _BY_NAME[letter]
    return [Axis(kind, name) for kind, name in zip(kinds, names, strict=True)]


def _names(attributes: dict[str, Any], n_channels: int) -> tuple[str, ...] | None:
    channels = (attributes.get("omero") or {}).get("channels") or []
    names = tuple(str(channel.get("label") or "") for channel in channels)
    return names if len(names) == n_channels and all(names) else None


def _describe_absent(array: Any, layout: Layout, is_absent: NDArray[np.bool_]) -> Absent | None:
    if not is_absent.any():
        return None
    grid, n_channels, per_chunk = is_absent[np.newaxis], 1, 1
    if layout.channel is not None:
        grid = np.moveaxis(is_absent, layout.channel, 0)
        n_channels = array.shape[layout.channel]
        per_chunk = (array.shards or array.chunks)[layout.channel]
    channels = tuple(at for at in range(n_channels) if grid[at // per_chunk].all())
    fill = float(array.fill_value or 0)
    return Absent("chunks", int(is_absent.sum()), is_absent.size, channels, fill)
