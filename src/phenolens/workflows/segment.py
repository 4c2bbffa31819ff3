"""Segmentation of a data set into label images, overlays and a table, to look at and to correct."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tifffile
from numpy.typing import NDArray

from phenolens.core.errors import EncoderError, ImageError, PhenolensError, reason_of
from phenolens.core.files import replaced_whole
from phenolens.datasets import Manifest
from phenolens.embedding import check_mpp, dataset_channels
from phenolens.encoders.nuclei import Segmentation
from phenolens.images import CAVEATS, NucleiOptions, Site, caveats_of, on_border
from phenolens.report.overlays import draw_overlay, look_at

_MOST_SIDE = 2048  # pixels of an overlay


@dataclass(frozen=True)
class Segmented:
    """What was found in a data set.

    Attributes
    ----------
    manifest
        The new manifest, with a column ``mask``.
    table
        One row per site: ``site_id``, ``nuclei``, ``cut_by_border``, ``median_diameter_pixels``,
        ``median_diameter_microns``, ``area_fraction``, ``caveats``.
    skipped
        site_id -> why it could not be segmented.
    """

    manifest: Path
    table: pd.DataFrame
    skipped: dict[str, str]


def segment(
    manifest: Manifest,
    out: str | Path,
    nuclei: NucleiOptions | None = None,
    *,
    channel: str | None = None,
    workers: int = 0,
) -> Segmented:
    """Segment every site of a manifest.

    Writes ``labels/*.tif``, lossless, ``overlays/*.png``, ``nuclei.csv``, ``skipped.csv`` and ``manifest.csv``: the
    rows that could be segmented, with their label images in the column ``mask``. Masks that the manifest has are not
    read.

    Parameters
    ----------
    manifest
        The sites.
    out
        A folder that is new or empty.
    nuclei
        How nuclei are found.
    channel
        The nuclear channel; if None, the only one, one with a usual name, or red, green and blue of a section.
    workers
        Processes; 0 for this one alone. Learned segmentations always run in this one.

    Raises
    ------
    PhenolensError
        If the folder holds files, the nuclear channel is unknown, sizes are in microns and a site has no mpp, or no
        site can be segmented.
    """
    nuclei, out = nuclei or NucleiOptions(), Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise PhenolensError(f"{out} exists and is not an empty folder; choose another one (--out)")
    check_mpp(manifest, nuclei)
    channels = dataset_channels(manifest)
    try:
        segmentation = Segmentation.choose("segment", channels, channel, None)
    except EncoderError as error:
        if channel is not None or not channels:
            raise
        names = ", ".join(channels)
        raise EncoderError(
            f"{manifest.source}: which of {names} shows nuclei is unknown; name it (--channel)"
        ) from error
    for folder in ("labels", "overlays"):
        (out / folder).mkdir(parents=True)
    unmasked = manifest.without_masks()
    one = partial(_segment_one, unmasked, out, segmentation, nuclei)
    rows: list[dict[str, Any]] = []
    skipped: dict[str, str] = {}
    for found in _each(one, len(manifest), workers if nuclei.segmentation == "classical" else 0):
        if isinstance(found, tuple):
            skipped[found[0]] = found[1]
        else:
            rows.append(found)
    if not rows:
        raise ImageError(f"{manifest.source}: no site could be segmented; the first: {next(iter(skipped.values()))}")
    table = pd.DataFrame(rows)
    _write(table.drop(columns="file"), out / "nuclei.csv")
    _write(pd.DataFrame(skipped.items(), columns=["site_id", "reason"]), out / "skipped.csv")
    _write(_new_manifest(unmasked, table, out), out / "manifest.csv")
    return Segmented(out / "manifest.csv", table.drop(columns="file"), skipped)


def _each(one: Any, n_rows: int, workers: int) -> Iterator[Any]:
    if workers < 2:
        yield from map(one, range(n_rows))
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(one, range(n_rows), chunksize=4)


def _segment_one(
    manifest: Manifest, out: Path, segmentation: Segmentation, nuclei: NucleiOptions, row: int
) -> dict[str, Any] | tuple[str, str]:
    """Write labels and overlay of a site; return its row of the table, or its name and why it is skipped."""
    site_id = str(manifest.table.index[row])
    try:
        site, labels = look_at(manifest, row, segmentation, nuclei)
    except Exception as error:  # one bad image must not end a run
        return site_id, reason_of(error)
    file = f"{row:06d}"  # names of sites may be no names of files
    n_found = int(labels.max(initial=0))
    whole_numbers = np.uint16 if n_found <= np.iinfo(np.uint16).max else np.uint32
    tifffile.imwrite(out / "labels" / f"{file}.tif", labels.astype(whole_numbers), compression="zlib")
    draw_overlay(site, labels, _MOST_SIDE).save(out / "overlays" / f"{file}.png")
    return {"site_id": site_id, **_describe(site, labels), "file": f"labels/{file}.tif"}


def _describe(site: Site, labels: NDArray[np.int32]) -> dict[str, Any]:
    areas = np.bincount(labels[labels > 0])[1:]
    diameter = 2 * math.sqrt(float(np.median(areas)) / math.pi) if len(areas) else math.nan
    applying = caveats_of(labels[None], [site])
    return {
        "nuclei": len(areas),
        "cut_by_border": len(on_border(labels)),
        "median_diameter_pixels": round(diameter, 2),
        "median_diameter_microns": math.nan if site.mpp is None else round(diameter * site.mpp, 2),
        "area_fraction": round(float((labels > 0).mean()), 4),
        "caveats": "; ".join(caveat for caveat, applies in zip(CAVEATS, applying, strict=True) if applies),
    }


def _new_manifest(manifest: Manifest, table: pd.DataFrame, out: Path) -> pd.DataFrame:
    """Return the rows that could be segmented, with files relative to the new folder."""
    rows = manifest.table.loc[table["site_id"].tolist()].copy()
    for column in manifest.image_columns:
        rows[column] = [None if pd.isna(name) else os.path.relpath(manifest.root / name, out) for name in rows[column]]
    rows["mask"] = table["file"].tolist()
    return rows.reset_index(drop=True)


def _write(table: pd.DataFrame, path: Path) -> None:
    with replaced_whole(path) as temporary:
        table.to_csv(temporary, index=False)
