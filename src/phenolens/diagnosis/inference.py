"""Which claims of a diagnosis hold: every p value is adjusted here, over all claims together."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from phenolens.diagnosis.records import (
    ENCODED_R,
    NAN,
    BaselineDifference,
    Claim,
    ConceptDifference,
    ConceptScore,
    Encoding,
    Record,
)
from phenolens.evaluation import ALPHA
from phenolens.metrics import benjamini_hochberg


def control_claims(records: Sequence[Record]) -> tuple[Record, ...]:
    """Adjust the p values of all claims together (Benjamini & Hochberg, 1995), at a false discovery rate of 5 %.

    The claims are, for each encoder under test: its difference to the best baseline and to the best untrained network
    of every question, and to every other encoder under test, in scores and in concepts; each concept that it may
    encode; and what each intervention and each shortcut takes from each of its scores.

    Parameters
    ----------
    records
        What all parts of the diagnosis found.

    Returns
    -------
    The same records: claims with ``p_adjusted``, and what it means for concepts filled in.
    """
    differences = [record for record in records if isinstance(record, BaselineDifference)]
    adjusted = benjamini_hochberg(np.array([_p_of_claim(record, differences) for record in records]))
    result: list[Record] = []
    for record, p_adjusted in zip(records, adjusted, strict=True):
        if isinstance(record, Claim):
            estimate = replace(record.estimate, p_adjusted=float(p_adjusted))
            result.append(replace(record, estimate=estimate))
        else:
            result.append(record)
    return tuple(_with_encoding(result))


def _p_of_claim(record: Record, differences: Sequence[BaselineDifference]) -> float:
    """Return the p value by which something is claimed; NaN, which does not count, where nothing is.

    Among equals, the best of many baselines is better than an encoder by having been picked. So that the encoder falls
    short of it is claimed by the p value that none of the baselines is better (Simes, Biometrika 73, 1986).
    """
    if not isinstance(record, Claim) or not record.is_claimed:
        return NAN
    if not isinstance(record, BaselineDifference) or not record.estimate.value < 0:
        return record.estimate.p
    p = []
    for other in differences:
        if _is_rival(other, record):
            p.append(other.estimate.p if other.estimate.value < 0 else 1.0)
    return float(np.min(benjamini_hochberg(np.array(p))))


def _is_rival(other: BaselineDifference, claim: BaselineDifference) -> bool:
    """Return whether a comparison is one of those from which that of a claim was picked as the best."""
    same = (other.task, other.profiling, other.encoder) == (claim.task, claim.profiling, claim.encoder)
    picked_from = claim.reference == "best baseline" or other.untrained
    return same and picked_from and not np.isnan(other.estimate.p)


def _with_encoding(records: Sequence[Record]) -> Iterator[Record]:
    """Yield records with what can be said of concepts, given the adjusted p values."""
    encoded = set()
    for record in records:
        if isinstance(record, ConceptScore) and _encoding(record) == "encoded":
            encoded.add((record.encoder, record.concept))
    for record in records:
        if isinstance(record, ConceptScore):
            yield replace(record, encoding=_encoding(record))
        elif isinstance(record, ConceptDifference):
            # Of two encoders that do not encode a concept, neither encodes it better.
            yield replace(record, better_encodes_it=(record.better, record.concept) in encoded)
        else:
            yield record


def _encoding(score: ConceptScore) -> Encoding:
    """Say whether a concept is encoded; what an untrained counterpart encodes is no claim, and not adjusted."""
    p = score.estimate.p_adjusted if score.is_claimed else score.estimate.p
    if p <= ALPHA and score.best_r >= ENCODED_R:
        return "encoded"
    return "weakly encoded" if p <= ALPHA and score.best_r > 0 else "not detected"
