"""Paired differences between encoders, unit by unit."""

from phenolens.diagnosis.parts.differences.compare import compare_encoders

__all__ = ["compare_encoders"]
