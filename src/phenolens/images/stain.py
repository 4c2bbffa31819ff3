"""Separation of the dyes of a stained section."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from phenolens.core.errors import ImageError

STAINS = ("haematoxylin", "eosin")


def separate_stains(rgb: NDArray[Any]) -> NDArray[np.float32]:
    """Return the amounts of haematoxylin and eosin in a stained section, by colour deconvolution.

    Parameters
    ----------
    rgb
        (3, H, W) red, green and blue; integers of full scale, or floats from 0 to 1.

    Returns
    -------
    (2, H, W) optical densities of `STAINS`, with the absorption vectors of Ruifrok and Johnston (Anal. Quant. Cytol.
    Histol. 23, 2001); 0 where no dye explains the colour, as in a bright background.

    Raises
    ------
    ImageError
        If there are not three channels.
    """
    from skimage.color import rgb2hed

    rgb = np.asarray(rgb)
    if rgb.ndim != 3 or rgb.shape[0] != 3:
        raise ImageError(f"stain separation needs (3, H, W) red, green and blue, found shape {rgb.shape}")
    return np.ascontiguousarray(np.moveaxis(rgb2hed(np.moveaxis(rgb, 0, -1)), -1, 0)[:2], dtype=np.float32)
