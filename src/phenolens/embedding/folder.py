"""Embeddings of a data set in a folder: computed once and reused, with a list of sites that could not be read."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from phenolens.core.errors import EmbeddingError
from phenolens.core.files import only_writer, replaced_whole
from phenolens.datasets import Manifest
from phenolens.embedding.embed import (
    Embedded,
    dataset_channels,
    embed,
    embedding_settings,
    resolve_device,
)
from phenolens.embedding.journal import Journal
from phenolens.embedding.make_encoders import make_encoders
from phenolens.embedding.provenance import INFO, PROVENANCE
from phenolens.embedding.storable import check_storable
from phenolens.embedding.store import read_if_current, read_own, write_embeddings
from phenolens.embedding.trial import MOST_UNTRIED, try_few_sites
from phenolens.encoders import Named, RowEncoder, as_file_name
from phenolens.images import Crop, NucleiOptions

if TYPE_CHECKING:
    from anndata import AnnData

_log = logging.getLogger(__name__)

MOST_FAILED = 0.01
"""The largest share of sites that may fail, where nothing else is said."""

_QUARANTINE = "quarantine"  # key in the provenance: which sites could not be read, and why


def embed_to_folder(
    manifest: Manifest,
    encoders: Sequence[str | Named],
    folder: str | Path,
    *,
    channels: Sequence[str] | None = None,
    crop: Crop | None = None,
    batch_size: int = 32,
    workers: int | None = None,
    device: str = "auto",
    precision: str = "fp32",
    max_failed: float = MOST_FAILED,
    intervention: str | None = None,
    nuclei: NucleiOptions | None = None,
    progress: bool = False,
) -> Embedded:
    """Embed every site with every encoder into `folder`, and reuse what is already there.

    Writes one .h5ad per encoder, named like it, and quarantine.csv, which lists sites that could not be read with the
    reason. Files with the same images, model, weights and settings are reused, and so are the sites that a run has
    embedded before it was killed.

    Parameters
    ----------
    manifest, encoders, channels, crop, batch_size, workers, device, precision, intervention, nuclei, progress
        As in `embed`.
    folder
        The folder to write to.
    max_failed
        The largest share of sites that may fail.

    Raises
    ------
    EmbeddingError
        If more sites failed than allowed; everything has been written by then.
    ManifestError
        If .h5ad cannot hold a column of the manifest.
    PhenolensError
        If another run is writing to the folder.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)  # fails now, not after hours of work
    crop = crop or Crop()
    channels = dataset_channels(manifest, channels)
    device = resolve_device(device)
    check_storable(manifest)
    settings = embedding_settings(manifest, channels, crop, precision, intervention, nuclei)
    made = make_encoders(encoders, channels, manifest=manifest, device=device, precision=precision)
    paths = {one.info.id: folder / f"{as_file_name(one.info.id)}.h5ad" for one in made}
    keys = {one.info.id: {INFO: one.info.as_dict(), "weights_hash": one.encoder.weights_hash} for one in made}
    with only_writer(folder):
        found = {name: read_if_current(path, settings | keys[name]) for name, path in paths.items()}
        current = {name: vectors for name, vectors in found.items() if vectors is not None}
        quarantine: dict[str, str] = {}
        for vectors in current.values():
            quarantine.update(_quarantine_of(vectors))
        wanted = [one for one in made if one.info.id not in current]
        if wanted:
            if len(manifest) > MOST_UNTRIED:
                try_few_sites(
                    manifest,
                    wanted,
                    channels=channels,
                    crop=crop,
                    batch_size=batch_size,
                    device=device,
                    precision=precision,
                    intervention=intervention,
                    nuclei=nuclei,
                )
            _log.info("embedding %d sites with %d of %d encoders", len(manifest), len(wanted), len(made))
            reading = {one.info.id: keys[one.info.id] for one in wanted if not isinstance(one.encoder, RowEncoder)}
            journal = Journal(folder, manifest, settings, reading) if reading else None
            new = embed(
                manifest,
                wanted,
                channels=channels,
                crop=crop,
                batch_size=batch_size,
                workers=workers,
                device=device,
                precision=precision,
                intervention=intervention,
                nuclei=nuclei,
                journal=journal,
                progress=progress,
            )
            quarantine.update(new.quarantine)
            for name, vectors in new.embeddings.items():
                # Also if only the manifest was read: the images that an earlier run could not read are left out.
                kept = _without(vectors, quarantine)
                write_embeddings(_with_quarantine(kept, quarantine), paths[name])
                current[name] = read_own(paths[name])
            if journal is not None:
                journal.remove()
        listing = folder / "quarantine.csv"
        with replaced_whole(listing) as temporary:
            pd.DataFrame(quarantine.items(), columns=["site_id", "reason"]).to_csv(temporary, index=False)
    if len(quarantine) > max_failed * len(manifest):
        raise EmbeddingError(
            f"{len(quarantine)} of {len(manifest)} sites could not be read, more than the {max_failed:.1%} "
            f"allowed; the first: {next(iter(quarantine.values()))}; all are listed in {listing}; fix them, "
            "or raise max_failed to continue without them"
        )
    # What one encoder could not embed is left out of those, too, that an earlier run has embedded.
    return Embedded({name: _without(current[name], quarantine) for name in paths}, quarantine)


def _without(vectors: AnnData, sites: Collection[str]) -> AnnData:
    left_out = vectors.obs_names.isin(list(sites))
    return vectors[~left_out].copy() if left_out.any() else vectors


def _with_quarantine(vectors: AnnData, quarantine: Mapping[str, str]) -> AnnData:
    """Return vectors that say which sites could not be read, so that no other file must be asked."""
    vectors = vectors.copy()
    if quarantine:
        sites, reasons = np.array(list(quarantine), dtype=object), np.array(list(quarantine.values()), dtype=object)
        vectors.uns[PROVENANCE][_QUARANTINE] = {"site_id": sites, "reason": reasons}
    return vectors


def _quarantine_of(vectors: AnnData) -> dict[str, str]:
    """Return site_id -> reason why it could not be read, as written with vectors."""
    listed = vectors.uns[PROVENANCE].get(_QUARANTINE, {"site_id": (), "reason": ()})
    return dict(zip(map(str, listed["site_id"]), map(str, listed["reason"]), strict=True))
