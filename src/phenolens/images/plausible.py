"""What is implausible of the nuclei of a site, whoever found them."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from phenolens.images.channels import RGB
from phenolens.images.mask import on_border
from phenolens.images.merge import MOST_RAGGED, ragged_share
from phenolens.images.nuclei import nuclear_image
from phenolens.images.segment import is_dark_on_bright
from phenolens.images.site import Site
from phenolens.images.stain import optical_density

_MICRONS = (3.0, 30.0)  # diameters of nuclei of animals, from shrunken to those of giant cells
_MOST_CUT = 0.75  # of the objects
_FEW = 4  # objects, of which a share means little
_MOST_COVERED = 0.7  # of the image
_PINK = 2.0  # optical density of green over that of red light
_LEAST_CONTRAST = 0.5  # standard deviations

CAVEATS = (
    "show no nuclei",
    "show a single nucleus",
    "show only nuclei that the border cuts",
    "show mostly nuclei that the border cuts",
    "show many ragged or sliver-like nuclei",
    f"show nuclei of an implausible size (median not {_MICRONS[0]:g} to {_MICRONS[1]:g} microns)",
    "show nuclei that hardly differ from their surroundings",
    "are mostly covered by nuclei",
    "are strongly pink sections, in which too many nuclei are found",
    "are bright fields, in which counts of nuclei are rough",
)
"""What may be implausible of a site; "3 of 8 sites" goes before."""


def caveats_of(
    labels: NDArray[np.int32], sites: Sequence[Site] | None = None, *, given: bool = False
) -> tuple[bool, ...]:
    """Return which of `CAVEATS` apply to the nuclei of a site.

    Parameters
    ----------
    labels
        (T, H, W) labels in the crops of the site.
    sites
        The T crops, with the channels that show nuclei and, if known, the microns per pixel; if None, only numbers and
        shapes are looked at.
    given
        Whether the labels are a mask that was provided.

    Examples
    --------
    >>> import numpy as np
    >>> nothing = np.zeros((1, 32, 32), np.int32)
    >>> [caveat for caveat, applies in zip(CAVEATS, caveats_of(nothing)) if applies]
    ['show no nuclei']
    """
    sites = sites or ()
    mpp = sites[0].mpp if sites else None
    areas = np.concatenate([np.bincount(crop[crop > 0]) for crop in labels])
    areas = areas[areas > 0]
    found = len(areas)
    cut = sum(len(on_border(crop)) for crop in labels)
    many = found >= _FEW
    diameter = None if mpp is None or not found else 2 * math.sqrt(float(np.median(areas)) / math.pi) * mpp
    return (
        found == 0,
        found == 1,
        0 < found == cut,
        many and _MOST_CUT * found < cut < found,
        many and ragged_share(*labels) > MOST_RAGGED,
        diameter is not None and not _MICRONS[0] <= diameter <= _MICRONS[1],
        found > 0 and bool(sites) and _contrast(labels, sites) < _LEAST_CONTRAST,
        bool((labels > 0).mean() > _MOST_COVERED),
        not given and any(map(_is_pink, sites, labels)),
        not given and any(site.channels != RGB and is_dark_on_bright(site.pixels[0]) for site in sites),
    )


def _contrast(labels: NDArray[np.int32], sites: Sequence[Site]) -> float:
    """Return how far nuclei are from their surroundings, in standard deviations of the pixels of both."""
    inside, outside = [], []
    for crop, site in zip(labels, sites, strict=True):
        smooth = ndimage.gaussian_filter(nuclear_image(site).astype(np.float32), 1.0)  # no noise of single pixels
        covered = (crop > 0).astype(np.uint8)
        near, rim = (ndimage.maximum_filter(covered, size) > 0 for size in (7, 3))  # the rim is blurred
        inside.append(smooth[crop > 0])
        outside.append(smooth[near & ~rim])
    within, around = (np.concatenate(part).astype(np.float64) for part in (inside, outside))
    if not len(around):
        return math.inf
    apart = abs(float(np.median(within) - np.median(around)))
    spread = math.hypot(_spread(within), _spread(around))
    return apart / spread if spread > 0 else (math.inf if apart > 0 else 0.0)


def _is_pink(site: Site, labels: NDArray[np.int32]) -> bool:
    """Whether what surrounds nuclei in a colour image absorbs much more green than red, as eosin and red cells do."""
    around = labels == 0
    if site.channels != RGB or not around.any():
        return False
    red, green = (float(np.median(optical_density(plane)[around])) for plane in site.pixels[:2])
    return red > 0 and green > _PINK * red


def _spread(values: NDArray[np.float64]) -> float:
    """Return the standard deviation as quartiles tell it."""
    low, high = np.percentile(values, [25, 75])
    return float(high - low) / 1.349
