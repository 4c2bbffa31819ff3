"""Separation of the dyes of a stained section."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from phenolens.core.errors import ImageError

_DARKEST = 1 / 256  # share of light of black, whose density would be infinite
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

    rgb = _three_colours(rgb)
    return np.ascontiguousarray(np.moveaxis(rgb2hed(np.moveaxis(rgb, 0, -1)), -1, 0)[:2], dtype=np.float32)


def nuclear_density(rgb: NDArray[Any]) -> NDArray[np.float32]:
    """Return the optical density of red light, which nuclear dyes absorb most, and eosin and red cells less.

    Unlike the haematoxylin of a colour deconvolution, it needs no colour of the dye, and shows no nuclei in coloured
    rims of fat and other bright gaps.

    Parameters
    ----------
    rgb
        (3, H, W) red, green and blue; integers of full scale, or floats from 0 to 1.

    Returns
    -------
    (H, W) densities to base 10; 0 where all light passes.

    Raises
    ------
    ImageError
        If there are not three channels.
    """
    return optical_density(_three_colours(rgb)[0])


def optical_density(light: NDArray[Any]) -> NDArray[np.float32]:
    """Return the density to base 10 of transmitted light: integers of full scale, or floats from 0 to 1."""
    full = float(np.iinfo(light.dtype).max) if light.dtype.kind in "iu" else 1.0
    return -np.log10((light.astype(np.float32) / full).clip(0, 1) * (1 - _DARKEST) + _DARKEST)


def _three_colours(rgb: NDArray[Any]) -> NDArray[Any]:
    rgb = np.asarray(rgb)
    if rgb.ndim != 3 or rgb.shape[0] != 3:
        raise ImageError(f"stains are told apart in (3, H, W) red, green and blue, found shape {rgb.shape}")
    return rgb
