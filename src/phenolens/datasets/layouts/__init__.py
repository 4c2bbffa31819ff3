"""Folders of images as instruments and people leave them: which images belong to which site, well and class."""

from phenolens.datasets.layouts.find import NAMES, find_layout
from phenolens.datasets.layouts.image_files import ImageFiles, list_image_files
from phenolens.datasets.layouts.known_columns import (
    GROUPS,
    KNOWN,
    MECHANISMS,
    choose_controls,
    find_columns,
    find_roles,
    unit_of,
)
from phenolens.datasets.layouts.layout import Layout, Notes
from phenolens.datasets.layouts.plate_patterns import PATTERNS, ImageName, PlatePattern, own_pattern
from phenolens.datasets.layouts.platemap import TEMPLATE, join_platemap, mark_controls, read_platemap
from phenolens.datasets.layouts.plates import PlateChoices

__all__ = [
    "GROUPS",
    "KNOWN",
    "MECHANISMS",
    "NAMES",
    "PATTERNS",
    "TEMPLATE",
    "ImageFiles",
    "ImageName",
    "Layout",
    "Notes",
    "PlateChoices",
    "PlatePattern",
    "choose_controls",
    "find_columns",
    "find_layout",
    "find_roles",
    "join_platemap",
    "list_image_files",
    "mark_controls",
    "own_pattern",
    "read_platemap",
    "unit_of",
]
