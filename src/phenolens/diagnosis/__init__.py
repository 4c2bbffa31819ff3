"""What did it learn? Paired comparisons with the baselines, and verdicts in words."""

from phenolens.diagnosis.card import Card, ScoreComparison, compare_scores, diagnose
from phenolens.diagnosis.comparison import compare_families, rank_families
from phenolens.diagnosis.degeneracy import Degeneracy, describe_degeneracy
from phenolens.diagnosis.evidence import Evidence
from phenolens.diagnosis.interventions import compare_interventions, embedding_shift
from phenolens.diagnosis.knowledge import Concepts, explained_variance, probe_concepts
from phenolens.diagnosis.nuisance import compare_nuisance
from phenolens.diagnosis.scaling import fit_scaling
from phenolens.diagnosis.sensitivity import describe_metrics
from phenolens.diagnosis.shortcuts import compare_shortcuts
from phenolens.diagnosis.verdicts import Verdict
from phenolens.diagnosis.where import choose_on_held_out, compare_strata, data_efficiency, layer_variants

__all__ = [
    "Card",
    "Concepts",
    "Degeneracy",
    "Evidence",
    "ScoreComparison",
    "Verdict",
    "choose_on_held_out",
    "compare_families",
    "compare_interventions",
    "compare_nuisance",
    "compare_scores",
    "compare_shortcuts",
    "compare_strata",
    "data_efficiency",
    "describe_degeneracy",
    "describe_metrics",
    "diagnose",
    "embedding_shift",
    "explained_variance",
    "fit_scaling",
    "layer_variants",
    "probe_concepts",
    "rank_families",
]
