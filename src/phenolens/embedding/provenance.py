"""The provenance of vectors, which they carry in ``uns["phenolens"]``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phenolens.encoders import EncoderInfo, describe_encoder, is_registered

if TYPE_CHECKING:
    from anndata import AnnData

PROVENANCE = "phenolens"
NOTE = "note"  # key in the provenance: what a reader must know of the vectors
FILE = "file"  # key in the provenance: the file that vectors were read from
INFO = "info"  # key in the provenance: the description of the encoder, as in `EncoderInfo.as_dict`


def encoder_info(vectors: AnnData, name: str) -> EncoderInfo:
    """Return the description of the encoder of given vectors.

    A table with the name of a registered encoder counts as that encoder. Under any other name, vectors keep the
    description that they carry; without one, the description follows from the name.

    Parameters
    ----------
    vectors
        Vectors as returned by `embed` and `read_embeddings`, or without provenance.
    name
        The name of the encoder, including its seed.

    Raises
    ------
    EncoderError
        If the description that they carry is damaged.

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
