"""What was imaged: the manifest schema, and phantoms whose truth is known."""

from phenolens.datasets.manifest import (
    NEGATIVE_CONTROL,
    Manifest,
    ManifestRow,
    condition_names,
    map_columns,
    read_manifest,
    treated,
)

__all__ = ["NEGATIVE_CONTROL", "Manifest", "ManifestRow", "condition_names", "map_columns", "read_manifest", "treated"]
