"""What did it learn? Evidence on every encoder, and what it supports in words."""

from typing import TYPE_CHECKING

from phenolens.core.lazy import import_lazily

if TYPE_CHECKING:
    from phenolens.diagnosis.card import compare_scores, diagnose
    from phenolens.diagnosis.evidence import Card, Evidence, Verdict
    from phenolens.diagnosis.parts.concepts import explained_variance, probe_concepts
    from phenolens.diagnosis.parts.embedding_shape import describe_embedding
    from phenolens.diagnosis.parts.interventions import compare_interventions
    from phenolens.diagnosis.parts.layers import choose_on_held_out, layer_variants
    from phenolens.diagnosis.scaling import fit_scaling

__all__ = [
    "Card",
    "Evidence",
    "Verdict",
    "choose_on_held_out",
    "compare_interventions",
    "compare_scores",
    "describe_embedding",
    "diagnose",
    "explained_variance",
    "fit_scaling",
    "layer_variants",
    "probe_concepts",
]

import_lazily(
    __name__,
    {
        "card": ("compare_scores", "diagnose"),
        "parts.concepts": ("explained_variance", "probe_concepts"),
        "parts.embedding_shape": ("describe_embedding",),
        "parts.interventions": ("compare_interventions",),
        "parts.layers": ("choose_on_held_out", "layer_variants"),
        "evidence": ("Card", "Evidence", "Verdict"),
        "scaling": ("fit_scaling",),
    },
)
