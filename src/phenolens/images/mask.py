"""Reading of instance masks from segmentation tools."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from phenolens.core.errors import ImageError
from phenolens.images.read import read_image

_MOST_LABELS = np.iinfo(np.int32).max


def read_mask(path: str | Path, shape: tuple[int, int]) -> NDArray[np.int32]:
    """Read an image of instance labels: 0 is background, every other number is one object.

    Parameters
    ----------
    path
        An image of one channel, in any format of `read_image`.
    shape
        Height and width of the corresponding image.

    Returns
    -------
    (H, W) labels as in the file, not necessarily consecutive.

    Raises
    ------
    ImageError
        If it cannot be read, has several channels, another shape, or values that are not labels.
    """
    labels, channels = read_image(path)
    if len(channels) != 1:
        raise ImageError(
            f"{path}: a mask must have one channel with the number of the object at each pixel, found {len(channels)}"
        )
    if labels.shape[1:] != shape:
        height, width = labels.shape[1:]
        raise ImageError(
            f"{path}: the mask is {height}x{width} but its image {shape[0]}x{shape[1]}; save it at the image's size"
        )
    if labels.min() < 0 or labels.max() > _MOST_LABELS or (labels.dtype.kind == "f" and (labels % 1).any()):
        raise ImageError(
            f"{path}: labels must be whole numbers from 0, found values from {labels.min()} to {labels.max()}"
        )
    return labels[0].astype(np.int32)


def on_border(labels: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return the numbers of the objects in (H, W) that touch the image's border, which may cut them."""
    rim = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    return np.unique(rim[rim > 0])
