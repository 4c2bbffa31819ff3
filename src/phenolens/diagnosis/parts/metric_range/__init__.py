"""The range of each metric on these data, the losses that it detects, and the stability of its ranking."""

from phenolens.diagnosis.parts.metric_range.describe import describe_metrics

__all__ = ["describe_metrics"]
