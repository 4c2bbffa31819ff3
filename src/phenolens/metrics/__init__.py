"""Pure kernels: arrays in, numbers and per-unit values out. Nothing of Phenolens is imported here."""

from phenolens.metrics.bootstrap import cluster_bootstrap, percentile_interval, stratified_mean
from phenolens.metrics.label_retrieval import label_average_precision
from phenolens.metrics.permutation import (
    benjamini_hochberg,
    replicate_average_precision,
    replicate_retrieval_p,
)
from phenolens.metrics.retrieval import average_precision, chance_average_precision
from phenolens.metrics.similarity import cosine_similarity, unit_rows

__all__ = [
    "average_precision",
    "benjamini_hochberg",
    "chance_average_precision",
    "cluster_bootstrap",
    "cosine_similarity",
    "label_average_precision",
    "percentile_interval",
    "replicate_average_precision",
    "replicate_retrieval_p",
    "stratified_mean",
    "unit_rows",
]
