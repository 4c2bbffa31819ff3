"""Encoders, from images to vectors: their contract, the registry, baselines, and adapters of networks."""

from phenolens.encoders.base import Encoder, Measurement, Pixels, RowEncoder, hash_text, take_channels
from phenolens.encoders.describe import Named, describe_encoder, is_registered
from phenolens.encoders.info import EncoderInfo, FeatureType, Role
from phenolens.encoders.names import EncoderName, as_file_name
from phenolens.encoders.nuclei import NucleiMeasurement
from phenolens.encoders.own_code import allow_code, refuse_code
from phenolens.encoders.panel import Kind, PanelSize, default_panel, kind_of, quick_panel
from phenolens.encoders.registry import (
    COUNTERPART,
    ENCODERS,
    EncoderEntry,
    counterpart_of,
    create_encoder,
    find_encoder,
    list_encoders,
)

__all__ = [
    "COUNTERPART",
    "ENCODERS",
    "Encoder",
    "EncoderEntry",
    "EncoderInfo",
    "EncoderName",
    "FeatureType",
    "Kind",
    "Measurement",
    "Named",
    "NucleiMeasurement",
    "PanelSize",
    "Pixels",
    "Role",
    "RowEncoder",
    "allow_code",
    "as_file_name",
    "counterpart_of",
    "create_encoder",
    "default_panel",
    "describe_encoder",
    "find_encoder",
    "hash_text",
    "is_registered",
    "kind_of",
    "list_encoders",
    "quick_panel",
    "refuse_code",
    "take_channels",
]
