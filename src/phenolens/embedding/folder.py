"""Embeddings of a data set in a folder: computed once and reused, with a list of sites that could not be read."""

import logging
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from phenolens.core.errors import EmbeddingError
from phenolens.core.files import replaced_whole
from phenolens.datasets import Manifest
from phenolens.embedding.embed import Embedded, dataset_channels, embed, embedding_settings, resolve_device
from phenolens.embedding.make_encoders import make_encoders
from phenolens.embedding.provenance import INFO
from phenolens.embedding.store import is_current, read_embeddings, write_embeddings
from phenolens.embedding.trial import MOST_UNTRIED, try_few_sites
from phenolens.encoders import Named, RowEncoder, as_file_name
from phenolens.images import Crop

_log = logging.getLogger(__name__)


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
    max_failed: float = 0.01,
    intervention: str | None = None,
    progress: bool = False,
) -> Embedded:
    """Embed every site with every encoder into `folder`, and reuse what is already there.

    Writes one .h5ad per encoder, named like it, and quarantine.csv, which lists sites that could not be read with the
    reason. Files with the same images, model, weights and settings are reused.

    Parameters
    ----------
    manifest, encoders, channels, crop, batch_size, workers, device, precision, intervention, progress
        As in `embed`.
    folder
        The folder to write to.
    max_failed
        The largest share of sites that may fail.

    Raises
    ------
    EmbeddingError
        If more sites failed than allowed; everything has been written by then.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)  # fails now, not after hours of work
    crop = crop or Crop()
    channels = dataset_channels(manifest, channels)
    device = resolve_device(device)
    settings = embedding_settings(manifest, channels, crop, precision, intervention)
    made = make_encoders(encoders, channels, manifest=manifest, device=device, precision=precision)
    paths = {one.info.id: folder / f"{as_file_name(one.info.id)}.h5ad" for one in made}
    listing = folder / "quarantine.csv"
    wanted = []
    for one in made:
        of_encoder = {INFO: one.info.as_dict(), "weights_hash": one.encoder.weights_hash}
        if not listing.is_file() or not is_current(paths[one.info.id], settings | of_encoder):
            wanted.append(one)
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
            )
        _log.info("embedding %d sites with %d of %d encoders", len(manifest), len(wanted), len(made))
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
            progress=progress,
        )
        quarantine = new.quarantine
        # If only the manifest was read, the images that an earlier run could not read are still quarantined.
        if listing.is_file() and all(isinstance(one.encoder, RowEncoder) for one in wanted) and len(wanted) < len(made):
            quarantine = _read_listing(listing)
        for name, vectors in new.embeddings.items():
            write_embeddings(vectors[~vectors.obs_names.isin(quarantine)], paths[name])
        with replaced_whole(listing) as temporary:
            pd.DataFrame(quarantine.items(), columns=["site_id", "reason"]).to_csv(temporary, index=False)
    else:
        quarantine = _read_listing(listing)
    if len(quarantine) > max_failed * len(manifest):
        raise EmbeddingError(
            f"{len(quarantine)} of {len(manifest)} sites could not be read, more than the {max_failed:.1%} "
            f"allowed; the first: {next(iter(quarantine.values()))}; all are listed in {listing}; fix them, "
            "or raise max_failed to continue without them"
        )
    return Embedded({name: read_embeddings(path) for name, path in paths.items()}, quarantine)


def _read_listing(listing: Path) -> dict[str, str]:
    """Return site_id -> reason why it could not be read, from an earlier run."""
    table = pd.read_csv(listing, dtype=str)
    return dict(zip(table["site_id"], table["reason"], strict=True))
