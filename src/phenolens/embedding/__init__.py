"""Embedding of data sets: images are read in worker processes, vectors are stored as AnnData with provenance."""

from phenolens.embedding.embed import (
    Embedded,
    check_mpp,
    dataset_channels,
    default_workers,
    embed,
    first_site,
    resolve_device,
)
from phenolens.embedding.folder import MOST_FAILED, embed_to_folder
from phenolens.embedding.h5ad_file import check_h5ad
from phenolens.embedding.journal import Journal
from phenolens.embedding.make_encoders import make_encoders
from phenolens.embedding.provenance import FILE, INFO, NOTE, PROVENANCE, encoder_info
from phenolens.embedding.storable import check_storable
from phenolens.embedding.store import (
    mark_controls,
    read_embeddings,
    read_unfinished,
    rename_rows,
    with_metadata,
    write_embeddings,
)
from phenolens.embedding.trial import Trial, try_few_sites
from phenolens.embedding.vector_tables import Missing

__all__ = [
    "FILE",
    "INFO",
    "MOST_FAILED",
    "NOTE",
    "PROVENANCE",
    "Embedded",
    "Journal",
    "Missing",
    "Trial",
    "check_h5ad",
    "check_mpp",
    "check_storable",
    "dataset_channels",
    "default_workers",
    "embed",
    "embed_to_folder",
    "encoder_info",
    "first_site",
    "make_encoders",
    "mark_controls",
    "read_embeddings",
    "read_unfinished",
    "rename_rows",
    "resolve_device",
    "try_few_sites",
    "with_metadata",
    "write_embeddings",
]
