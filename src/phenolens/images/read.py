"""Reading of sites from one or several files, as pixels with named channels."""

import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phenolens.core.errors import ImageError, PhenolensWarning, did_you_mean
from phenolens.images._decoded import Decoded
from phenolens.images._ome_zarr import decode_ome_zarr, size_of_ome_zarr
from phenolens.images._raster import decode_jp2, decode_jpeg, decode_png, size_of_jp2, size_of_jpeg, size_of_png
from phenolens.images._tiff import decode_tiff
from phenolens.images._tiff_structure import size_of_tiff
from phenolens.images.shard import SUFFIX, decode_place, file_of, size_of_place
from phenolens.images.site import Site


@dataclass(frozen=True, slots=True)
class _Format:
    """A format of image files: its name, and what reads its pixels, or height and width from its header alone."""

    name: str
    decode: Callable[[Path], Decoded]
    size: Callable[[Path], tuple[int, int]]


_PNG = _Format("PNG", decode_png, size_of_png)
_JPEG = _Format("JPEG", decode_jpeg, size_of_jpeg)
_TIFF = _Format("TIFF", decode_tiff, size_of_tiff)
_JPEG_2000 = _Format("JPEG 2000", decode_jp2, size_of_jp2)
_OME_ZARR = _Format("OME-Zarr", decode_ome_zarr, size_of_ome_zarr)
_SHARD = _Format("shard", decode_place, size_of_place)
_BY_SUFFIX = {
    ".png": _PNG,
    ".jpg": _JPEG,
    ".jpeg": _JPEG,
    ".tif": _TIFF,
    ".tiff": _TIFF,
    ".jp2": _JPEG_2000,
    ".j2k": _JPEG_2000,
    ".jpx": _JPEG_2000,
    ".zarr": _OME_ZARR,
    SUFFIX: _SHARD,
}
IMAGE_SUFFIXES = tuple(suffix for suffix in _BY_SUFFIX if suffix not in (".zarr", SUFFIX))
"""The suffixes of image files, in lower case."""

_FORMATS = "PNG, JPEG, TIFF, OME-TIFF, JPEG 2000 (.jp2, .j2k, .jpx) and OME-Zarr"
_NATIVE = frozenset(np.dtype(t) for t in (np.uint8, np.uint16, np.float32, np.float64))
# The wider type depends only on the type of the file, not on its content, so that it is the same for all sites.
_WIDER = {
    np.dtype(found): np.dtype(wider)
    for found, wider in (
        (np.int8, np.float32),
        (np.int16, np.float32),
        (np.float16, np.float32),
        (np.int32, np.float64),
        (np.uint32, np.float64),
        (np.int64, np.float64),
        (np.uint64, np.float64),
    )
}
_LARGEST_EXACT = 2**53
# Path() collapses the double slash of a URI; a single letter before the colon is a Windows drive.
_REMOTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")


def read_image(path: str | Path, names: Sequence[str] | None = None) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Read one image file as named channels.

    Singleton time and z axes are dropped, pages and samples become channels, and a fully opaque alpha sample
    is dropped. Boolean pixels, and PNG depths below 8 bits, are scaled to 0 to 255.

    Parameters
    ----------
    path
        A PNG, JPEG, TIFF, OME-TIFF or JPEG 2000 file, an OME-Zarr folder (its highest resolution is read), or an
        image in a shard, ``shard-00000.safetensors#17``.
    names
        The channel names, which override those in the file. Without either, three colour samples are called red,
        green and blue, a single channel gray, and others channel_0, channel_1, ...

    Returns
    -------
    pixels
        Array of shape (C, H, W) in the dtype of the file if that is uint8, uint16, float32 or float64. int8, int16 and
        float16 become float32, wider integers float64, both without loss.
    names
        The C channel names.

    Raises
    ------
    ImageError
        If the file is missing, damaged, truncated or of an unknown format; if it holds a time series or
        z-stack, transparency, or values that are not finite; if a channel has no data on disk; or if `names` does not
        match its channels.

    Warns
    -----
    PhenolensWarning
        If the file leaves out some chunks, tiles or strips, which are read as the fill value.

    Notes
    -----
    JPEG, JPEG 2000 and LZW or uncompressed TIFF have no checksums: altered bytes in a file of the right length may not
    be noticed.
    """
    decoded = decode(path)
    samples, channels = named_channels(Path(path), decoded, names)
    _check_whole(Path(path), decoded, channels)
    return samples, channels


def decode(path: str | Path) -> Decoded:
    """Decode one image file by its suffix.

    Raises
    ------
    ImageError
        If the file is missing, damaged, truncated or of an unknown format; errors of libraries become one line.
    """
    path, found = _known_format(path)
    with _in_one_line(path, found):
        return found.decode(path)


def image_size(path: str | Path) -> tuple[int, int]:
    """Return height and width of one image file from its header, without reading pixels.

    Raises
    ------
    ImageError
        If the file is missing, or its header is that of no image; what comes behind the header is not checked.
    """
    path, found = _known_format(path)
    with _in_one_line(path, found):
        return found.size(path)


def _known_format(path: str | Path) -> tuple[Path, _Format]:
    """Return the path of an image and its format, by its suffix."""
    if _REMOTE.match(str(path)):
        raise ImageError(f"{path}: only local files can be read; download it first")
    path = Path(path)
    found = _OME_ZARR if path.is_dir() else _BY_SUFFIX.get(file_of(path).suffix.lower())
    if found is None:
        suffix = f"suffix '{path.suffix}'" if path.suffix else "a name without suffix"
        raise ImageError(f"{path}: {suffix} is not a known image format; use {_FORMATS}")
    return path, found


@contextmanager
def _in_one_line(path: Path, found: _Format) -> Iterator[None]:
    """Make one line of the errors of libraries, with the file and what to do."""
    try:
        yield
    except ImageError:
        raise
    except FileNotFoundError:
        raise ImageError(f"{path}: no such file; check the path in the manifest") from None
    except OSError as error:
        raise ImageError(f"{path}: cannot be opened ({error.strerror or _one_line(error)})") from None
    except Exception as error:
        raise ImageError(
            f"{path}: cannot be read as {found.name} ({_one_line(error)}); "
            "it may be damaged or cut short, copy or export it again"
        ) from None


def named_channels(
    path: Path, decoded: Decoded, names: Sequence[str] | None = None
) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Return the pixels (C, H, W) of a decoded file in a dtype of sites, with their names, as in `read_image`."""
    samples = decoded.samples
    if isinstance(names, str):
        raise ImageError(f"{path}: names must be a list of channel names, found the text '{names}'")
    if decoded.alpha and (names is None or len(names) != samples.shape[0]):
        samples = _without_alpha(path, samples)
    samples = _native(path, samples)
    channels = _channel_names(path, decoded, samples.shape[0], names)
    if samples.dtype.kind == "f":
        _check_finite(path, samples, channels)
    return samples, channels


def read_site(
    source: str | Path | Mapping[str, str | Path], names: Sequence[str] | None = None, site_id: str = ""
) -> Site:
    """Read one site from one file with all its channels, or from one file per channel.

    Parameters
    ----------
    source
        An image file, or a mapping from channel name to the file of this channel. A file of three identical colour
        samples counts as one channel.
    names
        For one file, its channel names, as in `read_image`. For a mapping, the channels to read, in this order (by
        default all, in the order of the mapping).
    site_id
        The identifier of the site in its manifest.

    Returns
    -------
    Site
        Pixels (C, H, W) in their native dtype, with channel names.

    Raises
    ------
    ImageError
        If a file cannot be read (see `read_image`), has several channels, or differs from other files in height, width
        or dtype.
    """
    if not isinstance(source, Mapping):
        pixels, channels = read_image(source, names)
        return Site(pixels, channels, site_id)
    if not source:
        raise ImageError(f"{site_id or 'site'}: no channel to read; name at least one image file")
    for name in names or ():
        if name not in source:
            raise ImageError(f"{site_id or 'site'}: no file for channel '{name}'{did_you_mean(name, source)}")
    chosen = tuple(names or source)
    planes = [_read_plane(Path(source[name])) for name in chosen]
    first = planes[0]
    for name, plane in zip(chosen, planes, strict=True):
        if plane.shape != first.shape or plane.dtype != first.dtype:
            raise ImageError(
                f"{source[name]}: channel '{name}' is {_describe(plane)} but '{chosen[0]}' is "
                f"{_describe(first)}; the channels of a site must agree"
            )
    return Site(np.stack(planes), chosen, site_id)


def site_size(source: str | Path | Mapping[str, str | Path]) -> tuple[int, int]:
    """Return height and width of one site from the headers of its files, without reading pixels.

    Parameters
    ----------
    source
        As in `read_site`.

    Raises
    ------
    ImageError
        If a file is missing, has no header of an image, or differs from other files in height or width.
    """
    if not isinstance(source, Mapping):
        return image_size(source)
    sizes = {name: image_size(path) for name, path in source.items()}
    first, size = next(iter(sizes.items()))
    for name, (height, width) in sizes.items():
        if (height, width) != size:
            raise ImageError(
                f"{source[name]}: channel '{name}' is {height}x{width} but '{first}' is {size[0]}x{size[1]}; the "
                "channels of a site must agree"
            )
    return size


def _check_whole(path: Path, decoded: Decoded, channels: tuple[str, ...]) -> None:
    """Refuse channels of which the file has nothing, or has parts without a value; warn of parts that it leaves out.

    An empty part is left out by many writers, but an interrupted copy looks the same.
    """
    absent = decoded.absent
    if absent is None:
        return
    if absent.channels:
        name = channels[absent.channels[0]] if len(channels) > absent.channels[0] else "alpha"
        raise ImageError(
            f"{path}: channel '{name}' has no data on disk, all its {absent.parts} are left out; copy it again, or "
            f"write its empty {absent.parts}"
        )
    if absent.fill is None:
        raise ImageError(
            f"{path}: {absent.count} of {absent.total} {absent.parts} are left out, and the file does not say with "
            f"which value; write its blank {absent.parts}"
        )
    warnings.warn(
        f"{path}: {absent.count} of {absent.total} {absent.parts} are not on disk: read as {absent.fill:g}",
        PhenolensWarning,
        stacklevel=3,
    )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:160] or type(error).__name__


def _without_alpha(path: Path, samples: NDArray[Any]) -> NDArray[Any]:
    """Drop a constant opacity; refuse partly transparent images, which are not measurements."""
    opaque = np.iinfo(samples.dtype).max if samples.dtype.kind in "ui" else 1
    if not (samples[-1] == opaque).all():
        raise ImageError(f"{path}: the image is partly transparent; flatten it to RGB or gray first")
    return np.ascontiguousarray(samples[:-1])


def _native(path: Path, samples: NDArray[Any]) -> NDArray[Any]:
    """Return the samples in one of the four dtypes of a site, without loss."""
    dtype = samples.dtype.newbyteorder("=")
    if dtype in _NATIVE:
        return samples.astype(dtype, copy=False)
    if dtype == np.bool_:
        return samples.astype(np.uint8) * np.uint8(255)
    wider = _WIDER.get(dtype)
    if wider is None:
        raise ImageError(f"{path}: pixels of type {dtype} are not supported; save them as uint8, uint16 or float32")
    if dtype.itemsize == 8 and (samples.max() > _LARGEST_EXACT or samples.min() < -_LARGEST_EXACT):
        raise ImageError(f"{path}: {dtype} values beyond 2^53 cannot be kept exactly; save them as uint16 or float64")
    return samples.astype(wider)


def _channel_names(path: Path, decoded: Decoded, n_channels: int, names: Sequence[str] | None) -> tuple[str, ...]:
    if names is not None:
        if len(names) != n_channels:
            raise ImageError(f"{path}: {n_channels} channels but {len(names)} names ({', '.join(names)})")
        found = tuple(names)
    elif decoded.names is not None:
        found = decoded.names
    elif decoded.colour and n_channels == 3:
        found = ("red", "green", "blue")
    elif n_channels == 1:
        found = ("gray",)
    else:
        found = tuple(f"channel_{i}" for i in range(n_channels))
    if len(set(found)) != len(found):
        raise ImageError(f"{path}: channel names repeat ({', '.join(found)}); give names of the channels")
    return found


def _check_finite(path: Path, samples: NDArray[Any], channels: tuple[str, ...]) -> None:
    for name, plane in zip(channels, samples, strict=True):
        bad = plane.size - int(np.isfinite(plane).sum())
        if bad:
            raise ImageError(
                f"{path}: {bad} pixels of channel '{name}' are NaN or infinite; replace them before reading"
            )


def _read_plane(path: Path) -> NDArray[Any]:
    """Read the one channel of a file as (H, W)."""
    pixels, channels = read_image(path)
    if len(channels) == 3 and (pixels == pixels[0]).all():
        return np.asarray(pixels[0])
    if len(channels) != 1:
        raise ImageError(
            f"{path}: a file of one channel must have one, found {len(channels)} ({', '.join(channels)}); "
            "name the whole file as image, or split it"
        )
    return np.asarray(pixels[0])


def _describe(plane: NDArray[Any]) -> str:
    return f"{plane.shape[0]}x{plane.shape[1]} {plane.dtype}"
