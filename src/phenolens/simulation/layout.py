"""Plate layouts, randomised or deliberately confounded."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_uppercase

import numpy as np

from phenolens.simulation.biology import Perturbation

LEAST_REPLICATES = 2
_CONTROL_SHARE = 3
_FORMATS = ((8, 12), (16, 24))
MOST_WELLS = math.prod(_FORMATS[-1])


@dataclass(frozen=True, slots=True)
class Well:
    """One well of a plate.

    Attributes
    ----------
    name
        Such as ``B03``.
    edge
        Strength of the edge effect: 1 in the outermost ring, less further in.
    perturbation
        The perturbation; None for a negative control.
    guide
        Index of the guide of the perturbation.
    """

    name: str
    edge: float
    perturbation: Perturbation | None
    guide: int = 0

    @property
    def penetrance(self) -> float:
        """The share of cells that respond."""
        given = self.perturbation
        return 1.0 if given is None else given.penetrance * given.guides[self.guide]


def treated_wells(wells: int) -> int:
    """Return the number of wells of a plate with perturbations; the others are controls."""
    return wells - wells // _CONTROL_SHARE


def lay_out(
    wells: int, library: Sequence[Perturbation], rng: np.random.Generator, *, fixed: bool = False
) -> list[Well]:
    """Fill the first rows of a 96- or 384-well plate.

    Every perturbation gets the same number of replicates; a third of the wells, and those left over, are controls.

    Parameters
    ----------
    wells
        Number of wells to fill, at most `MOST_WELLS`.
    library
        The perturbations.
    rng
        Source of the order.
    fixed
        Whether all plates have the same layout, in the order of the library with adjacent replicates and controls last,
        so that position is confounded with treatment.
    """
    rows, columns = next(shape for shape in _FORMATS if wells <= math.prod(shape))
    replicates = treated_wells(wells) // len(library)
    contents: list[tuple[Perturbation | None, int]] = [
        (given, replicate % len(given.guides)) for given in library for replicate in range(replicates)
    ]
    contents += [(None, 0)] * (wells - len(contents))
    order = np.arange(wells) if fixed else rng.permutation(wells)
    plate = []
    for position, content in enumerate(order):
        row, column = divmod(position, columns)
        ring = min(row, column, rows - 1 - row, columns - 1 - column)
        plate.append(Well(f"{ascii_uppercase[row]}{column + 1:02d}", math.exp(-1.5 * ring), *contents[content]))
    return plate
