"""What was imaged: the manifest schema, and phantoms whose truth is known."""

from phenolens.datasets.manifest import NEGATIVE_CONTROL, Manifest, ManifestRow, read_manifest

__all__ = ["NEGATIVE_CONTROL", "Manifest", "ManifestRow", "read_manifest"]
