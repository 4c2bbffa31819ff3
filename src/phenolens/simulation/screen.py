"""Simulated fluorescence screens of cultured cells, written to disk with their true factors."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from phenolens.core.cpu import available_cores
from phenolens.core.errors import ManifestError, did_you_mean
from phenolens.core.random import spawn
from phenolens.simulation.biology import (
    CONTROL,
    Perturbation,
    Preset,
    choose_preset,
    draw_library,
    one_factor,
    relations,
    targets,
)
from phenolens.simulation.camera import Acquisition, draw_acquisition, photograph
from phenolens.simulation.cells import MARGIN, Cells, cell_table, draw_cells, truth
from phenolens.simulation.factors import scaled, untreated, varied
from phenolens.simulation.files import refuse_folder, refuse_small, write_all, write_manifest, write_ome_tiff
from phenolens.simulation.geometry import survey
from phenolens.simulation.layout import LEAST_REPLICATES, MOST_WELLS, Well, lay_out, treated_wells
from phenolens.simulation.render import CELL_PAINTING, STAINS

MICRONS_PER_PIXEL = 0.65
_LEAST_SIZE = 64
_LEAST_LIBRARY = 6
# Wells at the edge of a plate dry out slightly: fewer cells, more stain.
_EDGE_COUNT = math.log(0.93)
_EDGE_GAIN = math.log(1.04)
_FOCUS_JITTER = 0.05

Row = dict[str, str | int | float]


@dataclass(frozen=True, slots=True)
class SitePlan:
    """Everything needed to simulate one site independently of others, in any process and order."""

    plate: str
    batch: str
    well: Well
    size: int
    channels: tuple[str, ...]
    acquisitions: tuple[Acquisition, ...]
    acquisition: float
    seed: np.random.SeedSequence

    @property
    def site_id(self) -> str:
        """The name of the site, unique in the screen."""
        return f"{self.plate}_{self.well.name}_s1"


def simulate_cells(
    out: Path,
    *,
    preset: str = "one-factor",
    plates: int = 2,
    wells: int = 48,
    perturbations: int | None = None,
    size: int = 256,
    channels: Sequence[str] = CELL_PAINTING,
    levels: Mapping[str, float] | None = None,
    seed: int = 0,
    workers: int | None = None,
) -> Path:
    """Simulate a fluorescence screen with known true factors and write it to disk.

    Every plate holds replicates of the same perturbations, and at least a third of its wells are negative controls.
    Nuisances are added: variation between cells and between wells; staining, background, illumination and focus of each
    plate, which is also a batch; the edge of the plate; blur and noise.

    Parameters
    ----------
    out
        Folder to write to, created if missing. Gets ``manifest.csv``, ``cells.parquet``, ``relations.csv``,
        ``targets.csv`` and ``images/*.tif``, one 16-bit OME-TIFF per site, whose metadata names the channels.
    preset
        The kind of screen, one of `PRESETS`.
    plates
        Number of plates.
    wells
        Number of filled wells per plate, one site each; up to 96 on a 96-well plate, more on a 384-well plate.
    perturbations
        The number of treatments, counting each dose of a compound; by default enough for four replicates per plate.
        The preset ``one-factor`` has eight fixed ones.
    size
        Side of a site in pixels of 0.65 microns, at least 64.
    channels
        Channels to image, in this order: Cell Painting's ``dna``, ``er``, ``rna``, ``agp`` and ``mito``, and ``actin``
        and ``golgi``. The pixels of a channel do not depend on which others are imaged.
    levels
        Level -> factor that multiplies the strength of its effects, 0 to switch it off; see `choose_preset`.
    seed
        The seed: the same seed writes the same bytes, for any number of workers.
    workers
        Number of processes; by default the number of available cores. With 1, no other process is started. With more,
        scripts must call this under ``if __name__ == "__main__":`` where processes are spawned (Windows, macOS).

    Returns
    -------
    Path
        The manifest, a table with one row per site. Besides the usual columns it has ``moa`` (the mechanism)
        and ``guide`` (which of a gene's guides); the truth of each site, ``true_count`` and means over its cells
        (see `truth`), and ``true_penetrance``, the share of cells meant to respond; and of its acquisition
        ``true_edge`` and, by channel, ``true_gain_*``, ``true_background_*``, ``true_focus_*`` and
        ``true_unevenness_*``. Each cell has its row in ``cells.parquet``.

    Raises
    ------
    ManifestError
        If the folder already holds a manifest, or such a screen cannot be laid out or imaged.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import pandas as pd
    >>> with TemporaryDirectory() as folder:
    ...     manifest = simulate_cells(Path(folder), plates=1, wells=24, size=64, workers=1)
    ...     pd.read_csv(manifest)["role"].value_counts().to_dict()
    {'treatment': 16, 'negative_control': 8}
    """
    out = Path(out)
    workers = available_cores() if workers is None else workers
    chosen = choose_preset(preset, levels or {})
    _refuse(out, plates, wells, size, channels, seed, workers)
    library = _library(preset, chosen, wells, perturbations, seed)
    plans = plan_screen(plates, wells, size, channels, seed, chosen, library)
    (out / "images").mkdir(parents=True, exist_ok=True)
    rows, cells = zip(*write_all(_write_site, plans, out, workers), strict=True)
    pd.concat(cells, ignore_index=True).to_parquet(out / "cells.parquet", index=False)
    relations(library).to_csv(out / "relations.csv", index=False, lineterminator="\n")
    targets(library).to_csv(out / "targets.csv", index=False, lineterminator="\n")
    return write_manifest(pd.DataFrame(rows), out)


def _library(name: str, preset: Preset, wells: int, perturbations: int | None, seed: int) -> list[Perturbation]:
    """Return the perturbations of a screen; refuse a number that does not fit on its plates."""
    room = treated_wells(wells) // LEAST_REPLICATES
    if name == "one-factor":
        if perturbations is not None:
            raise ManifestError("preset 'one-factor' has eight fixed perturbations; leave out their number")
        library = one_factor()
    else:
        n = max(_LEAST_LIBRARY, treated_wells(wells) // 4) if perturbations is None else perturbations
        if n < _LEAST_LIBRARY:
            raise ManifestError(f"perturbations is {n}, but must be at least {_LEAST_LIBRARY}")
        library = draw_library(n, preset, spawn(seed, "library", name))
    if len(library) > room:
        raise ManifestError(
            f"wells is {wells}, too few for controls and {LEAST_REPLICATES} replicates of {len(library)} "
            f"perturbations; give at least {math.ceil(len(library) * LEAST_REPLICATES * 1.5)}"
        )
    return library


def plan_screen(
    plates: int,
    wells: int,
    size: int,
    channels: Sequence[str],
    seed: int,
    preset: Preset,
    library: Sequence[Perturbation],
) -> list[SitePlan]:
    """Lay out the plates, draw the acquisition of each, and assign a seed to every site.

    Parameters
    ----------
    plates, wells, size, channels, seed
        As for `simulate_cells`.
    preset, library
        The kind of screen, and its perturbations.
    """
    plans = []
    plate_seeds = [each.spawn(3) for each in np.random.SeedSequence(seed).spawn(plates)]
    for plate, (_, acquisition_seed, sites_seed) in enumerate(plate_seeds):
        laid_out_as = plate - plate % 2 if preset.layout == "pairs" else plate
        layout_seed = plate_seeds[laid_out_as][0]
        acquisition_rng = np.random.default_rng(acquisition_seed)
        # Drawn for all stains, so that imaged channels do not depend on channels left out.
        acquisitions = {channel: draw_acquisition(acquisition_rng, preset.acquisition) for channel in STAINS}
        layout = lay_out(wells, library, np.random.default_rng(layout_seed), fixed=preset.layout == "side by side")
        plans += [
            SitePlan(
                plate=f"plate{plate + 1}",
                batch=f"batch{plate + 1}",
                well=well,
                size=size,
                channels=tuple(channels),
                acquisitions=tuple(acquisitions[channel] for channel in channels),
                acquisition=preset.acquisition,
                seed=site_seed,
            )
            for well, site_seed in zip(layout, sites_seed.spawn(wells), strict=True)
        ]
    return plans


def simulate_site(plan: SitePlan) -> tuple[NDArray[np.uint16], dict[str, float], Cells]:
    """Simulate one site.

    Parameters
    ----------
    plan
        The plan of the site.

    Returns
    -------
    pixels, truth, cells
        Counts of shape (C, size, size), the true factors of the site, and its cells.
    """
    cells_seed, *channel_seeds = plan.seed.spawn(1 + len(STAINS))
    rng = np.random.default_rng(cells_seed)
    edge = plan.well.edge * plan.acquisition
    factors = varied(scaled(untreated(), {"count": math.exp(_EDGE_COUNT * edge)}), rng)
    given = plan.well.perturbation
    cells = draw_cells(factors, given.ratios if given else {}, plan.well.penetrance, plan.size, rng)
    # One focal plane for all channels of a site.
    defocus = math.exp(_FOCUS_JITTER * plan.acquisition * rng.standard_normal())
    territory = survey(cells, plan.size, MARGIN)
    seeds = dict(zip(STAINS, channel_seeds, strict=True))
    pixels = np.empty((len(plan.channels), plan.size, plan.size), dtype=np.uint16)
    facts = truth(cells) | {"true_edge": edge, "true_penetrance": plan.well.penetrance if given else 0.0}
    for image, channel, plate in zip(pixels, plan.channels, plan.acquisitions, strict=True):
        acquired = replace(plate, gain=plate.gain * math.exp(_EDGE_GAIN * edge), focus=plate.focus * defocus)
        channel_rng = np.random.default_rng(seeds[channel])
        light = STAINS[channel](cells, territory, channel_rng)
        image[:] = photograph(light, acquired, MARGIN, channel_rng)
        facts[f"true_gain_{channel}"] = acquired.gain
        facts[f"true_background_{channel}"] = acquired.background
        facts[f"true_focus_{channel}"] = acquired.focus
        facts[f"true_unevenness_{channel}"] = acquired.unevenness
    return pixels, facts, cells


def _write_site(plan: SitePlan, out: Path) -> tuple[Row, pd.DataFrame]:
    """Simulate a site, write its image, and return its row of the manifest and its cells."""
    pixels, facts, cells = simulate_site(plan)
    image = f"images/{plan.site_id}.tif"
    write_ome_tiff(out / image, pixels, plan.channels, MICRONS_PER_PIXEL)
    given = plan.well.perturbation
    row: Row = {
        "site_id": plan.site_id,
        "image": image,
        "plate": plan.plate,
        "well": plan.well.name,
        "site": "1",
        "batch": plan.batch,
        "perturbation": given.name if given else CONTROL,
        "perturbation_type": given.kind if given else "none",
        "dose": given.dose if given else math.nan,
        "dose_unit": "uM" if given and not math.isnan(given.dose) else "",
        "moa": given.mechanism if given else "",
        "guide": plan.well.guide + 1 if given and len(given.guides) > 1 else "",
        "role": "treatment" if given else "negative_control",
        "mpp": MICRONS_PER_PIXEL,
    }
    return row | facts, cell_table(cells, plan.site_id)


def _refuse(out: Path, plates: int, wells: int, size: int, channels: Sequence[str], seed: int, workers: int) -> None:
    """Refuse parameters that cannot be simulated, before anything is written."""
    refuse_folder(out)
    refuse_small({"plates": (plates, 1), "seed": (seed, 0), "workers": (workers, 1)})
    if size < _LEAST_SIZE:
        raise ManifestError(f"size is {size} pixels, too small for cells; give at least {_LEAST_SIZE}")
    if wells > MOST_WELLS:
        raise ManifestError(
            f"wells is {wells}, but the largest plate has {MOST_WELLS}; give at most {MOST_WELLS} and more plates"
        )
    if not channels:
        raise ManifestError(f"no channels given; name some of {', '.join(STAINS)}")
    for channel in channels:
        if channel not in STAINS:
            raise ManifestError(f"unknown channel '{channel}'{did_you_mean(channel, STAINS)}")
    if len(set(channels)) < len(channels):
        raise ManifestError(f"channels repeat: {', '.join(channels)}; name each once")
