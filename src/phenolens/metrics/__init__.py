"""Metrics as pure functions of arrays; they do not import anything else of Phenolens."""

from phenolens.metrics.apart import Apart, apart_by
from phenolens.metrics.bootstrap import (
    cluster_bootstrap,
    nadeau_bengio,
    percentile_interval,
    small_sample_widening,
    stratified_mean,
    stratum_shares,
)
from phenolens.metrics.consistency import mean_pairwise_cosine, set_consistency
from phenolens.metrics.further_draws import (
    FOR_CHANCE,
    MOST_COMPARED,
    Labellings,
    TailUnit,
    draw_further,
    n_first_labellings,
    spread_rows,
)
from phenolens.metrics.geometry import (
    hubness,
    linear_cka,
    participation_ratio,
    similarity_rank_correlation,
    top_share,
    uniformity,
    variance_spectrum,
)
from phenolens.metrics.group_similarity import group_similarity
from phenolens.metrics.label_retrieval import label_average_precision
from phenolens.metrics.magnitude import (
    distances,
    gaussian_dissimilarities,
    mahalanobis,
    two_sample_statistic,
)
from phenolens.metrics.multilabel_retrieval import multilabel_average_precision
from phenolens.metrics.nearest_group import nearest_groups
from phenolens.metrics.neighbours import (
    batch_silhouette,
    cosine_silhouette,
    kbet,
    lisi,
    nearest_neighbours,
    neighbour_purity,
    robustness_index,
)
from phenolens.metrics.network_clusters import CROSSED, network_clusters
from phenolens.metrics.pair_separation import Separation, separation
from phenolens.metrics.permutation import (
    benjamini_hochberg,
    count_reached,
    count_sets,
    draw_sets,
    least_sign_flip_p,
    maximum_p,
    mean_defined,
    permutation_p,
    sign_flip_p,
    sign_flip_variance,
)
from phenolens.metrics.power import minimum_detectable_effect, replicate_ceiling, tie_groups
from phenolens.metrics.relation_recall import PairNull, PairTails, distinct_pairs, rewire
from phenolens.metrics.reliability import split_half_reliability
from phenolens.metrics.replicate_retrieval import replicate_retrieval_p
from phenolens.metrics.retrieval import average_precision, chance_average_precision
from phenolens.metrics.retrieval_among import average_precision_among
from phenolens.metrics.ridge import ridge_by_target, ridge_path
from phenolens.metrics.set_retrieval import (
    control_average_precision,
    open_negatives,
    rows_by_label,
    set_average_precision,
)
from phenolens.metrics.set_similarity import SetSimilarity, SimilarityRanks, set_similarity
from phenolens.metrics.shrinkage import ledoit_wolf
from phenolens.metrics.similarity import cosine_similarity, unit_rows
from phenolens.metrics.trend import rank_trend

__all__ = [
    "CROSSED",
    "FOR_CHANCE",
    "MOST_COMPARED",
    "Apart",
    "Labellings",
    "PairNull",
    "PairTails",
    "Separation",
    "SetSimilarity",
    "SimilarityRanks",
    "TailUnit",
    "apart_by",
    "average_precision",
    "average_precision_among",
    "batch_silhouette",
    "benjamini_hochberg",
    "chance_average_precision",
    "cluster_bootstrap",
    "control_average_precision",
    "cosine_silhouette",
    "cosine_similarity",
    "count_reached",
    "count_sets",
    "distances",
    "distinct_pairs",
    "draw_further",
    "draw_sets",
    "gaussian_dissimilarities",
    "group_similarity",
    "hubness",
    "kbet",
    "label_average_precision",
    "least_sign_flip_p",
    "ledoit_wolf",
    "linear_cka",
    "lisi",
    "mahalanobis",
    "maximum_p",
    "mean_defined",
    "mean_pairwise_cosine",
    "minimum_detectable_effect",
    "multilabel_average_precision",
    "n_first_labellings",
    "nadeau_bengio",
    "nearest_groups",
    "nearest_neighbours",
    "neighbour_purity",
    "network_clusters",
    "open_negatives",
    "participation_ratio",
    "percentile_interval",
    "permutation_p",
    "rank_trend",
    "replicate_ceiling",
    "replicate_retrieval_p",
    "rewire",
    "ridge_by_target",
    "ridge_path",
    "robustness_index",
    "rows_by_label",
    "separation",
    "set_average_precision",
    "set_consistency",
    "set_similarity",
    "sign_flip_p",
    "sign_flip_variance",
    "similarity_rank_correlation",
    "small_sample_widening",
    "split_half_reliability",
    "spread_rows",
    "stratified_mean",
    "stratum_shares",
    "tie_groups",
    "top_share",
    "two_sample_statistic",
    "uniformity",
    "unit_rows",
    "variance_spectrum",
]
