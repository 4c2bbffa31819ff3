"""The range of each metric on these data, the losses that it detects, and the stability of its ranking."""

from phenolens.diagnosis.parts.metric_range.describe import FINE, LEAST_ROOM, describe_metrics
from phenolens.diagnosis.parts.metric_range.dilution import STEP

__all__ = ["FINE", "LEAST_ROOM", "STEP", "describe_metrics"]
