"""Simulated tissue slides of patients, cut into tiles and written to disk with their true factors."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import tifffile
from PIL import Image

from phenolens.core.cpu import available_cores
from phenolens.core.errors import ManifestError, did_you_mean
from phenolens.simulation.files import refuse_folder, refuse_small, write_all, write_manifest, write_ome_tiff
from phenolens.simulation.tissue import TissueFactors, cell_rows, draw_tissue, expression, tile_truth
from phenolens.simulation.tissue_render import (
    MARKERS,
    Scanner,
    draw_scanner,
    instance_mask,
    stain_he,
    stain_markers,
)

Variant = Literal["he", "multiplex"]
MICRONS_PER_PIXEL = 0.5
_LEAST_TILE, _MOST_CELLS = 64, 60_000
_SCANNERS = 2

CLASSES: Mapping[str, tuple[TissueFactors, TissueFactors]] = {
    "composition": (
        TissueFactors(shares=(0.66, 0.19, 0.15)),
        TissueFactors(shares=(0.5, 0.35, 0.15)),
    ),
    "arrangement": (TissueFactors(clustering=0.0), TissueFactors(clustering=1.0)),
    "stain": (TissueFactors(stain=(0.9, 1.1)), TissueFactors(stain=(1.12, 0.9))),
    "morphology": (TissueFactors(nuclear_area=0.88), TissueFactors(nuclear_area=1.14)),
}
"""Factors of the two classes ``a`` and ``b``, by preset; all other factors are equal."""


@dataclass(frozen=True, slots=True)
class SlidePlan:
    """Everything needed to simulate one slide independently of others."""

    name: str
    patient: str
    label: str
    scanner_name: str
    scanner: Scanner
    factors: TissueFactors
    level: tuple[float, ...]
    tiles: int
    size: int
    variant: Variant
    seed: np.random.SeedSequence


def simulate_tissue(
    out: Path,
    *,
    preset: str = "composition",
    variant: Variant = "he",
    patients: int = 6,
    slides: int = 2,
    tiles: int = 4,
    size: int = 256,
    seed: int = 0,
    workers: int | None = None,
) -> Path:
    """Simulate tissue slides with known true factors, cut them into tiles, and write them to disk.

    Every patient has slides of both classes; stain, share of lymphocytes and expression levels vary between patients.
    Slides come from two scanners. The preset says what the classes differ in.

    Parameters
    ----------
    out
        Folder to write to, created if missing. Gets ``manifest.csv``, ``cells.parquet`` and, per tile, an image
        and a mask of nuclei.
    preset
        What the classes ``a`` and ``b`` differ in: ``composition`` (shares of cell types), ``arrangement`` (whether the
        lymphocytes of a tile cluster; their number is the same), ``stain``, or ``morphology`` (size of epithelial
        nuclei).
    variant
        ``he``: haematoxylin and eosin, 8-bit PNG. ``multiplex``: DNA and a marker of each type, 16-bit OME-TIFF.
    patients, slides
        Number of patients, and of slides per patient, which alternate between the classes.
    tiles, size
        Tiles along the side of a slide, and pixels along the side of a tile, 0.5 microns each.
    seed
        The seed: the same seed writes the same bytes, for any number of workers.
    workers
        Number of processes; by default the number of available cores.

    Returns
    -------
    Path
        The manifest, one row per tile: ``patient``, ``slide``, ``scanner``, ``label``, ``mask``, its position
        ``x`` and ``y`` on the slide, the true factors of `tile_truth`, and the expression of three genes.

    Raises
    ------
    ManifestError
        If the folder already holds a manifest, or such tissue cannot be simulated.
    """
    out = Path(out)
    workers = available_cores() if workers is None else workers
    _refuse(out, preset, variant, patients, slides, tiles, size, seed, workers)
    plans = _plan(preset, variant, patients, slides, tiles, size, seed)
    for folder in ("images", "masks"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    tables, cells = zip(*write_all(_write_slide, plans, out, workers), strict=True)
    pd.concat(cells, ignore_index=True).to_parquet(out / "cells.parquet", index=False)
    return write_manifest(pd.concat(tables, ignore_index=True), out)


def _plan(
    preset: str, variant: Variant, patients: int, slides: int, tiles: int, size: int, seed: int
) -> list[SlidePlan]:
    scanner_seed, *patient_seeds = np.random.SeedSequence(seed).spawn(1 + patients)
    scanner_rng = np.random.default_rng(scanner_seed)
    scanners = [draw_scanner(scanner_rng) for _ in range(_SCANNERS)]
    plans = []
    for number, patient_seed in enumerate(patient_seeds, start=1):
        of_patient, *slide_seeds = patient_seed.spawn(1 + slides)
        rng = np.random.default_rng(of_patient)
        immune = float(rng.lognormal(0.0, 0.15))
        dye = rng.lognormal(0.0, 0.06, 2)
        level = tuple(float(each) for each in rng.normal(0.0, 0.3, 3))
        for slide, slide_seed in enumerate(slide_seeds):
            label = "ab"[slide % 2]
            factors = CLASSES[preset]["ab".index(label)]
            lymphocytes = min(factors.shares[1] * immune, 0.6)
            rest = (1 - lymphocytes) / (factors.shares[0] + factors.shares[2])
            factors = replace(
                factors,
                shares=(factors.shares[0] * rest, lymphocytes, factors.shares[2] * rest),
                stain=(factors.stain[0] * dye[0], factors.stain[1] * dye[1]),
            )
            scanner = (number + slide // 2) % _SCANNERS
            plans.append(
                SlidePlan(
                    name=f"patient{number}_slide{slide + 1}",
                    patient=f"patient{number}",
                    label=label,
                    scanner_name=f"scanner{scanner + 1}",
                    scanner=scanners[scanner],
                    factors=factors,
                    level=level,
                    tiles=tiles,
                    size=size,
                    variant=variant,
                    seed=slide_seed,
                )
            )
    return plans


def _write_slide(plan: SlidePlan, out: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Simulate a slide, write its tiles, and return their rows of the manifest and their cells."""
    tissue_seed, stain_seed, gene_seed = plan.seed.spawn(3)
    side = plan.tiles * plan.size
    tissue = draw_tissue(plan.factors, side, plan.size, np.random.default_rng(tissue_seed))
    mask, depth = instance_mask(tissue, side)
    paint = stain_he if plan.variant == "he" else stain_markers
    pixels = paint(tissue, mask, depth, plan.factors.stain, plan.scanner, np.random.default_rng(stain_seed))
    gene_rng = np.random.default_rng(gene_seed)
    rows, cells = [], []
    for row in range(plan.tiles):
        for column in range(plan.tiles):
            top, left = row * plan.size, column * plan.size
            cut = np.s_[top : top + plan.size, left : left + plan.size]
            name = f"{plan.name}_{row}_{column}"
            image, outline = f"images/{name}{'.png' if plan.variant == 'he' else '.tif'}", f"masks/{name}.tif"
            if plan.variant == "he":
                Image.fromarray(np.ascontiguousarray(pixels[:, *cut].transpose(1, 2, 0))).save(out / image)
            else:
                write_ome_tiff(out / image, np.ascontiguousarray(pixels[:, *cut]), MARKERS, MICRONS_PER_PIXEL)
            tifffile.imwrite(out / outline, mask[cut], compression="zlib")
            rows.append(
                {
                    "site_id": name,
                    "image": image,
                    "mask": outline,
                    "patient": plan.patient,
                    "slide": plan.name,
                    "scanner": plan.scanner_name,
                    "label": plan.label,
                    "x": left,
                    "y": top,
                    "mpp": MICRONS_PER_PIXEL,
                    **tile_truth(tissue, top, left, plan.size),
                    "true_stain_haematoxylin": plan.factors.stain[0],
                    "true_stain_eosin": plan.factors.stain[1],
                    **expression(tissue, top, left, plan.size, np.array(plan.level), gene_rng),
                }
            )
            cells.append(cell_rows(tissue, name, top, left, plan.size))
    return pd.DataFrame(rows), pd.concat(cells, ignore_index=True)


def _refuse(
    out: Path,
    preset: str,
    variant: str,
    patients: int,
    slides: int,
    tiles: int,
    size: int,
    seed: int,
    workers: int,
) -> None:
    """Refuse parameters that cannot be simulated, before anything is written."""
    refuse_folder(out)
    if preset not in CLASSES:
        raise ManifestError(f"no preset '{preset}'{did_you_mean(preset, CLASSES)}")
    if variant not in ("he", "multiplex"):
        raise ManifestError(f"no variant '{variant}'{did_you_mean(variant, ['he', 'multiplex'])}")
    counts = {"patients": patients, "slides": slides, "tiles": tiles, "workers": workers}
    refuse_small(
        {name: (value, 1) for name, value in counts.items()} | {"seed": (seed, 0), "size": (size, _LEAST_TILE)}
    )
    if (tiles * size) ** 2 / 195 > _MOST_CELLS:
        raise ManifestError(f"a slide of {tiles} x {tiles} tiles of {size} pixels has too many cells; give fewer tiles")
