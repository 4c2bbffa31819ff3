"""Sites: pixels with named channels."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phenolens.core.errors import ImageError, did_you_mean

_DTYPE_NAMES = "uint8, uint16, float32 or float64"
_DTYPES = (np.uint8, np.uint16, np.float32, np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Site:
    """One imaged field of view (or tile).

    Parameters
    ----------
    pixels
        Array of shape (C, H, W) in its native dtype: uint8, uint16, float32 or float64.
    channels
        The C channel names, in the order of the first axis.
    site_id
        The identifier of the site in its manifest.
    mpp
        Microns per pixel; None if unknown.

    Raises
    ------
    ImageError
        If shape, dtype and names do not match.
    """

    pixels: NDArray[Any]
    channels: tuple[str, ...]
    site_id: str = ""
    mpp: float | None = None

    def __post_init__(self) -> None:
        """Refuse pixels and names that do not match."""
        if self.pixels.ndim != 3:
            raise ImageError(f"{self.site_id}: pixels must be (C, H, W), found shape {self.pixels.shape}")
        if self.pixels.dtype not in _DTYPES:
            raise ImageError(f"{self.site_id}: pixels must be {_DTYPE_NAMES}, found {self.pixels.dtype}")
        if len(self.channels) != self.pixels.shape[0]:
            raise ImageError(
                f"{self.site_id}: {self.pixels.shape[0]} channels of pixels but {len(self.channels)} names "
                f"({', '.join(self.channels)})"
            )
        if len(set(self.channels)) != len(self.channels):
            raise ImageError(f"{self.site_id}: channel names repeat: {', '.join(self.channels)}")

    def select(self, channels: Sequence[str]) -> "Site":
        """Return the named channels, in the given order.

        Raises
        ------
        ImageError
            If a channel is missing.
        """
        if tuple(channels) == self.channels:
            return self
        for name in channels:
            if name not in self.channels:
                raise ImageError(f"{self.site_id}: no channel '{name}'{did_you_mean(name, self.channels)}")
        rows = [self.channels.index(name) for name in channels]
        return Site(self.pixels[rows], tuple(channels), self.site_id, self.mpp)
