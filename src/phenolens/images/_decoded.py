"""The result of image decoders, and their size limit."""

from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from phenolens.core.errors import ImageError

# A plane of 32768 x 32768. Larger ones are whole slides, or damaged headers that would use all memory.
_MAX_VALUES = 2**30


@dataclass(frozen=True, slots=True)
class Absent:
    """The parts of an image that its file leaves out, which stand for a fill value.

    Attributes
    ----------
    parts
        What is left out: chunks, tiles or strips.
    count, total
        How many of how many.
    channels
        The indices of channels of which nothing is there.
    fill
        The value that the file gives for them; None if it gives none.
    """

    parts: str
    count: int
    total: int
    channels: tuple[int, ...]
    fill: float | None


@dataclass(frozen=True, slots=True)
class Decoded:
    """The samples of one file, with their description in the file.

    Parameters
    ----------
    samples
        Array of shape (C, H, W) in the dtype of the file.
    names
        The channel names in the file's own metadata, one per channel, or None.
    colour
        Whether the samples belong to one gray or RGB picture rather than to separate channels.
    alpha
        Whether the last sample is opacity.
    lossy
        The compression, if it is known to have changed the samples; else empty.
    absent
        What the file leaves out, if anything.
    """

    samples: NDArray[Any]
    names: tuple[str, ...] | None = None
    colour: bool = False
    alpha: bool = False
    lossy: str = ""
    absent: Absent | None = None


def check_size(path: Path, shape: tuple[int, ...]) -> None:
    """Refuse an image without pixels, or with more than a site can reasonably hold."""
    if prod(shape) == 0:
        raise ImageError(f"{path}: the image has no pixels (shape {shape}); export it again")
    if prod(shape) > _MAX_VALUES:
        extent = " x ".join(map(str, shape))
        raise ImageError(f"{path}: {extent} values are too many for one site; cut the image into tiles first")
