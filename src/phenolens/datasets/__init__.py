"""Data sets: manifests of imaged sites, tables of cells, and the registry of data sets."""

from phenolens.datasets.cell_table import Cells, CellTable, read_cell_table
from phenolens.datasets.columns import Table, as_names, column_name, plain_table
from phenolens.datasets.gene_table import read_gene_table
from phenolens.datasets.headers import unfit_sites
from phenolens.datasets.manifest import (
    Manifest,
    column_origins,
    condition_names,
    map_metadata,
    read_manifest,
    rows_without_images,
    treated,
)
from phenolens.datasets.names import describe_look_alikes, describe_replaced_names, warn_of_nearly_controls
from phenolens.datasets.pack import Packed, pack
from phenolens.datasets.registry import DATASETS, DatasetEntry, open_dataset
from phenolens.datasets.schema import NAMES, NEGATIVE_CONTROL, ManifestRow
from phenolens.datasets.table_file import (
    TABLES,
    read_numbers_apart,
    read_rows,
    read_table,
    table_stem,
    table_suffix,
    workbook_hint,
)
from phenolens.datasets.text_file import read_text
from phenolens.datasets.wells import known_positions, plate_formats, position_features, spell_well, with_plate_formats

__all__ = [
    "DATASETS",
    "NAMES",
    "NEGATIVE_CONTROL",
    "TABLES",
    "CellTable",
    "Cells",
    "DatasetEntry",
    "Manifest",
    "ManifestRow",
    "Packed",
    "Table",
    "as_names",
    "column_name",
    "column_origins",
    "condition_names",
    "describe_look_alikes",
    "describe_replaced_names",
    "known_positions",
    "map_metadata",
    "open_dataset",
    "pack",
    "plain_table",
    "plate_formats",
    "position_features",
    "read_cell_table",
    "read_gene_table",
    "read_manifest",
    "read_numbers_apart",
    "read_rows",
    "read_table",
    "read_text",
    "rows_without_images",
    "spell_well",
    "table_stem",
    "table_suffix",
    "treated",
    "unfit_sites",
    "warn_of_nearly_controls",
    "with_plate_formats",
    "workbook_hint",
]
