"""The parts of a diagnosis, each independent of the others: from an evaluation to records, and what was skipped."""

from typing import Protocol

from phenolens.diagnosis.evidence import Found
from phenolens.diagnosis.parts.activity import count_active
from phenolens.diagnosis.parts.biology_and_nuisance import compare_nuisance
from phenolens.diagnosis.parts.concepts import compare_concepts
from phenolens.diagnosis.parts.differences import compare_encoders
from phenolens.diagnosis.parts.embedding_shape import describe_embeddings
from phenolens.diagnosis.parts.less_data import compare_with_less_data
from phenolens.diagnosis.parts.metric_range import describe_metrics
from phenolens.diagnosis.parts.nuisance_readout import read_nuisances
from phenolens.diagnosis.parts.ranks import rank_encoders
from phenolens.diagnosis.parts.shortcuts import compare_shortcuts
from phenolens.diagnosis.parts.split_leaks import find_leaks
from phenolens.diagnosis.parts.strata import compare_strata
from phenolens.evaluation import Evaluation


class Part(Protocol):
    """A function that finds records; its name is shown while it runs."""

    __name__: str

    def __call__(self, evaluation: Evaluation, /) -> Found:
        """Return what is found."""


SCORE_PARTS: tuple[Part, ...] = (find_leaks, compare_encoders, rank_encoders, count_active, read_nuisances)
"""What needs scores alone."""

PARTS: tuple[Part, ...] = (
    describe_embeddings,
    *SCORE_PARTS,
    describe_metrics,
    compare_shortcuts,
    compare_nuisance,
    compare_concepts,
    compare_strata,
    compare_with_less_data,
)
"""What is evaluated for a card, in the order in which evidence is listed."""
