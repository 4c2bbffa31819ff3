"""Cropping of sites."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from phenolens.core.errors import ImageError
from phenolens.core.random import spawn
from phenolens.images.site import Site

_MODES = ("whole", "centre", "tiles", "random")


@dataclass(frozen=True, slots=True)
class Crop:
    """The crops to take of a site.

    Parameters
    ----------
    mode
        "whole" takes the whole site, "centre" one patch from its middle, "tiles" as many patches as fit side by side,
        "random" `count` patches at random positions.
    size
        Height and width of a patch in pixels; required by all modes except "whole".
    count
        The number of random patches.
    seed
        The seed of random positions, used together with the identifier of the site.

    Raises
    ------
    ImageError
        If the parameters contradict each other.

    Examples
    --------
    >>> Crop("tiles", size=224)
    Crop(mode='tiles', size=224, count=1, seed=0)
    """

    mode: Literal["whole", "centre", "tiles", "random"] = "whole"
    size: int | None = None
    count: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse parameters that contradict each other."""
        if self.mode not in _MODES:
            raise ImageError(f"crop: mode '{self.mode}' is unknown; there is: {', '.join(_MODES)}")
        if self.mode == "whole" and self.size is not None:
            raise ImageError(f"crop: mode 'whole' takes no size, found {self.size}; use 'centre' or 'tiles'")
        if self.mode != "whole" and (self.size is None or self.size < 1):
            raise ImageError(f"crop: mode '{self.mode}' needs a size of at least 1 pixel, found {self.size}")
        if self.count < 1:
            raise ImageError(f"crop: count must be at least 1, found {self.count}")
        if self.mode != "random" and self.count != 1:
            raise ImageError(f"crop: count is for mode 'random' only, found {self.count} with '{self.mode}'")
        if self.seed < 0:
            raise ImageError(f"crop: seed must not be negative, found {self.seed}")


def corners(site: Site, crop: Crop) -> NDArray[np.intp]:
    """Return the top left corners of the patches of a site.

    Parameters
    ----------
    site
        The site.
    crop
        The crops to take.

    Returns
    -------
    NDArray
        Array of shape (T, 2), row and column. Positions of random patches depend only on the seed and the identifier
        of the site.

    Raises
    ------
    ImageError
        If the site is smaller than the patch.
    """
    if crop.size is None:
        return np.zeros((1, 2), np.intp)
    height, width = site.pixels.shape[1:]
    size = crop.size
    check_crop(site.site_id, (height, width), size)
    if crop.mode == "centre":
        return np.array([[(height - size) // 2, (width - size) // 2]], np.intp)
    if crop.mode == "tiles":
        return tile_origins(height, width, size)
    return _random_origins(site.site_id, height, width, crop)


def check_crop(site_id: str, shape: tuple[int, int], size: int | None) -> None:
    """Refuse a site that is smaller than the patches to take of it.

    Parameters
    ----------
    site_id
        The identifier of the site.
    shape
        Height and width of the site.
    size
        Height and width of a patch; None for the whole site.

    Raises
    ------
    ImageError
        If so.
    """
    if size is not None and size > min(shape):
        raise ImageError(
            f"{site_id}: the image of {shape[0]}x{shape[1]} is smaller than the crop of {size}x{size}; "
            "use a smaller size"
        )


def cut(pixels: NDArray[Any], corners: NDArray[np.intp], crop: Crop) -> NDArray[Any]:
    """Cut patches from an array whose last two axes are those of the image, such as pixels or a mask.

    Parameters
    ----------
    pixels
        Array of shape (..., H, W).
    corners
        The result of `corners`.
    crop
        The crops that it was computed for.

    Returns
    -------
    NDArray
        Array of shape (T, ..., h, w); a copy, except that "whole" is a view.
    """
    if crop.size is None:
        return pixels[np.newaxis]
    return np.stack([pixels[..., y : y + crop.size, x : x + crop.size] for y, x in corners])


def tile_origins(height: int, width: int, size: int) -> NDArray[np.intp]:
    """Return the top left corners of the square tiles that fit side by side.

    Parameters
    ----------
    height, width
        Extent of the image in pixels.
    size
        Extent of a tile in pixels.

    Returns
    -------
    NDArray
        Array of shape (T, 2), row and column of each tile in reading order. The grid is centred: opposite
        margins differ by at most one pixel. T is 0 if no tile fits.

    Raises
    ------
    ImageError
        If the size is not positive.

    Examples
    --------
    >>> tile_origins(5, 8, 4).tolist()
    [[0, 0], [0, 4]]
    """
    if size < 1:
        raise ImageError(f"tile size must be at least 1 pixel, found {size}")
    rows, columns = (extent % size // 2 + size * np.arange(extent // size) for extent in (height, width))
    return np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1).reshape(-1, 2)


def _random_origins(site_id: str, height: int, width: int, crop: Crop) -> NDArray[np.intp]:
    """Draw positions separately for every site, so that they do not depend on the order of sites or on processes."""
    rng = spawn(crop.seed, "crop", site_id)
    size = crop.size or 0
    room = (height - size + 1, width - size + 1)
    return rng.integers(room, size=(crop.count, 2), dtype=np.intp)
