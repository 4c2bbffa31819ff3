"""What is left of a score without cell count, intensity, position, or neighbours of the same plate."""

from phenolens.diagnosis.parts.shortcuts.compare import compare_shortcuts

__all__ = ["compare_shortcuts"]
