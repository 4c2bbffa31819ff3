"""Is the metric able to tell? Its range here, what it notices, and whether its ranking stands."""

from phenolens.diagnosis.sensitivity.describe import describe_metrics

__all__ = ["describe_metrics"]
