"""Finding of nuclei in sites, by the classical segmentation or another one by name."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from phenolens.core.errors import ImageError
from phenolens.core.plugins import Registry
from phenolens.images.channels import RGB
from phenolens.images.learned import cellpose, instanseg, require_installed
from phenolens.images.mask import Masks, drop_objects
from phenolens.images.segment import segment_nuclei
from phenolens.images.site import Site
from phenolens.images.stain import nuclear_density, optical_density

_DARK = 0.75  # quantile of the density of red light above which objects are nuclei, if anything is
_REDDER = 1.4  # in density of green over that of red light; annotated nuclei of one section differ by 1.3 at most

Segment = Callable[[Site], NDArray[Any]]
"""A segmentation: from the nuclear channel of a site, or its red, green and blue, to labels (H, W)."""


def nuclear_image(site: Site) -> NDArray[Any]:
    """Return (H, W) of the nuclear stain: the only channel, or the optical density of red light in a colour image."""
    return nuclear_density(site.pixels) if site.channels == RGB else site.pixels[0]


def _classical(
    site: Site, typical: float | None = None, limits: tuple[float, float] | None = None
) -> NDArray[np.int32]:
    """Label nuclei by thresholds, a watershed and the fit to ellipses; without trained weights."""
    labels = segment_nuclei(nuclear_image(site), typical, limits)
    return _drop_red_cells(labels, site.pixels) if site.channels == RGB else labels


def _drop_red_cells(labels: NDArray[np.int32], rgb: NDArray[Any]) -> NDArray[np.int32]:
    """Return the labels, numbered anew, without objects that are much redder than the darkest ones, the nuclei.

    Where there are few nuclei, red cells and folds of stroma are the darkest of the rest in red light, too.
    """
    if not labels.any():
        return labels
    numbers = np.arange(labels.max() + 1)
    red, green = (ndimage.mean(optical_density(plane), labels, numbers)[1:] for plane in rgb[:2])
    redness = green / np.maximum(red, 1e-6)
    nuclear = np.median(redness[red >= np.quantile(red, _DARK)])
    return drop_objects(labels, np.concatenate([[False], redness > _REDDER * nuclear]))


def _accept(point: EntryPoint, loaded: Any) -> Segment:
    if not callable(loaded):
        raise TypeError(f"a segmentation is a function of a Site, found {type(loaded).__name__}")
    found: Segment = loaded
    return found


segmentations: Registry[Segment] = Registry(
    "segmentation",
    "phenolens.segmentations",
    {"classical": _classical, "cellpose": cellpose, "instanseg": instanseg},
    _accept,
    ImageError,
)
"""Segmentations by name; packages add theirs by entry points of the group ``phenolens.segmentations``."""


@dataclass(frozen=True, slots=True)
class NucleiOptions:
    """How nuclei are found: in masks, and in images without masks.

    Parameters
    ----------
    segmentation
        ``classical``, ``cellpose``, ``instanseg``, or that of an installed package.
    diameter
        The least and the greatest diameter of a nucleus in microns, as that of a disc of the same area; others are no
        nuclei. It needs the microns per pixel of each site.
    masks
        What the numbers in masks stand for: ``objects``, or ``classes`` of which each connected part is an object.

    Raises
    ------
    ImageError
        If there is no such segmentation, its package is not installed, or the diameters do not increase from 0.

    Examples
    --------
    >>> NucleiOptions(diameter=(4, 20)).in_pixels(0.5)
    (8.0, 40.0)
    """

    segmentation: str = "classical"
    diameter: tuple[float, float] | None = None
    masks: Masks = "objects"

    def __post_init__(self) -> None:
        """Refuse what cannot be run."""
        segmentations.find(self.segmentation)
        require_installed(self.segmentation)
        if self.diameter is not None and not 0 < self.diameter[0] < self.diameter[1] < math.inf:
            raise ImageError(
                f"nuclei: diameter takes the least and the greatest in microns, such as [4, 20]; found "
                f"{list(self.diameter)}"
            )

    def in_pixels(self, mpp: float | None) -> tuple[float, float] | None:
        """Return the least and the greatest diameter in pixels; None if any will do.

        Raises
        ------
        ImageError
            If there are limits, but the microns per pixel are unknown.
        """
        if self.diameter is None:
            return None
        if mpp is None:
            raise ImageError("nuclei: diameter is in microns, and the site has no mpp (microns per pixel)")
        return self.diameter[0] / mpp, self.diameter[1] / mpp

    def __str__(self) -> str:
        """Return all that determines which nuclei are found."""
        limits = "" if self.diameter is None else f":{self.diameter[0]:g}-{self.diameter[1]:g}"
        return f"{self.segmentation}{limits}{':classes' * (self.masks == 'classes')}"


def find_nuclei(site: Site, options: NucleiOptions | None = None, typical: float | None = None) -> NDArray[np.int32]:
    """Label the nuclei of a site.

    Parameters
    ----------
    site
        The nuclear channel alone, or red, green and blue.
    options
        How; the classical segmentation without limits if None.
    typical
        The diameter of a typical nucleus in pixels, for the classical segmentation; estimated if None.

    Returns
    -------
    (H, W) labels: 0 is background, 1 .. n are the nuclei.

    Raises
    ------
    ImageError
        If the segmentation fails or returns no labels, or limits are given and the site has no mpp.
    """
    options = options or NucleiOptions()
    limits = options.in_pixels(site.mpp)
    if options.segmentation == "classical":
        return _classical(site, typical, limits)
    labels = np.asarray(segmentations.find(options.segmentation)(site))
    shape = site.pixels.shape[1:]
    if labels.shape != shape or labels.min(initial=0) < 0 or (labels.dtype.kind == "f" and (labels % 1).any()):
        raise ImageError(
            f"{site.site_id}: the segmentation '{options.segmentation}' must return labels {shape} from 0, found "
            f"{labels.dtype} {labels.shape}"
        )
    labels = labels.astype(np.int32)
    diameter = 2 * np.sqrt(np.bincount(labels.ravel()) / math.pi)
    least, greatest = limits or (0, math.inf)
    return drop_objects(labels, (diameter < least) | (diameter > greatest))
