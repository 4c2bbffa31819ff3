"""Pixels: read one site as a named-channel array, normalise, crop, segment."""

from phenolens.images.channels import RGB, nuclear_channel
from phenolens.images.crop import Crop, crops
from phenolens.images.normalise import scale_to_unit, self_standardise, standardise
from phenolens.images.read import read_image, read_site
from phenolens.images.segment import segment_nuclei
from phenolens.images.site import Site

__all__ = [
    "RGB",
    "Crop",
    "Site",
    "crops",
    "nuclear_channel",
    "read_image",
    "read_site",
    "scale_to_unit",
    "segment_nuclei",
    "self_standardise",
    "standardise",
]
