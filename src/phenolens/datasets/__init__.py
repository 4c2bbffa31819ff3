"""Data sets: manifests of imaged sites, tables of cells, and the registry of data sets."""

from phenolens.datasets.cell_table import Cells, CellTable, read_cell_table
from phenolens.datasets.gene_table import read_gene_table
from phenolens.datasets.manifest import (
    NEGATIVE_CONTROL,
    Manifest,
    ManifestRow,
    condition_names,
    map_columns,
    read_manifest,
    rows_without_images,
    treated,
)
from phenolens.datasets.pack import Packed, pack
from phenolens.datasets.positions import known_positions, position_features, spell_well, well_positions
from phenolens.datasets.registry import DATASETS, DatasetEntry, open_dataset

__all__ = [
    "DATASETS",
    "NEGATIVE_CONTROL",
    "CellTable",
    "Cells",
    "DatasetEntry",
    "Manifest",
    "ManifestRow",
    "Packed",
    "condition_names",
    "known_positions",
    "map_columns",
    "open_dataset",
    "pack",
    "position_features",
    "read_cell_table",
    "read_gene_table",
    "read_manifest",
    "rows_without_images",
    "spell_well",
    "treated",
    "well_positions",
]
