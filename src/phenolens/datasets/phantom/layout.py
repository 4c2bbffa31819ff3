"""What is in which well: the perturbations of the screen and a randomised layout of each plate."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from string import ascii_uppercase

import numpy as np

CONTROL = "DMSO"
PERTURBATIONS: Mapping[str, Mapping[str, float]] = {
    "inactive_a": {},
    "inactive_b": {},
    "fewer_cells": {"count": 0.5},
    "brighter": {"intensity": 1.4},
    "larger_nuclei": {"nuclear_area": 1.4},
    "rounder": {"elongation": 0.8},
    "coarse_texture": {"texture": 1.6},
    "clustered": {"clustering": 8.0},
}
"""Each perturbation and what it multiplies: one factor at most, so that its truth can be told from the others."""

LEAST_REPLICATES = 2
_CONTROL_SHARE = 3
_FORMATS = ((8, 12), (16, 24))
MOST_WELLS = math.prod(_FORMATS[-1])


@dataclass(frozen=True, slots=True)
class Well:
    """One well of a plate: its name, whether it lies at the edge, and what was put in it."""

    name: str
    edge: bool
    perturbation: str


def least_wells() -> int:
    """Return the fewest wells that hold the replicates of every perturbation and a third of controls."""
    return len(PERTURBATIONS) * LEAST_REPLICATES * _CONTROL_SHARE // (_CONTROL_SHARE - 1)


def lay_out(wells: int, rng: np.random.Generator) -> list[Well]:
    """Fill the first rows of a 96- or 384-well plate in random order.

    Every perturbation gets the same number of replicates; a third of the wells, and those left over, are controls.

    Parameters
    ----------
    wells
        Number of wells to fill, from `least_wells` to `MOST_WELLS`.
    rng
        Source of the order.
    """
    rows, columns = next(shape for shape in _FORMATS if wells <= math.prod(shape))
    replicates = (wells - wells // _CONTROL_SHARE) // len(PERTURBATIONS)
    contents = [name for name in PERTURBATIONS for _ in range(replicates)]
    contents += [CONTROL] * (wells - len(contents))
    plate = []
    for position, content in enumerate(rng.permutation(wells)):
        row, column = divmod(position, columns)
        edge = row in (0, rows - 1) or column in (0, columns - 1)
        plate.append(Well(f"{ascii_uppercase[row]}{column + 1:02d}", edge, contents[content]))
    return plate
