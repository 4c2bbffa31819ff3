"""Where vectors come from, as it is carried with them: in ``uns["phenolens"]``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phenolens.encoders import EncoderInfo, describe_encoder, is_registered

if TYPE_CHECKING:
    from anndata import AnnData

PROVENANCE = "phenolens"
NOTE = "note"  # of the provenance: what a reader must know of the vectors
INFO = "info"  # of the provenance: what is known of the encoder, as `EncoderInfo.as_dict` gives it


def encoder_info(vectors: AnnData, name: str) -> EncoderInfo:
    """Return what is known of the encoder that made vectors.

    A table that is named like a registered encoder is one. Under any other name the vectors keep what is carried with
    them; of those that carry nothing, the name tells.

    Parameters
    ----------
    vectors
        As `embed` and `read_embeddings` return them, or without any provenance.
    name
        What they are called where they are used, seed included.

    Raises
    ------
    EncoderError
        If what they carry is damaged.

    Examples
    --------
    >>> import numpy as np
    >>> from anndata import AnnData
    >>> encoder_info(AnnData(np.zeros((2, 1))), "cell-count").role
    'baseline'
    """
    content = vectors.uns.get(PROVENANCE, {}).get(INFO)
    carried = EncoderInfo.from_dict(content) if content is not None else describe_encoder(name)
    if carried.id == name:
        return carried
    return describe_encoder(name) if is_registered(name) else carried.renamed(name)
