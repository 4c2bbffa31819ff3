"""Unit vectors in the precision that their cosines need, and the rule by which two of these cosines are ties."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from phenolens.metrics.similarity import unit_rows
from phenolens.metrics.ties import SINGLE, TIE, Tolerance

if TYPE_CHECKING:
    import torch

_SAMPLE = 128  # rows whose cosines tell which precision is needed
_SHIFTS = 8  # each cosine is compared with so many others of the same row
_MOST_LOST = 1e-4  # of these comparisons may be ties by float32 alone; of 384 random numbers, 6e-6 are
_LEAST = 4e-15  # rounding of a cosine in float64


class Directions(NamedTuple):
    """Unit rows, and when two cosines of the same row are ties.

    Attributes
    ----------
    unit
        (n, d) rows of length one, or zero; float32 where this suffices, else float64.
    tolerance
        Cosines closer than this are ties.
    """

    unit: torch.Tensor
    tolerance: Tolerance


def directions(x: NDArray[Any], *, device: str = "cpu") -> Directions:
    """Return the directions of vectors.

    Cosines in float32 are exact to 5e-7. Vectors with a large common part, or one large component, have many cosines
    closer than that: vectors that differ by 1e-3 of their length have all of them within 1e-6. Where more than one in
    ten thousand comparisons between cosines of a sample of rows would be lost in this way, cosines are computed in
    float64. Their ties are then as wide as the precision of the vectors allows: rounding moves the cosine of two rows
    by as much as it moves a row, times the sine of the angle between the two.

    Parameters
    ----------
    x
        (n, d) vectors; all but float64 are taken to be exact to float32.
    device
        The device to compute on.

    Raises
    ------
    ValueError
        If `x` is not a matrix of finite numbers.
    """
    import torch

    unit = unit_rows(x)
    is_double = np.asarray(x).dtype == np.float64
    by_sine = Tolerance(_LEAST, float(np.finfo(np.float64 if is_double else np.float32).eps))
    if _loses_by_float32(unit, by_sine):
        return Directions(torch.from_numpy(unit).to(device), by_sine)
    return Directions(torch.from_numpy(unit.astype(np.float32)).to(device), SINGLE)


def _loses_by_float32(unit: NDArray[np.float64], by_sine: Tolerance) -> bool:
    """Return whether too many cosines differ by less than float32 resolves, and by more than rounding of the rows."""
    n = len(unit)
    some = unit if n <= _SAMPLE else unit[np.random.default_rng(0).choice(n, _SAMPLE, replace=False)]
    cosines = some @ some.T
    np.fill_diagonal(cosines, np.nan)  # a row is not compared with itself
    lost = compared = 0
    for shift in range(1, min(n, _SHIFTS + 1)):
        gap = np.abs(cosines[:, shift:] - cosines[:, :-shift])
        lost += int(((gap <= TIE) & (gap > by_sine.at(cosines[:, shift:]))).sum())
        compared += int((~np.isnan(gap)).sum())
    return lost > _MOST_LOST * compared
