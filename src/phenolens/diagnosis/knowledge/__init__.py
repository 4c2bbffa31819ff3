"""What does it know? Levels of what makes an image, each beyond all others."""

from phenolens.diagnosis.knowledge.ask import Knowledge, ask_levels, under_test
from phenolens.diagnosis.knowledge.concepts import Concepts, explained_variance, probe_concepts

__all__ = ["Concepts", "Knowledge", "ask_levels", "explained_variance", "probe_concepts", "under_test"]
