"""Classical segmentation of nuclei and cells, without trained weights."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from phenolens.core.errors import ImageError
from phenolens.images.mask import drop_objects, on_border
from phenolens.images.merge import MOST_RAGGED, ellipse_fit, merge_fragments, minor_axes, ragged_share

_SMOOTHINGS = (1.0, 2.0, 4.0)  # pixels; the first is below the size of any nucleus worth counting
_TILE = 64  # pixels; the background is taken as constant over such a tile
_LEAST_CONTRAST = 5.0  # of nuclei over background, in standard deviations of the smoothed noise
_LEAST_SEPARATION = 3.0  # the same in standard deviations of the background class; a split of pure noise has 2.7
_LEAST_DIAMETER = 5.0  # pixels
_WIDE = 3.0  # pixels; the least standard deviation of a wide blur
_SPECK = 0.1  # of the area of a typical nucleus
_HAZE = 0.4  # of the brightness of the brightest nucleus nearby
_ELONGATION = 1.1  # diameter of a nucleus over twice the depth of its middle
_LARGEST_HOLE = 0.5  # of the area of the object around it
_FRAGMENT = 0.2  # of a diameter, between the middles of two fragments
_LEAST_MIDDLE = 0.15  # of depth and brightness at the middle of a fragment
_LEAST_FIT = 0.7  # of an ellipse; slivers and networks have less
_SLIVER = 0.3  # of the diameter of a typical nucleus, across
_LARGEST_NUCLEUS = 0.5  # of the area of a cell
_LONG = 2.5  # length over width of a sliver
_DARKER = 1.4  # than the cells around them are nuclei in a bright field
_FAINT = 0.7  # of the median over the nuclei of a bright field
_EVEN = 0.8  # spread of a bright field over that of what it shows; the halves of noise have 1
_LEAST_BACKGROUND = 0.5  # of the area of a bright field


def segment_nuclei(
    image: NDArray[Any], diameter: float | None = None, limits: tuple[float, float] | None = None
) -> NDArray[np.int32]:
    """Label the nuclei of one image of a nuclear stain: bright on dark, or dark on bright as in a bright field.

    The image is smoothed, an uneven background is removed, Otsu's threshold of the square root separates nuclei
    from it, and haze around bright nuclei is removed. A watershed of depth and brightness cuts the foreground into
    fragments, and fragments that together are an ellipse are merged. Slivers and specks are dropped. In a bright field,
    where cells are dark too, nuclei are what is much darker than the cells around it.

    Parameters
    ----------
    image
        (H, W) intensities of the nuclear stain.
    diameter
        The diameter of a typical nucleus in pixels; estimated from the image if None.
    limits
        The least and the greatest diameter of a nucleus in pixels, as that of a disc of the same area; if None, only
        specks beside the nuclei of the image are dropped.

    Returns
    -------
    (H, W) labels: 0 is background, 1 .. n are the nuclei. An image without contrast has none.

    Raises
    ------
    ImageError
        If the image is not a matrix of finite numbers, or the diameter or the limits are not positive.
    """
    image = np.asarray(image)
    if image.ndim != 2 or not np.isfinite(image).all():
        raise ImageError(f"segmentation needs one finite (H, W) image, found shape {image.shape}")
    if diameter is not None and not diameter > 0:
        raise ImageError(f"the diameter of a nucleus must be positive, found {diameter}")
    if limits is not None and not 0 < limits[0] < limits[1]:
        raise ImageError(f"the least and the greatest diameter must be positive and increase, found {limits}")
    pixels = image.astype(np.float32)
    sizes = _Sizes(diameter, limits)
    if not is_dark_on_bright(pixels):
        return _find(pixels, sizes)[0]
    inverted = pixels.max() - pixels
    labels, above = _find_smoothed(inverted, sizes, _SMOOTHINGS[0])
    darker = _darker_than_around(above, labels > 0)
    within = _drop_faint(_find(darker, sizes)[0], darker)
    return within if _are_in_cells(within, labels, above) else labels


def _are_in_cells(nuclei: NDArray[np.int32], cells: NDArray[np.int32], above: NDArray[np.float32]) -> bool:
    """Whether objects are nuclei of the larger, fainter ones that hold them, and not merely the middles of these."""
    holding = np.isin(cells, np.unique(cells[nuclei > 0])) & (cells > 0)
    around = holding & (nuclei == 0)
    inside = holding & (nuclei > 0)
    if not inside.any() or inside.sum() > _LARGEST_NUCLEUS * holding.sum():
        return False
    return bool(np.median(above[inside]) > _DARKER * np.median(above[around]))


def is_dark_on_bright(image: NDArray[Any]) -> bool:
    """Whether an image (H, W) shows dark objects on a bright and even background, as a bright field does."""
    from skimage.filters import threshold_otsu

    smooth = _smooth(image)
    low, high = np.percentile(smooth, [0.5, 99.5])
    if not high > low:
        return False
    smooth = np.clip(smooth, low, high)
    bright = smooth > threshold_otsu(smooth)
    if bright.mean() < _LEAST_BACKGROUND:
        return False
    spread = [np.subtract(*np.percentile(smooth[part], [75, 25])) for part in (bright, ~bright)]
    return bool(spread[0] < _EVEN * spread[1])


@dataclass(frozen=True)
class _Sizes:
    """What is known of the size of nuclei, in pixels; see `segment_nuclei`."""

    diameter: float | None
    limits: tuple[float, float] | None

    def typical(self, mask: NDArray[np.bool_], depth: NDArray[np.float64]) -> float:
        """Return the diameter of a typical nucleus."""
        found = self.diameter or _typical_diameter(mask, depth)
        return float(np.clip(found, *self.limits)) if self.limits else found

    def areas(self, typical: float) -> tuple[float, float]:
        """Return the least and the greatest area."""
        if self.limits is None:
            return _SPECK * math.pi * typical**2 / 4, math.inf
        least, greatest = (math.pi * each**2 / 4 for each in self.limits)
        return least, greatest


def _find(pixels: NDArray[np.float32], sizes: _Sizes) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return labels of bright nuclei, and the intensities above the background.

    Objects are ragged where nuclei are so large that their texture is not smoothed; then more smoothing is tried.
    """
    best = _find_smoothed(pixels, sizes, _SMOOTHINGS[0])
    for smoothing in _SMOOTHINGS[1:]:
        if ragged_share(best[0]) <= MOST_RAGGED:
            break
        best = min(best, _find_smoothed(pixels, sizes, smoothing), key=lambda found: ragged_share(found[0]))
    return best


def _find_smoothed(
    pixels: NDArray[np.float32], sizes: _Sizes, smoothing: float
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    smooth = ndimage.gaussian_filter(pixels, smoothing)
    above = np.maximum(smooth - _background(smooth), 0)
    mask = _foreground(above, _noise(pixels) / (2 * math.sqrt(math.pi) * smoothing))
    if mask.any():
        mask = _drop_haze(mask, above, sizes.typical(mask, ndimage.distance_transform_edt(mask)))
    if not mask.any():
        return np.zeros(pixels.shape, np.int32), above
    depth = ndimage.distance_transform_edt(mask)
    typical = sizes.typical(mask, depth)
    return _drop_implausible(_separate(mask, depth, above, typical), sizes.areas(typical), _SLIVER * typical), above


def _drop_implausible(labels: NDArray[np.int32], areas: tuple[float, float], width: float) -> NDArray[np.int32]:
    """Return the labels, numbered anew, of objects that are neither too small, nor too large, nor slivers."""
    area = np.bincount(labels.ravel())
    dropped = (area < areas[0]) | (area > areas[1])
    minor = minor_axes(labels)
    # Small round objects may be fragments of nuclei, and the border cuts thin parts off them; other long ones are rims.
    slivers = (minor < width) & (area[1:] > math.pi / 4 * _LONG * minor**2)
    slivers[on_border(labels) - 1] = False
    dropped[1:] |= (ellipse_fit(labels) < _LEAST_FIT) | slivers
    return drop_objects(labels, dropped)


def _drop_faint(labels: NDArray[np.int32], above: NDArray[np.float32]) -> NDArray[np.int32]:
    """Return the labels, numbered anew, without objects that are much fainter than most: folds of cells."""
    if not labels.any():
        return labels
    mean = ndimage.mean(above, labels, np.arange(labels.max() + 1))
    return drop_objects(labels, mean < _FAINT * np.median(mean[1:]))


def _darker_than_around(above: NDArray[np.float32], cells: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return what is more than the mean of the cells around it; in a bright field, the nuclei within cells."""
    if not cells.any():
        return np.zeros_like(above)
    around = _typical_diameter(cells, ndimage.distance_transform_edt(cells)) / 2
    share = _blur(cells.astype(np.float32), around)
    mean = _blur(np.where(cells, above, 0).astype(np.float32), around) / np.maximum(share, 1e-6)
    return np.where(cells, np.maximum(above - mean, 0), 0).astype(np.float32)


def _foreground(above: NDArray[np.float32], noise: float) -> NDArray[np.bool_]:
    """Return the foreground mask; empty if nothing stands out from the background and its noise after smoothing."""
    from skimage.filters import threshold_otsu

    root = np.sqrt(above)  # so that dim and bright nuclei are on the same side of the threshold
    mask = root > threshold_otsu(root) if np.ptp(root) > 0 else np.zeros(above.shape, dtype=bool)
    if not mask.any():
        return mask
    contrast = above[mask].mean() - above[~mask].mean()
    if contrast < _LEAST_CONTRAST * noise or contrast < _LEAST_SEPARATION * above[~mask].std():
        return np.zeros_like(mask)
    return _clean(mask)


def _drop_haze(mask: NDArray[np.bool_], above: NDArray[np.float32], typical: float) -> NDArray[np.bool_]:
    """Keep pixels above a share of the brightest nucleus nearby, to remove blur around bright nuclei."""
    peak = ndimage.maximum_filter(ndimage.gaussian_filter(above, _SMOOTHINGS[0]), size=round(typical))
    return _clean(mask & (above > _HAZE * _blur(peak, typical / 4)))


def _clean(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the mask without specks, and without holes in objects that are larger than these, unlike rims of fat."""
    mask = ndimage.binary_opening(mask)
    filled = ndimage.binary_fill_holes(mask)
    holes, n_holes = ndimage.label(filled & ~mask)
    if not n_holes:
        return mask
    objects, _ = ndimage.label(filled)
    around = ndimage.maximum(objects, holes, np.arange(n_holes + 1))
    too_large = (
        np.bincount(holes.ravel()) > _LARGEST_HOLE * np.bincount(objects[mask], minlength=objects.max() + 1)[around]
    )
    too_large[0] = False
    return filled & ~too_large[holes]


def _background(smooth: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the background of each pixel, from a low quantile of tiles; a constant for small images."""
    rows, columns = (max(1, round(side / _TILE)) for side in smooth.shape)
    if min(rows, columns) < 3:
        return np.full_like(smooth, np.percentile(smooth, 5))
    levels = np.array(
        [
            [np.percentile(part, 10) for part in np.array_split(band, columns, axis=1)]
            for band in np.array_split(smooth, rows, axis=0)
        ],
        dtype=np.float32,
    )
    # A tile filled with nuclei has no background; it takes that of its darker neighbours.
    levels = ndimage.gaussian_filter(ndimage.percentile_filter(levels, 35, size=3), 1.0)
    zoom = (smooth.shape[0] / rows, smooth.shape[1] / columns)
    y = (np.arange(smooth.shape[0]) + 0.5) / zoom[0] - 0.5
    x = (np.arange(smooth.shape[1]) + 0.5) / zoom[1] - 0.5
    grid = np.meshgrid(y, x, indexing="ij")
    return ndimage.map_coordinates(levels, grid, order=1, mode="nearest").astype(np.float32)


def _noise(pixels: NDArray[np.float32]) -> float:
    """Return the standard deviation of pixel noise, from second differences, which smooth shading does not affect."""
    second = pixels[:, 2:] - 2 * pixels[:, 1:-1] + pixels[:, :-2] if pixels.shape[1] > 2 else pixels[:, :0]
    return float(np.median(np.abs(second)) / 0.6745 / math.sqrt(6)) if second.size else 0.0


def _typical_diameter(mask: NDArray[np.bool_], depth: NDArray[np.float64]) -> float:
    """Return the diameter of nuclei from the depth of their middles, which clumps do not change."""
    labels, n = ndimage.label(mask)
    of = labels[mask] - 1
    deepest = np.zeros(n)
    np.maximum.at(deepest, of, depth[mask])
    area = np.bincount(of, minlength=n)
    # The median is weighted by area, because there are many specks.
    order = np.argsort(deepest)
    weight = np.cumsum(area[order])
    middle = deepest[order][np.searchsorted(weight, weight[-1] / 2)]
    return max(_LEAST_DIAMETER, 2 * _ELONGATION * float(middle))


def _separate(
    mask: NDArray[np.bool_], depth: NDArray[np.float64], above: NDArray[np.float32], typical: float
) -> NDArray[np.int32]:
    """Return labels of nuclei: fragments where the mask narrows or darkens, merged to ellipses."""
    from skimage.feature import peak_local_max
    from skimage.segmentation import watershed

    depth = depth / (typical / 2)
    blurred = _blur(above, typical / 6)
    nearby = ndimage.maximum_filter(blurred, size=round(1.5 * typical))
    relative = np.divide(blurred, nearby, out=np.zeros_like(blurred), where=nearby > 0)
    # Depth and brightness have equal weight, except at the rim, where brightness may be that of a neighbour.
    middle = (_blur(depth.astype(np.float32), typical / 12) + relative * np.minimum(2 * depth, 1)) / 2
    peaks = peak_local_max(
        middle,
        min_distance=max(1, round(_FRAGMENT * typical)),
        threshold_abs=_LEAST_MIDDLE,
        labels=ndimage.label(mask)[0],
        exclude_border=False,
    )
    markers = np.zeros(mask.shape, np.int32)
    markers[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    return merge_fragments(watershed(-middle, markers, mask=mask), above)


def segment_cells(nuclei: NDArray[np.int32], others: NDArray[Any]) -> NDArray[np.int32]:
    """Label the cells around nuclei: pixels where other stains show a cell belong to the nearest nucleus.

    Parameters
    ----------
    nuclei
        (H, W) labels of nuclei.
    others
        (C, H, W) intensities of stains of the cell body; without any, a cell is a rim around its nucleus.

    Returns
    -------
    (H, W) labels with the same numbers; every cell contains its nucleus and extends at most the diameter of a nucleus
    beyond it, or half of that without stains.
    """
    from skimage.filters import threshold_otsu
    from skimage.segmentation import expand_labels

    if not nuclei.any():
        return nuclei.copy()
    _, counts = np.unique(nuclei[nuclei > 0], return_counts=True)
    diameter = 2 * math.sqrt(float(np.median(counts)) / math.pi)
    if len(others) == 0:
        return expand_labels(nuclei, diameter / 2)
    # All stains have the same weight, independent of brightness.
    smooth = [np.sqrt(np.maximum(s - s.min(), 0)) for s in map(_smooth, others)]
    body = np.mean([s / s.max() if s.max() > 0 else s for s in smooth], axis=0)
    shown = body > threshold_otsu(body) if np.ptp(body) > 0 else np.zeros(nuclei.shape, dtype=bool)
    return np.where(shown | (nuclei > 0), expand_labels(nuclei, diameter), 0).astype(np.int32)


def _blur(image: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """Return a Gaussian blur; a wide one as three means over squares, whose time does not grow with it."""
    if sigma < _WIDE:
        return ndimage.gaussian_filter(image, sigma)
    side = round(math.sqrt(4 * sigma**2 + 1))
    for _ in range(3):
        image = ndimage.uniform_filter(image, side)
    return image


def _smooth(image: NDArray[Any]) -> NDArray[np.float32]:
    return ndimage.gaussian_filter(image.astype(np.float32), _SMOOTHINGS[0])
