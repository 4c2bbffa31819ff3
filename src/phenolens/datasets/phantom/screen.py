"""A simulated fluorescence screen of cultured cells, written to disk with its truth."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from uuid import UUID

import numpy as np
import pandas as pd
import tifffile
from numpy.typing import NDArray

from phenolens.cores import available_cores
from phenolens.datasets.phantom.camera import Acquisition, draw_acquisition, photograph
from phenolens.datasets.phantom.cells import MARGIN, Factors, draw_cells, truth
from phenolens.datasets.phantom.geometry import survey
from phenolens.datasets.phantom.layout import CONTROL, MOST_WELLS, PERTURBATIONS, Well, lay_out, least_wells
from phenolens.datasets.phantom.render import STAINS
from phenolens.errors import ManifestError, did_you_mean

MICRONS_PER_PIXEL = 0.65
_LEAST_SIZE = 64
# Wells at the edge of a plate dry out a little: fewer cells, more stain.
_EDGE_COUNT = 0.93
_EDGE_GAIN = 1.04
_CHUNK = 4

Row = dict[str, str | int | float]


@dataclass(frozen=True, slots=True)
class SitePlan:
    """All that is needed to simulate one site on its own, in any process and in any order."""

    plate: str
    batch: str
    well: Well
    size: int
    channels: tuple[str, ...]
    acquisitions: tuple[Acquisition, ...]
    seed: np.random.SeedSequence

    @property
    def site_id(self) -> str:
        """The name of the site, unique in the screen."""
        return f"{self.plate}_{self.well.name}_s1"


def simulate_cells(
    out: Path,
    *,
    plates: int = 2,
    wells: int = 48,
    size: int = 256,
    channels: Sequence[str] = ("dna", "er", "actin"),
    seed: int = 0,
    workers: int | None = None,
) -> Path:
    """Simulate a fluorescence screen whose truth is known and write it to disk.

    Every plate holds eight perturbations in replicate, among them two that do nothing and six that each change one
    factor (number of cells, amount of stain, size or elongation of nuclei, texture of the endoplasmic reticulum,
    clustering), and at least a third of negative controls, in a random layout of its own. Nuisances are laid over
    them: variation between cells and between wells, staining, background and illumination of each plate, which is a
    batch of its own, the edge of the plate, blur and noise.

    Parameters
    ----------
    out
        Folder to write to; made if it is not there. Gets ``manifest.csv`` and ``images/*.tif``, one 16-bit OME-TIFF
        per site, whose metadata names the channels.
    plates
        Number of plates.
    wells
        Number of wells filled per plate, one site each: 24 to 96 on a plate of 96 wells, up to 384 on one of 384.
    size
        Side of a site in pixels of 0.65 microns, at least 64.
    channels
        Channels to image, of ``dna``, ``er`` and ``actin``, in this order. The pixels of a channel do not depend on
        which others are imaged.
    seed
        The one source of randomness: the same seed writes the same bytes, whatever the number of workers.
    workers
        Number of processes; by default as many as there are cores to use. With 1 no other process is started. With
        more, a script must call this under ``if __name__ == "__main__":`` where processes are spawned (Windows,
        macOS).

    Returns
    -------
    Path
        The manifest, a table with one row per site. Besides the manifest's own columns it has the truth of each site:
        ``true_count``, and means over its cells ``true_intensity`` (1 when untreated), ``true_nuclear_area`` (square
        pixels), ``true_elongation`` (long to short axis of the nucleus), ``true_texture`` (spacing of the mesh in
        pixels), ``true_neighbour_distance`` (pixels; empty where a cell has no neighbour); and of its acquisition
        ``true_gain_<channel>`` and ``true_background_<channel>``.

    Raises
    ------
    ManifestError
        If the folder holds a manifest already, or a screen like this cannot be laid out or imaged.

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
    manifest = out / "manifest.csv"
    workers = available_cores() if workers is None else workers
    _refuse(manifest, plates, wells, size, channels, seed, workers)
    (out / "images").mkdir(parents=True, exist_ok=True)
    plans = plan_screen(plates, wells, size, channels, seed)
    table = pd.DataFrame(_simulate_all(plans, out, workers))
    # The manifest comes last and at once: where there is one, every image it names is complete.
    unfinished = manifest.with_suffix(".part")
    table.to_csv(unfinished, index=False, float_format="%.6g", lineterminator="\n")
    unfinished.replace(manifest)
    return manifest


def plan_screen(plates: int, wells: int, size: int, channels: Sequence[str], seed: int) -> list[SitePlan]:
    """Lay out the plates, draw how each is acquired, and give every site a seed of its own.

    Parameters
    ----------
    plates, wells, size, channels, seed
        As for `simulate_cells`.
    """
    plans = []
    for number, plate_seed in enumerate(np.random.SeedSequence(seed).spawn(plates), start=1):
        layout_seed, acquisition_seed, sites_seed = plate_seed.spawn(3)
        acquisition_rng = np.random.default_rng(acquisition_seed)
        # Drawn for every stain there is, so that those imaged do not depend on those left out.
        acquisitions = {channel: draw_acquisition(acquisition_rng) for channel in STAINS}
        layout = lay_out(wells, np.random.default_rng(layout_seed))
        plans += [
            SitePlan(
                plate=f"plate{number}",
                batch=f"batch{number}",
                well=well,
                size=size,
                channels=tuple(channels),
                acquisitions=tuple(_at(well, acquisitions[channel]) for channel in channels),
                seed=site_seed,
            )
            for well, site_seed in zip(layout, sites_seed.spawn(wells), strict=True)
        ]
    return plans


def simulate_site(plan: SitePlan) -> tuple[NDArray[np.uint16], dict[str, float]]:
    """Simulate one site.

    Parameters
    ----------
    plan
        What to simulate.

    Returns
    -------
    pixels, truth
        Counts of shape (C, size, size), and the true factors of the site.
    """
    cells_seed, *channel_seeds = plan.seed.spawn(1 + len(STAINS))
    rng = np.random.default_rng(cells_seed)
    factors = Factors().scaled(PERTURBATIONS.get(plan.well.perturbation, {}))
    if plan.well.edge:
        factors = factors.scaled({"count": _EDGE_COUNT})
    cells = draw_cells(factors.varied(rng), plan.size, rng)
    territory = survey(cells, plan.size, MARGIN)
    seeds = dict(zip(STAINS, channel_seeds, strict=True))
    pixels = np.empty((len(plan.channels), plan.size, plan.size), dtype=np.uint16)
    facts = truth(cells)
    for image, channel, acquisition in zip(pixels, plan.channels, plan.acquisitions, strict=True):
        channel_rng = np.random.default_rng(seeds[channel])
        light = STAINS[channel](cells, territory, channel_rng)
        image[:] = photograph(light, acquisition, MARGIN, channel_rng)
        facts[f"true_gain_{channel}"] = acquisition.gain
        facts[f"true_background_{channel}"] = acquisition.background
    return pixels, facts


def _at(well: Well, acquisition: Acquisition) -> Acquisition:
    """Return how a well of the plate is acquired."""
    return replace(acquisition, gain=acquisition.gain * _EDGE_GAIN) if well.edge else acquisition


def _simulate_all(plans: list[SitePlan], out: Path, workers: int) -> Iterator[Row]:
    """Write every site and yield its row of the manifest, in the order of the plans."""
    folders = [out] * len(plans)
    if workers == 1:
        yield from map(_write_site, plans, folders)
    else:
        with ProcessPoolExecutor(min(workers, len(plans))) as pool:
            yield from pool.map(_write_site, plans, folders, chunksize=_CHUNK)


def _write_site(plan: SitePlan, out: Path) -> Row:
    """Simulate a site, write its image and return its row of the manifest."""
    pixels, facts = simulate_site(plan)
    image = f"images/{plan.site_id}.tif"
    # By default the file holds the library's version, and a UUID of its own from clock and network card. Bytes must
    # depend on neither: the UUID is a digest of the pixels.
    tifffile.imwrite(
        out / image,
        pixels,
        ome=True,
        photometric="minisblack",
        software="phenolens",
        metadata={
            "axes": "CYX",
            "Creator": "phenolens",
            "UUID": str(UUID(bytes=sha256(pixels.tobytes()).digest()[:16])),
            "Channel": {"Name": list(plan.channels)},
            "PhysicalSizeX": MICRONS_PER_PIXEL,
            "PhysicalSizeY": MICRONS_PER_PIXEL,
        },
    )
    control = plan.well.perturbation == CONTROL
    row: Row = {
        "site_id": plan.site_id,
        "image": image,
        "plate": plan.plate,
        "well": plan.well.name,
        "site": "1",
        "batch": plan.batch,
        "perturbation": plan.well.perturbation,
        "perturbation_type": "none" if control else "compound",
        "role": "negative_control" if control else "treatment",
        "mpp": MICRONS_PER_PIXEL,
    }
    return row | facts


def _refuse(
    manifest: Path, plates: int, wells: int, size: int, channels: Sequence[str], seed: int, workers: int
) -> None:
    """Refuse what cannot be simulated, before anything is written."""
    out = manifest.parent
    if out.exists() and not out.is_dir():
        raise ManifestError(f"{out} is a file, not a folder; name a folder to write the screen to")
    if manifest.exists():
        raise ManifestError(f"{out} already holds a manifest; name an empty folder, or delete {manifest} first")
    for name, value, least in (("plates", plates, 1), ("seed", seed, 0), ("workers", workers, 1)):
        if value < least:
            raise ManifestError(f"{name} is {value}, but must be at least {least}; give a larger number")
    if size < _LEAST_SIZE:
        raise ManifestError(f"size is {size} pixels, too small to hold cells; give at least {_LEAST_SIZE}")
    if wells > MOST_WELLS:
        raise ManifestError(
            f"wells is {wells}, but the largest plate has {MOST_WELLS}; give at most {MOST_WELLS} and more plates"
        )
    if wells < least_wells():
        raise ManifestError(
            f"wells is {wells}, too few for controls and replicates of {len(PERTURBATIONS)} perturbations; "
            f"give at least {least_wells()}"
        )
    if not channels:
        raise ManifestError(f"no channels given; name some of {', '.join(STAINS)}")
    for channel in channels:
        if channel not in STAINS:
            raise ManifestError(f"unknown channel '{channel}'{did_you_mean(channel, STAINS)}")
    if len(set(channels)) < len(channels):
        raise ManifestError(f"channels repeat: {', '.join(channels)}; name each once")
