"""Images to vectors: the encoder contract, the registry, the baselines and the adapters."""

from phenolens.encoders.base import Encoder
from phenolens.encoders.registry import (
    EncoderEntry,
    EncoderName,
    create_encoder,
    default_baselines,
    find_encoder,
    is_baseline,
    list_encoders,
)

__all__ = [
    "Encoder",
    "EncoderEntry",
    "EncoderName",
    "create_encoder",
    "default_baselines",
    "find_encoder",
    "is_baseline",
    "list_encoders",
]
