"""Encoders run over data sets: images in worker processes, vectors into AnnData with provenance."""

from phenolens.embedding.embed import NOTE, PROVENANCE, Embedded, dataset_channels, embed, encoder_info, first_site
from phenolens.embedding.folder import embed_to_folder
from phenolens.embedding.loader import default_workers
from phenolens.embedding.store import Missing, mark_controls, read_embeddings, write_embeddings

__all__ = [
    "NOTE",
    "PROVENANCE",
    "Embedded",
    "Missing",
    "dataset_channels",
    "default_workers",
    "embed",
    "embed_to_folder",
    "encoder_info",
    "first_site",
    "mark_controls",
    "read_embeddings",
    "write_embeddings",
]
