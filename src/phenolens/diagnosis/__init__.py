"""What did it learn? Paired comparisons with the baselines, and verdicts in words."""

from phenolens.diagnosis.card import Card, diagnose
from phenolens.diagnosis.comparison import compare_families, rank_families
from phenolens.diagnosis.concepts import Concepts, explained_variance, probe_concepts
from phenolens.diagnosis.degeneracy import Degeneracy, describe_degeneracy
from phenolens.diagnosis.interventions import compare_interventions, embedding_shift
from phenolens.diagnosis.scaling import fit_scaling
from phenolens.diagnosis.shortcuts import compare_shortcuts
from phenolens.diagnosis.verdicts import Verdict

__all__ = [
    "Card",
    "Concepts",
    "Degeneracy",
    "Verdict",
    "compare_families",
    "compare_interventions",
    "compare_shortcuts",
    "describe_degeneracy",
    "diagnose",
    "embedding_shift",
    "explained_variance",
    "fit_scaling",
    "probe_concepts",
    "rank_families",
]
