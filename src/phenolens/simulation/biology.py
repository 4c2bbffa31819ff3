"""Perturbations of a screen: genes in complexes, compounds with mechanisms and doses, and inactive ones."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Literal

import numpy as np
import pandas as pd

from phenolens.core.errors import ManifestError, did_you_mean
from phenolens.simulation.factors import FACTORS, LEVELS, Level

Layout = Literal["random", "pairs", "side by side"]

CONTROL = "DMSO"
DOSES = (0.3, 1.0, 10.0)
_HALF_DOSE = 1.0
_INDIVIDUAL = 0.25  # relative standard deviation of effects between genes of a complex
_COMPLEX_SIZE = 4
_WEAKEST_GUIDE = 0.6
_LARGEST_DIRECTION = 3  # factors


@dataclass(frozen=True, slots=True)
class Perturbation:
    """One treatment.

    Attributes
    ----------
    name
        The name of the gene or compound.
    kind
        As `perturbation_type` in a manifest.
    ratios
        Factor -> ratio by which it changes in a responding cell.
    penetrance
        The share of cells that respond.
    mechanism
        The complex or pathway whose direction of effect it shares; empty if inactive.
    dose
        The dose in micromolar; NaN for genes.
    guides
        The share of `penetrance` that each guide RNA of a gene reaches; one for compounds.
    """

    name: str
    kind: str
    ratios: Mapping[str, float] = field(default_factory=dict)
    penetrance: float = 1.0
    mechanism: str = ""
    dose: float = math.nan
    guides: tuple[float, ...] = (1.0,)


@dataclass(frozen=True, slots=True)
class Preset:
    """A kind of screen.

    Attributes
    ----------
    summary
        Its purpose in one line.
    factors
        The factors that perturbations may change.
    strength
        The strength of effects; effects of strength 1 are visible to the eye.
    penetrance
        The share of cells that respond.
    acquisition
        The strength of plate, batch and edge effects; 1 is typical.
    layout
        ``random``: each plate has its own. ``pairs``: two consecutive plates share a random one. ``side by side``: all
        have the same one, with perturbations of a mechanism side by side.
    levels
        Level -> factor that multiplies the strength of its effects, if not 1.
    """

    summary: str
    factors: tuple[str, ...]
    strength: float = 1.0
    penetrance: float = 1.0
    acquisition: float = 1.0
    layout: Layout = "random"
    levels: Mapping[str, float] = field(default_factory=dict)


def _of(*levels: Level) -> tuple[str, ...]:
    return tuple(name for name, factor in FACTORS.items() if factor.level in levels)


PRESETS: Mapping[str, Preset] = {
    "one-factor": Preset("eight perturbations: six change one factor each, two have no effect", ()),
    "strong": Preset("effects visible to the eye, on every level", _of(*LEVELS)),
    "subtle": Preset(
        "faint effects on shape, texture and arrangement, in three cells of four",
        _of("shape", "texture", "arrangement"),
        strength=0.45,
        penetrance=0.75,
    ),
    "mixed": Preset(
        "strong effects on the number of cells and on the texture of organelles; pairs of plates share a layout",
        _of("density", "texture"),
        strength=1.4,
        layout="pairs",
    ),
    "count-only": Preset("only the number of cells changes", ("count",)),
    "arrangement-only": Preset(
        "which cells are neighbours changes; their number, kinds and brightness do not",
        ("segregation",),
    ),
    "batch-only": Preset(
        "no biological effect; strong differences between plates and batches",
        _of(*LEVELS),
        strength=0.0,
        acquisition=2.5,
    ),
    "layout-confounded": Preset(
        "as subtle, but with one layout for all plates, mechanisms side by side, and strong edge effects",
        _of("shape", "texture", "arrangement"),
        strength=0.45,
        penetrance=0.75,
        acquisition=2.5,
        layout="side by side",
    ),
}

ONE_FACTOR: Mapping[str, Mapping[str, float]] = {
    "inactive_a": {},
    "inactive_b": {},
    "fewer_cells": {"count": 0.5},
    "brighter": {"intensity": 1.4},
    "larger_nuclei": {"nuclear_area": 1.4},
    "rounder": {"elongation": 0.8},
    "coarse_texture": {"texture": 2.0},
    "clustered": {"clustering": 8.0},
}
"""The perturbations of the preset ``one-factor``, each with the ratio of the single factor that it changes."""


def choose_preset(name: str, levels: Mapping[str, float]) -> Preset:
    """Return a preset with stronger or weaker effects on some levels.

    Parameters
    ----------
    name
        One of `PRESETS`.
    levels
        Level -> factor that multiplies the strength of its effects, 0 to switch it off; ``acquisition`` for plates,
        batches and edges.

    Raises
    ------
    ManifestError
        If there is no such preset or level, a strength is negative, or all effects of the preset are switched off.
    """
    if name not in PRESETS:
        raise ManifestError(f"no preset '{name}'{did_you_mean(name, PRESETS)}")
    for level, strength in levels.items():
        if level not in LEVELS:
            raise ManifestError(f"no level '{level}'{did_you_mean(level, LEVELS)}")
        if not strength >= 0:
            raise ManifestError(f"the strength of level {level} must be at least 0, found {strength}")
    preset = PRESETS[name]
    if name == "one-factor" and set(levels) - {"acquisition"}:
        raise ManifestError("preset 'one-factor' has fixed effects; only the level acquisition can be changed")
    kept = tuple(factor for factor in preset.factors if levels.get(FACTORS[factor].level, 1.0) > 0)
    if preset.strength > 0 and preset.factors and not kept:
        acts = " and ".join(dict.fromkeys(FACTORS[factor].level for factor in preset.factors))
        raise ManifestError(f"preset '{name}' has effects on {acts} only, all of which are switched off")
    acquisition = preset.acquisition * levels.get("acquisition", 1.0)
    return replace(preset, factors=kept, acquisition=acquisition, levels=levels)


def one_factor() -> list[Perturbation]:
    """Return the perturbations of the preset ``one-factor``."""
    return [
        Perturbation(name, "compound", ratios, mechanism=name if ratios else "") for name, ratios in ONE_FACTOR.items()
    ]


def draw_library(n: int, preset: Preset, rng: np.random.Generator) -> list[Perturbation]:
    """Draw `n` perturbations: a quarter are inactive, some are compounds at several doses, the others genes.

    Genes of a complex share a direction of effect (a few factors, each with a sign) and differ slightly. A compound has
    the direction of a complex, and its effect depends on its dose.

    Parameters
    ----------
    n
        How many treatments, at least 6.
    preset
        As returned by `choose_preset`.
    rng
        Source of randomness.
    """
    n_inactive = max(1, n // 4)
    n_compounds = n // 12
    n_genes = n - n_inactive - n_compounds * len(DOSES)
    size = min(_COMPLEX_SIZE, max(2, n_genes // 3))
    n_complexes = math.ceil(n_genes / size)
    directions = [_direction(number, n_complexes, preset, rng) for number in range(n_complexes)]
    library = []
    for gene in range(n_genes):
        mechanism = gene % n_complexes
        logs = {
            factor: log * (1.0 + _INDIVIDUAL * rng.standard_normal()) for factor, log in directions[mechanism].items()
        }
        knocked_out = _perturbation(f"GENE{gene + 1}", "crispr", logs, mechanism, preset)
        # Guides of a gene differ in efficiency.
        library.append(replace(knocked_out, guides=(1.0, float(rng.uniform(_WEAKEST_GUIDE, 1.0)))))
    for compound in range(n_compounds):
        mechanism = compound % n_complexes
        for dose in DOSES:
            reached = dose / (dose + _HALF_DOSE)
            logs = {factor: log * reached for factor, log in directions[mechanism].items()}
            library.append(_perturbation(f"compound_{compound + 1}", "compound", logs, mechanism, preset, dose))
    return library + [Perturbation(f"INACTIVE{number + 1}", "crispr") for number in range(n_inactive)]


def relations(library: Sequence[Perturbation]) -> pd.DataFrame:
    """Return all pairs of genes of the same complex: entity1, entity2, mechanism."""
    genes = [each for each in library if each.kind == "crispr" and each.mechanism]
    pairs = [
        (one.name, other.name, one.mechanism)
        for one, other in combinations(genes, 2)
        if one.mechanism == other.mechanism
    ]
    return pd.DataFrame(pairs, columns=["entity1", "entity2", "mechanism"])


def targets(library: Sequence[Perturbation]) -> pd.DataFrame:
    """Return all pairs of a compound and a gene of the complex that it acts on: compound, gene."""
    genes = [each for each in library if each.kind == "crispr" and each.mechanism]
    compounds = dict.fromkeys(
        (each.name, each.mechanism) for each in library if each.kind == "compound" and each.mechanism
    )
    pairs = [(name, gene.name) for name, mechanism in compounds for gene in genes if gene.mechanism == mechanism]
    return pd.DataFrame(pairs, columns=["compound", "gene"])


def _direction(number: int, n_complexes: int, preset: Preset, rng: np.random.Generator) -> dict[str, float]:
    """Draw the log ratios that the members of a complex share."""
    if not preset.factors:
        return {}
    few = min(len(preset.factors), _LARGEST_DIRECTION)
    chosen = rng.choice(len(preset.factors), few, replace=False)
    # With a single factor, complexes differ in the strength of their effect.
    reach = (number + 1) / n_complexes if len(preset.factors) == 1 else 1.0
    logs = {}
    for index in sorted(chosen):
        name = preset.factors[index]
        factor = FACTORS[name]
        sign = rng.choice([-1.0, 1.0]) if factor.both_ways else 1.0
        logs[name] = sign * factor.effect * preset.strength * reach * preset.levels.get(factor.level, 1.0)
    return logs


def _perturbation(
    name: str, kind: str, logs: Mapping[str, float], mechanism: int, preset: Preset, dose: float = math.nan
) -> Perturbation:
    active = any(logs.values())
    ratios = {factor: math.exp(log) for factor, log in logs.items()} if active else {}
    return Perturbation(name, kind, ratios, preset.penetrance, f"mechanism_{mechanism + 1}" if active else "", dose)
