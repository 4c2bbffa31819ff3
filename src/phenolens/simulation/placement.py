"""Placement of cells, in free space or next to each other."""

import numpy as np
from numpy.typing import NDArray

# Fixed, so that the size of nuclei has no effect on positions.
_SPACING = 22.0
_ROOMY_CANDIDATES = 5
_CANDIDATES = 40


def place(
    count: int, outside: int, size: int, margin: int, clustering: float, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Place cells one after the other, given numbers of them in the field and in the margin around it.

    The numbers are fixed, so that clustering changes positions but not the count.

    Parameters
    ----------
    count, outside
        Number of cells in the field and in the margin.
    size, margin
        Side of the field and width of the margin, in pixels.
    clustering
        Probability that a cell settles next to an existing one.
    rng
        Source of randomness.

    Returns
    -------
    centres, inside
        Positions (y, x), shape (n, 2), and whether they are in the field [0, size), shape (n,).
    """
    n = count + outside
    centres = np.empty((n, 2))
    inside = np.zeros(n, dtype=np.bool_)
    # Field and margin are filled in random order, so that neither affects the density of the other.
    inside[rng.permutation(n)[:count]] = True
    for i in range(n):
        social = i > 0 and rng.random() < clustering
        candidates = _beside(centres[:i], rng) if social else rng.uniform(-margin, size + margin, (_CANDIDATES, 2))
        allowed = _within(candidates, -margin, size + margin) & (_within(candidates, 0, size) == inside[i])
        if not allowed.any():
            candidates = _anywhere(bool(inside[i]), size, margin, rng)
            allowed = np.ones(len(candidates), dtype=np.bool_)
        candidates = candidates[allowed]
        clearance = _clearance(candidates, centres[:i])
        fits = np.flatnonzero(clearance >= _SPACING)
        if len(fits) == 0:
            chosen = int(clearance.argmax())
        elif social:
            chosen = int(fits[0])
        else:
            few = fits[:_ROOMY_CANDIDATES]
            chosen = int(few[clearance[few].argmax()])
        centres[i] = candidates[chosen]
    return centres, inside


def _beside(placed: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return candidates that almost touch a cell already placed."""
    anchors = placed[rng.integers(len(placed), size=_CANDIDATES)]
    angle = rng.uniform(0.0, 2.0 * np.pi, _CANDIDATES)
    distance = _SPACING * rng.uniform(1.0, 1.35, _CANDIDATES)
    return anchors + distance[:, None] * np.stack([np.sin(angle), np.cos(angle)], axis=1)


def _anywhere(inside: bool, size: int, margin: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return at least one candidate in the field, or in the margin."""
    while True:
        low, high = (0, size) if inside else (-margin, size + margin)
        candidates = rng.uniform(low, high, (_CANDIDATES, 2))
        kept = candidates[_within(candidates, 0, size) == inside]
        if len(kept):
            return kept


def _within(points: NDArray[np.float64], low: float, high: float) -> NDArray[np.bool_]:
    return np.asarray(((points >= low) & (points < high)).all(axis=1))


def _clearance(points: NDArray[np.float64], placed: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the distance of each point to the nearest placed cell, infinite if there is none."""
    if len(placed) == 0:
        return np.full(len(points), np.inf)
    return np.asarray(np.sqrt(((points[:, None] - placed[None]) ** 2).sum(axis=2)).min(axis=1))
