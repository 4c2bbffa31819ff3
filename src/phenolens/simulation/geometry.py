"""The cell that each pixel belongs to, and its depth inside the cell."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from phenolens.simulation.cells import Cells

_REACH = 1.5
_FAR = np.float32(1e3)


@dataclass(frozen=True, slots=True, eq=False)
class Territory:
    """Assignment of the pixels of one site, including its margin, to cells; every array has shape (H, W).

    Parameters
    ----------
    nucleus
        Index of the cell whose nucleus is nearest, -1 far from all.
    nuclear_depth
        Pixels inside the outline of that nucleus, negative outside.
    body
        Index of the cell whose body is nearest, -1 far from all.
    body_depth
        Pixels inside the outline of that body, negative outside.
    border_depth
        Pixels to the border with the next cell.
    """

    nucleus: NDArray[np.intp]
    nuclear_depth: NDArray[np.float32]
    body: NDArray[np.intp]
    body_depth: NDArray[np.float32]
    border_depth: NDArray[np.float32]


def survey(cells: Cells, size: int, margin: int) -> Territory:
    """Assign the pixels of a site to its cells.

    The border between two bodies is where the distances to both, relative to their radii, are equal.

    Parameters
    ----------
    cells
        The cells of the site.
    size, margin
        Side of the field and width of the margin around it, in pixels.

    Returns
    -------
    Territory
        Arrays of side ``size + 2 * margin``.
    """
    side = size + 2 * margin
    nuclei = _Nearest(side)
    bodies = _Nearest(side)
    nuclear_radius = np.sqrt(cells.values["nuclear_area"] / math.pi)
    body_radius = np.sqrt(cells.values["body_area"] / math.pi)
    elongation, body_elongation = cells.values["elongation"], cells.body_elongation
    for i, (y, x) in enumerate(cells.centres + margin):
        reach = math.ceil(_REACH * body_radius[i] * math.sqrt(body_elongation[i]))
        rows = slice(max(0, int(y) - reach), max(0, min(side, int(y) + reach + 1)))
        columns = slice(max(0, int(x) - reach), max(0, min(side, int(x) + reach + 1)))
        dy = (np.arange(rows.start, rows.stop, dtype=np.float32) - np.float32(y))[:, None]
        dx = (np.arange(columns.start, columns.stop, dtype=np.float32) - np.float32(x))[None, :]
        angle = cells.angle[i]
        nuclei.offer(
            i, rows, columns,
            _relative_radius(dy, dx, angle, nuclear_radius[i], elongation[i], cells.nuclear_outline[i]),
        )  # fmt: skip
        bodies.offer(
            i, rows, columns,
            _relative_radius(dy, dx, angle, body_radius[i], body_elongation[i], cells.body_outline[i]),
        )  # fmt: skip
    nuclear_scale = nuclear_radius.astype(np.float32)[nuclei.owner]
    body_scale = body_radius.astype(np.float32)[bodies.owner]
    return Territory(
        nucleus=nuclei.owner,
        nuclear_depth=(1 - nuclei.first) * nuclear_scale,
        body=bodies.owner,
        body_depth=(1 - bodies.first) * body_scale,
        border_depth=(bodies.second - bodies.first) * (body_scale / np.float32(2)),
    )


class _Nearest:
    """For every pixel, the two smallest relative distances so far, and the owner of the smallest."""

    def __init__(self, side: int) -> None:
        self.first = np.full((side, side), _FAR, dtype=np.float32)
        self.second = np.full((side, side), _FAR, dtype=np.float32)
        self.owner = np.full((side, side), -1, dtype=np.intp)

    def offer(self, owner: int, rows: slice, columns: slice, radius: NDArray[np.float32]) -> None:
        first = self.first[rows, columns]
        second = self.second[rows, columns]
        np.minimum(second, np.maximum(radius, first), out=second)
        closer = radius < first
        first[closer] = radius[closer]
        self.owner[rows, columns][closer] = owner


def _relative_radius(
    dy: NDArray[np.float32],
    dx: NDArray[np.float32],
    angle: float,
    radius: float,
    elongation: float,
    outline: NDArray[np.complex128],
) -> NDArray[np.float32]:
    """Return the distance from the centre, scaled to 1 on the outline, which has the area of a circle of `radius`."""
    stretch = math.sqrt(elongation)
    cos, sin = np.float32(math.cos(angle)), np.float32(math.sin(angle))
    u = (dx * cos + dy * sin) / np.float32(radius * stretch)
    v = (dy * cos - dx * sin) / np.float32(radius / stretch)
    distance = np.hypot(u, v) + np.float32(1e-6)
    direction = (u + 1j * v) / distance
    power = direction
    waves = np.ones_like(distance)
    for amplitude in outline.astype(np.complex64):
        power = power * direction
        waves += (power * amplitude).real
    # Waves of amplitude a add a**2 / 2 to the area of the unit circle, which is divided out.
    waves /= np.float32(math.sqrt(1.0 + 0.5 * float((np.abs(outline) ** 2).sum())))
    return np.asarray(distance / np.maximum(waves, 0.3), dtype=np.float32)
