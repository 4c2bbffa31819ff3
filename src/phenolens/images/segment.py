"""Classical segmentation of nuclei and cells, without trained weights."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from phenolens.core.errors import ImageError

_SMOOTHING = 1.0  # pixels; below the size of any nucleus worth counting
_TILE = 64  # pixels; the background is taken as constant over such a tile
_LEAST_CONTRAST = 5.0  # of nuclei over background, in standard deviations of the smoothed noise
_LEAST_SEPARATION = 3.0  # the same in standard deviations of the background class; a split of pure noise has 2.7
_LEAST_DIAMETER = 5.0  # pixels
_SPECK = 0.15  # of the area of a typical nucleus
_HAZE = 0.4  # of the brightness of the brightest nucleus nearby
_ELONGATION = 1.1  # diameter of a nucleus over twice the depth of its middle
_MARKER_DISTANCE = 0.35  # of a diameter, between the middles of two nuclei that touch
_LEAST_MIDDLE = 0.15  # of depth and brightness at the middle of a nucleus


def segment_nuclei(image: NDArray[Any], diameter: float | None = None) -> NDArray[np.int32]:
    """Label the nuclei of one fluorescence image, bright on dark.

    The image is smoothed, an uneven background is removed, Otsu's threshold of the square root separates dim and bright
    nuclei from it, haze around bright nuclei is removed, and touching nuclei are separated by a watershed of depth and
    brightness.

    Parameters
    ----------
    image
        (H, W) intensities of the nuclear stain.
    diameter
        The diameter of a typical nucleus in pixels; estimated from the image if None.

    Returns
    -------
    (H, W) labels: 0 is background, 1 .. n are the nuclei. An image without contrast has none.

    Raises
    ------
    ImageError
        If the image is not a matrix of finite numbers, or the diameter is not positive.
    """
    image = np.asarray(image)
    if image.ndim != 2 or not np.isfinite(image).all():
        raise ImageError(f"segmentation needs one finite (H, W) image, found shape {image.shape}")
    if diameter is not None and not diameter > 0:
        raise ImageError(f"the diameter of a nucleus must be positive, found {diameter}")
    pixels = image.astype(np.float32)
    smooth = _smooth(pixels)
    above = np.maximum(smooth - _background(smooth), 0)
    mask = _foreground(above, _noise(pixels))
    if mask.any():
        typical = diameter or _typical_diameter(mask, ndimage.distance_transform_edt(mask))
        mask = _drop_haze(mask, above, typical)
    if not mask.any():
        return np.zeros(image.shape, np.int32)
    depth = ndimage.distance_transform_edt(mask)
    return _separate(mask, depth, above, diameter or _typical_diameter(mask, depth))


def _foreground(above: NDArray[np.float32], noise: float) -> NDArray[np.bool_]:
    """Return the foreground mask; empty if nothing stands out from the background."""
    from skimage.filters import threshold_otsu

    root = np.sqrt(above)  # so that dim and bright nuclei are on the same side of the threshold
    mask = root > threshold_otsu(root) if np.ptp(root) > 0 else np.zeros(above.shape, dtype=bool)
    if not mask.any():
        return mask
    contrast = above[mask].mean() - above[~mask].mean()
    smoothed_noise = noise / (2 * math.sqrt(math.pi) * _SMOOTHING)
    if contrast < _LEAST_CONTRAST * smoothed_noise or contrast < _LEAST_SEPARATION * above[~mask].std():
        return np.zeros_like(mask)
    return _clean(mask)


def _drop_haze(mask: NDArray[np.bool_], above: NDArray[np.float32], typical: float) -> NDArray[np.bool_]:
    """Keep pixels above a share of the brightest nucleus nearby, to remove blur around bright nuclei."""
    peak = ndimage.maximum_filter(ndimage.gaussian_filter(above, _SMOOTHING), size=round(typical))
    return _clean(mask & (above > _HAZE * ndimage.gaussian_filter(peak, typical / 4)))


def _clean(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return ndimage.binary_fill_holes(ndimage.binary_opening(mask))


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
    """Return labels of nuclei, separated where the mask narrows or darkens, without specks."""
    from skimage.feature import peak_local_max
    from skimage.segmentation import relabel_sequential, watershed

    depth = depth / (typical / 2)
    blurred = ndimage.gaussian_filter(above, typical / 6)
    nearby = ndimage.maximum_filter(blurred, size=round(1.5 * typical))
    relative = np.divide(blurred, nearby, out=np.zeros_like(blurred), where=nearby > 0)
    # Depth and brightness have equal weight, except at the rim, where brightness may be that of a neighbour.
    middle = (ndimage.gaussian_filter(depth, typical / 12) + relative * np.minimum(2 * depth, 1)) / 2
    peaks = peak_local_max(
        middle,
        min_distance=max(1, round(_MARKER_DISTANCE * typical)),
        threshold_abs=_LEAST_MIDDLE,
        labels=ndimage.label(mask)[0],
        exclude_border=False,
    )
    markers = np.zeros(mask.shape, np.int32)
    markers[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    labels = watershed(-middle, markers, mask=mask)
    area = np.bincount(labels.ravel())
    small = area < _SPECK * math.pi * typical**2 / 4
    labels[small[labels]] = 0
    return relabel_sequential(labels)[0].astype(np.int32)


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


def _smooth(image: NDArray[Any]) -> NDArray[np.float32]:
    return ndimage.gaussian_filter(image.astype(np.float32), _SMOOTHING)
