"""Pack the images of a manifest into shards, for file systems on which many small files are slow."""

import logging
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from safetensors import SafetensorError

from phenolens.core.cpu import available_cores
from phenolens.core.errors import ImageError
from phenolens.core.files import replaced_whole
from phenolens.datasets.manifest import Manifest
from phenolens.datasets.schema import IMAGE_COLUMN
from phenolens.images import Site, place_in_shard, read_site, shard_content, write_shard

_log = logging.getLogger(__name__)

MANIFEST = "manifest.parquet"
_MIB = 2**20


@dataclass(frozen=True)
class Packed:
    """The result of packing.

    Attributes
    ----------
    manifest
        The manifest of the packed images.
    n_sites, n_shards
        The number of packed sites, and of shards.
    quarantine
        Site -> the reason why it could not be read, and was not packed.
    """

    manifest: Path
    n_sites: int
    n_shards: int
    quarantine: dict[str, str]


def pack(manifest: Manifest, out: Path, *, channels: Sequence[str] | None = None, shard_mib: int = 256) -> Packed:
    """Write the images of a manifest into shards, with a manifest of the packed images; resumes if it was stopped.

    Pixels are unchanged and uncompressed, so that random crops do not need decoding.

    Parameters
    ----------
    manifest
        The sites.
    out
        The folder for ``shard-00000.safetensors``, ... and ``manifest.parquet``.
    channels
        The channels to keep, in order; those of the first site if None.
    shard_mib
        The approximate size of a shard, which holds whole images.

    Raises
    ------
    ImageError
        If no image can be read.
    """
    out.mkdir(parents=True, exist_ok=True)
    first, quarantine = _first(manifest)
    channels = tuple(channels or first.channels)
    source = manifest.fingerprint
    per_shard = max(1, shard_mib * _MIB // first.select(channels).pixels.nbytes)
    places: dict[str, str] = {}
    starts = range(0, len(manifest), per_shard)
    with ThreadPoolExecutor(available_cores()) as pool:
        for number, start in enumerate(starts):
            rows = range(start, min(start + per_shard, len(manifest)))
            path = out / f"shard-{number:05d}.safetensors"
            names = _packed_before(path, [str(manifest.table.index[row]) for row in rows], channels, source)
            if names is None:
                found = list(pool.map(lambda row: _read(manifest, row, channels), rows))
                sites = [each for each in found if isinstance(each, Site)]
                quarantine |= {
                    str(manifest.table.index[row]): each
                    for row, each in zip(rows, found, strict=True)
                    if isinstance(each, str)
                }
                if not sites:
                    continue
                write_shard(sites, path, source)
                names = [site.site_id for site in sites]
            places |= {name: place_in_shard(path.name, at) for at, name in enumerate(names)}
            _log.info("packed %d of %d sites", rows.stop, len(manifest))
    table = manifest.table.loc[list(places)].drop(columns=list(manifest.image_columns))
    table[IMAGE_COLUMN] = pd.Series(places)
    if "mask" in table:
        table["mask"] = [
            name if name is None else os.path.relpath(manifest.root / name, out) for name in table["mask"].tolist()
        ]
    with replaced_whole(out / MANIFEST) as temporary:
        table.reset_index().to_parquet(temporary)
    return Packed(out / MANIFEST, len(places), len(starts), quarantine)


def _first(manifest: Manifest) -> tuple[Site, dict[str, str]]:
    """Return the first readable site, and the reasons why earlier ones cannot be read."""
    failed: dict[str, str] = {}
    for row in range(len(manifest)):
        try:
            return read_site(manifest.images(row), manifest.names), failed
        except ImageError as error:
            failed[str(manifest.table.index[row])] = str(error)
    raise ImageError(f"{manifest.source}: no site can be read; the first: {next(iter(failed.values()))}")


def _read(manifest: Manifest, row: int, channels: Sequence[str]) -> Site | str:
    site_id = str(manifest.table.index[row])
    try:
        return read_site(manifest.images(row), manifest.names, site_id=site_id).select(channels)
    except ImageError as error:
        return str(error)


def _packed_before(path: Path, names: list[str], channels: tuple[str, ...], source: str) -> list[str] | None:
    """Return the names of the sites if an earlier call has packed all of them from the same files."""
    if not path.is_file():
        return None
    try:
        return names if shard_content(path) == (names, channels, source) else None
    except (SafetensorError, OSError, KeyError, ValueError):
        return None
