"""The factors of a simulated image, each on one of six levels."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

Level = Literal["acquisition", "density", "intensity", "shape", "texture", "arrangement"]
LEVELS: tuple[Level, ...] = get_args(Level)


@dataclass(frozen=True, slots=True)
class Factor:
    """One factor of the appearance of a well.

    Attributes
    ----------
    level
        The level on which it acts.
    default
        Its value in an untreated well.
    relative_sd
        Its relative standard deviation between wells of the same treatment.
    effect
        The log ratio by which a strong perturbation changes it; negative if perturbations only lower it.
    both_ways
        Whether perturbations may also change it in the other direction.
    most
        The largest possible value; None for no limit.
    meaning
        Its meaning and unit.
    """

    level: Level
    default: float
    relative_sd: float
    effect: float
    both_ways: bool
    most: float | None
    meaning: str


FACTORS: Mapping[str, Factor] = {
    "count": Factor("density", 38.0, 0.11, -0.7, False, None, "expected cells in a field of 256 x 256 pixels"),
    "intensity": Factor("intensity", 1.0, 0.075, 0.3, True, None, "amount of every stain per cell"),
    "dna_amount": Factor("intensity", 1.0, 0.03, 0.3, True, None, "amount of DNA stain per cell"),
    "er_amount": Factor("intensity", 1.0, 0.03, 0.35, True, None, "amount of endoplasmic reticulum stain per cell"),
    "rna_amount": Factor("intensity", 1.0, 0.03, 0.35, True, None, "amount of RNA stain per cell"),
    "agp_amount": Factor(
        "intensity", 1.0, 0.03, 0.35, True, None, "amount of actin, Golgi and membrane stain per cell"
    ),
    "mito_amount": Factor("intensity", 1.0, 0.03, 0.35, True, None, "amount of mitochondrial stain per cell"),
    "nuclear_area": Factor("shape", 370.0, 0.06, 0.3, True, None, "mean area of a nucleus in square pixels"),
    "body_area": Factor("shape", 1500.0, 0.05, 0.3, True, None, "mean area of a cell in square pixels"),
    "elongation": Factor("shape", 1.45, 0.04, 0.3, True, None, "mean ratio of the long to the short axis of a nucleus"),
    "irregularity": Factor(
        "shape", 1.0, 0.05, 0.6, True, 3.0, "amplitude of the waves of outlines, relative to untreated cells"
    ),
    "mitotic": Factor(
        "shape", 0.03, 0.2, 1.8, False, 1.0, "share of cells in mitosis: rounded, with condensed chromosomes"
    ),
    "dying": Factor(
        "shape", 0.015, 0.2, 1.8, False, 1.0, "share of dying cells: shrunken, with a small bright nucleus"
    ),
    "texture": Factor(
        "texture", 5.0, 0.08, 0.45, True, None, "mean spacing in pixels of the mesh of the endoplasmic reticulum"
    ),
    "nucleoli": Factor("texture", 1.0, 0.08, 0.45, True, 3.0, "size of nucleoli, relative to untreated cells"),
    "mito_spacing": Factor(
        "texture", 6.0, 0.08, 0.45, True, None, "mean spacing in pixels of the mitochondrial network"
    ),
    "fibres": Factor("texture", 1.0, 0.08, 0.5, True, 2.0, "contrast of actin fibres, relative to untreated cells"),
    "golgi_spread": Factor(
        "texture", 1.0, 0.08, 0.7, True, 4.0, "extent of the Golgi apparatus, relative to untreated cells"
    ),
    "clustering": Factor(
        "arrangement", 0.15, 0.25, 1.7, False, 1.0, "probability that a cell settles next to another one"
    ),
    "alignment": Factor("arrangement", 0.1, 0.25, 2.2, False, 1.0, "probability that a cell lies along its neighbours"),
    "segregation": Factor(
        "arrangement", 0.05, 0.1, 2.9, False, 1.0, "probability that a cell is of the kind of its surroundings"
    ),
}
"""Every factor of cells. Those of the acquisition are drawn per plate and channel; see `Acquisition`."""

Factors = Mapping[str, float]

TRUTH = "true_"
"""Prefix of the columns of true factors in a manifest."""
# True values of levels whose factors are not measured cell by cell.
_ARRANGEMENT = ("neighbour_distance", "alignment", "segregation")
_ACQUISITION = ("gain_", "background_", "focus_", "unevenness_", "edge")


def truth_columns(level: Level, columns: Iterable[str]) -> list[str]:
    """Return the columns of a phantom's manifest with the true factors of a level."""
    names = [column for column in map(str, columns) if column.startswith(TRUTH)]
    if level == "acquisition":
        return [column for column in names if column.removeprefix(TRUTH).startswith(_ACQUISITION)]
    of_cells = [name for name, factor in FACTORS.items() if factor.level == level]
    of_level = _ARRANGEMENT if level == "arrangement" else of_cells
    return [TRUTH + factor for factor in of_level if TRUTH + factor in names]


def untreated() -> dict[str, float]:
    """Return the factors of an untreated well."""
    return {name: factor.default for name, factor in FACTORS.items()}


def scaled(factors: Factors, ratios: Mapping[str, float]) -> dict[str, float]:
    """Return factors multiplied by ratios, and clipped to their possible values."""
    values = dict(factors)
    for name, ratio in ratios.items():
        values[name] *= ratio
    for name, factor in FACTORS.items():
        if factor.most is not None:
            values[name] = min(values[name], factor.most)
    values["elongation"] = max(values["elongation"], 1.0)
    return values


def varied(factors: Factors, rng: np.random.Generator) -> dict[str, float]:
    """Return the factors of one well, with random variation between wells of the same treatment."""
    sds = {name: factor.relative_sd for name, factor in FACTORS.items()}
    return scaled(factors, {name: float(rng.lognormal(-(s**2) / 2, s)) for name, s in sds.items()})
