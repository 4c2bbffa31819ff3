"""Bits per sample of an image file, read from its header."""

from pathlib import Path

from PIL import Image
from tifffile import TiffFile

from phenolens.core.errors import ImageError, reason_of
from phenolens.images._file import check_regular
from phenolens.images.read import read_image

_BITS = {"1": 1, "I": 32, "F": 32}  # of Pillow's modes; that of "I;16" is in its name, and all others have 8


def bit_depth(path: Path) -> int:
    """Return the bits per sample of an image file; of OME-Zarr, which has no header, the pixels are read.

    Raises
    ------
    ImageError
        If the file cannot be read.
    """
    try:
        if path.is_dir():
            return read_image(path)[0].dtype.itemsize * 8
        check_regular(path)
        if path.suffix.lower() in (".tif", ".tiff"):
            with TiffFile(path) as file:
                return int(file.pages.first.bitspersample)
        with Image.open(path) as image:
            return _BITS.get(image.mode, 16 if ";16" in image.mode else 8)
    except ImageError:
        raise
    except Exception as error:
        reason = reason_of(error)
        raise ImageError(f"{path}: its header cannot be read: {reason}") from error
