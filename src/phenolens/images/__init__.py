"""Images: reading with named channels, normalising, cropping, stain separation, segmentation, packing."""

from phenolens.images.bit_depth import bit_depth
from phenolens.images.channels import RGB, nuclear_channel
from phenolens.images.crop import Crop, check_crop, corners, cut
from phenolens.images.intervention import Intervention, find_intervention, interventions
from phenolens.images.mask import check_mask_size, on_border, read_mask
from phenolens.images.merge import ellipse_fit
from phenolens.images.normalise import scale_to_unit, self_standardise, standardise
from phenolens.images.nuclei import NucleiOptions, find_nuclei, nuclear_image, segmentations
from phenolens.images.ome_zarr_plate import Field, is_zarr, list_fields
from phenolens.images.plausible import CAVEATS, caveats_of
from phenolens.images.read import IMAGE_SUFFIXES, image_size, read_image, read_site, site_size
from phenolens.images.segment import segment_cells, segment_nuclei
from phenolens.images.shard import file_of, place_in_shard, shard_content, write_shard
from phenolens.images.site import Site
from phenolens.images.stain import STAINS, nuclear_density, separate_stains

__all__ = [
    "CAVEATS",
    "IMAGE_SUFFIXES",
    "RGB",
    "STAINS",
    "Crop",
    "Field",
    "Intervention",
    "NucleiOptions",
    "Site",
    "bit_depth",
    "caveats_of",
    "check_crop",
    "check_mask_size",
    "corners",
    "cut",
    "ellipse_fit",
    "file_of",
    "find_intervention",
    "find_nuclei",
    "image_size",
    "interventions",
    "is_zarr",
    "list_fields",
    "nuclear_channel",
    "nuclear_density",
    "nuclear_image",
    "on_border",
    "place_in_shard",
    "read_image",
    "read_mask",
    "read_site",
    "scale_to_unit",
    "segment_cells",
    "segment_nuclei",
    "segmentations",
    "self_standardise",
    "separate_stains",
    "shard_content",
    "site_size",
    "standardise",
    "write_shard",
]
