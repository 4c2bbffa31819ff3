"""Images to vectors: the encoder contract, the registry, the baselines and the adapters."""

from phenolens.encoders.base import Encoder, Measurement, RowEncoder
from phenolens.encoders.info import EncoderInfo
from phenolens.encoders.nuclei import NucleiMeasurement
from phenolens.encoders.panel import Kind, default_panel, kind_of
from phenolens.encoders.registry import (
    EncoderEntry,
    EncoderName,
    Form,
    create_encoder,
    describe_encoder,
    find_encoder,
    form_of,
    is_baseline,
    is_untrained,
    list_encoders,
    twin_of,
)

__all__ = [
    "Encoder",
    "EncoderEntry",
    "EncoderInfo",
    "EncoderName",
    "Form",
    "Kind",
    "Measurement",
    "NucleiMeasurement",
    "RowEncoder",
    "create_encoder",
    "default_panel",
    "describe_encoder",
    "find_encoder",
    "form_of",
    "is_baseline",
    "is_untrained",
    "kind_of",
    "list_encoders",
    "twin_of",
]
