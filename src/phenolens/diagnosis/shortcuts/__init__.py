"""What is it using? What is left of a score without cell count, intensity, position, or neighbours of one plate."""

from phenolens.diagnosis.shortcuts.compare import Shortcuts, compare_shortcuts
from phenolens.diagnosis.shortcuts.similarity import compare_similarities

__all__ = ["Shortcuts", "compare_shortcuts", "compare_similarities"]
