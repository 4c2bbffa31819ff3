"""Merging of fragments of nuclei: those are one nucleus that together are an ellipse and not parted by a dark seam."""

import heapq
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_RAGGED = 0.15
"""The share of ragged objects above which a segmentation is not to be trusted."""

_RAGGED = 0.85  # ellipse fit; annotated nuclei hardly ever have less
_TOLERANCE = 0.02  # loss of ellipse fit that a merge may cost, since contours are rough
_SEAM = 0.5  # ellipse fit that a seam of no brightness counts as


def ellipse_fit(labels: NDArray[np.int32]) -> NDArray[np.float64]:
    """Return how well each object 1 .. n of (H, W) labels fits an ellipse: (n,) from 0 to 1.

    It is the area over that of an ellipse with the same second moments: 1 for every ellipse, 0.95 for half of a disc,
    0.89 for two discs that touch, and less for slivers, rings and ragged objects. Numbers that do not occur have 0.

    Examples
    --------
    >>> import numpy as np
    >>> y, x = np.mgrid[:40, :40]
    >>> disc = (y - 20) ** 2 + (x - 20) ** 2 < 15**2
    >>> ellipse_fit(disc.astype(np.int32)).round(2).tolist()
    [1.0]
    """
    return np.array([_fit(moments) for moments in _moments(labels)[1:]])


def minor_axes(labels: NDArray[np.int32]) -> NDArray[np.float64]:
    """Return the length (n,) in pixels of the minor axis of the ellipse with the same second moments as each object."""
    area, y, x, yy, xx, xy = _moments(labels)[1:].T
    area = np.maximum(area, 1)  # numbers that do not occur
    var_y, var_x = yy / area - (y / area) ** 2 + 1 / 12, xx / area - (x / area) ** 2 + 1 / 12
    covariance = xy / area - y / area * (x / area)
    least = (var_y + var_x) / 2 - np.hypot((var_y - var_x) / 2, covariance)
    return 4 * np.sqrt(np.maximum(least, 0))


def ragged_share(*crops: NDArray[np.int32]) -> float:
    """Return the share of the objects in crops (H, W) of labels that are far from any ellipse; 0 if there are none."""
    fits = np.concatenate([ellipse_fit(labels) for labels in crops])
    found = fits[fits > 0]
    return float((found < _RAGGED).mean()) if len(found) else 0.0


def merge_fragments(fragments: NDArray[np.int32], brightness: NDArray[Any]) -> NDArray[np.int32]:
    """Merge fragments of nuclei that touch, the best pair first, as long as that makes better objects.

    A merge is worth the gain in ellipse fit of the whole over its parts, less what the seam between them is darker
    than they are.

    Parameters
    ----------
    fragments
        (H, W) labels 1 .. n, finer than the nuclei.
    brightness
        (H, W) intensities above the background.

    Returns
    -------
    (H, W) labels, not consecutive.
    """
    regions = _Regions(fragments, brightness)
    queue = [(-gain, a, b, 0, 0) for a, b, gain in regions.pairs() if gain > 0]
    heapq.heapify(queue)
    while queue:
        _, a, b, version_a, version_b = heapq.heappop(queue)
        if (regions.version[a], regions.version[b]) != (version_a, version_b):
            continue  # one of them has changed since
        regions.merge(a, b)
        for c in regions.seams[a]:
            gain = regions.gain(a, c)
            if gain > 0:
                heapq.heappush(queue, (-gain, a, c, regions.version[a], regions.version[c]))
    return regions.roots()[fragments]


class _Regions:
    """Moments, brightness and seams of regions; of merged ones, the first number stays."""

    def __init__(self, fragments: NDArray[np.int32], brightness: NDArray[Any]) -> None:
        moments = _moments(fragments)
        n = len(moments)
        self.moments: list[Sequence[float]] = moments.tolist()
        self.total: list[float] = np.bincount(fragments.ravel(), brightness.ravel(), n).tolist()
        self.fit = [_fit(each) for each in self.moments]
        self.seams = _seams(fragments, brightness, n)
        self.version = [0] * n  # -1 for regions that are part of another
        self.into = np.arange(n)

    def pairs(self) -> list[tuple[int, int, float]]:
        return [(a, b, self.gain(a, b)) for a, seams in enumerate(self.seams) for b in seams if a < b]

    def gain(self, a: int, b: int) -> float:
        whole = _sum(self.moments[a], self.moments[b])
        area_a, area_b = self.moments[a][0], self.moments[b][0]
        parts = (area_a * self.fit[a] + area_b * self.fit[b]) / (area_a + area_b)
        length, total = self.seams[a][b]
        darker = min(self.total[a] / area_a, self.total[b] / area_b)
        dip = max(0.0, 1 - total / length / darker) if darker > 0 else 0.0
        return _fit(whole) - parts + _TOLERANCE - _SEAM * dip

    def merge(self, a: int, b: int) -> None:
        self.moments[a] = _sum(self.moments[a], self.moments[b])
        self.total[a] += self.total[b]
        self.fit[a] = _fit(self.moments[a])
        self.version[a] += 1
        self.version[b] = -1
        self.into[b] = a
        del self.seams[a][b]
        for c, (length, total) in self.seams[b].items():
            if c == a:
                continue
            del self.seams[c][b]
            other_length, other_total = self.seams[a].get(c, (0, 0.0))
            self.seams[a][c] = self.seams[c][a] = (length + other_length, total + other_total)

    def roots(self) -> NDArray[np.int32]:
        """Return the number of the region that each has become part of."""
        into = self.into
        while (into[into] != into).any():
            into = into[into]
        return into.astype(np.int32)


def _moments(labels: NDArray[np.int32]) -> NDArray[np.float64]:
    """Return area, sums of y and x, and of yy, xx and xy (n + 1, 6) of each object; 0 for the background."""
    n = int(labels.max(initial=0)) + 1
    inside = np.flatnonzero(labels)
    of = labels.ravel()[inside]
    y, x = (each.astype(np.float64) for each in np.divmod(inside, labels.shape[1]))
    return np.stack([np.bincount(of, weight, n) for weight in (np.ones(len(of)), y, x, y * y, x * x, x * y)], axis=1)


def _fit(moments: Sequence[float] | NDArray[np.float64]) -> float:
    area, y, x, yy, xx, xy = moments
    if area == 0:
        return 0.0
    # A pixel is a square, and has a variance of its own.
    var_y, var_x = yy / area - (y / area) ** 2 + 1 / 12, xx / area - (x / area) ** 2 + 1 / 12
    covariance = xy / area - y / area * (x / area)
    return area / (4 * math.pi * math.sqrt(max(var_y * var_x - covariance**2, 1e-9)))


def _sum(a: Sequence[float], b: Sequence[float]) -> Sequence[float]:
    return [one + other for one, other in zip(a, b, strict=True)]


def _seams(labels: NDArray[np.int32], brightness: NDArray[Any], n: int) -> list[dict[int, tuple[int, float]]]:
    """Return for each object its neighbours, with the length of the seam between them and the sum of its brightness."""
    seams: list[dict[int, tuple[int, float]]] = [{} for _ in range(n)]
    first, second, bright = [], [], []
    for here, there in (((slice(None), slice(-1)), (slice(None), slice(1, None))), (slice(-1), slice(1, None))):
        a, b = labels[here], labels[there]
        touch = (a != b) & (a > 0) & (b > 0)
        first.append(np.minimum(a[touch], b[touch]))
        second.append(np.maximum(a[touch], b[touch]))
        bright.append((brightness[here][touch] + brightness[there][touch]) / 2)
    pair = np.concatenate(first).astype(np.int64) * n + np.concatenate(second)
    found, which = np.unique(pair, return_inverse=True)
    lengths = np.bincount(which, minlength=len(found))
    totals = np.bincount(which, np.concatenate(bright), len(found))
    for key, length, total in zip(found.tolist(), lengths.tolist(), totals.tolist(), strict=True):
        a, b = divmod(key, n)
        seams[a][b] = seams[b][a] = (length, total)
    return seams
