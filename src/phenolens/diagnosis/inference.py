"""Which claims of a diagnosis hold: every p value is adjusted here, family by family."""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from phenolens.diagnosis.records import (
    ENCODED_R,
    BaselineDifference,
    Claim,
    ConceptDifference,
    ConceptScore,
    Encoding,
    ExplainedVariance,
    ProfilingDifference,
    Record,
    what_is_followed,
)
from phenolens.evaluation import ALPHA
from phenolens.metrics import benjamini_hochberg


def control_claims(records: Sequence[Record]) -> tuple[Record, ...]:
    """Adjust the p values of all claims, family by family, at a false discovery rate of 5 % in each.

    A family is what is asked of one encoder in one way: its scores against baselines, the concepts that it may encode,
    what each shortcut takes from its scores, what each intervention takes from them; or the differences of two encoders
    under test, in scores and in concepts. Families are tested first, then claims within them (`adjust_in_families`), so
    that what is true elsewhere on the card does not make claims of a family easier that holds no truth.

    Parameters
    ----------
    records
        What all parts of the diagnosis found.

    Returns
    -------
    The same records: claims with ``p_adjusted``, and what it means for concepts filled in. What post-processing
    changes is adjusted by itself.
    """
    differences = [record for record in records if isinstance(record, BaselineDifference)]
    claims = [record for record in records if isinstance(record, Claim) and record.is_claimed]
    p = np.array([_p_of_claim(claim, differences) for claim in claims])
    adjusted = iter(adjust_in_families(p, [claim.family for claim in claims]))
    result: list[Record] = []
    for record in records:
        if isinstance(record, Claim) and record.is_claimed:
            estimate = replace(record.estimate, p_adjusted=float(next(adjusted)))
            result.append(replace(record, estimate=estimate))
        else:
            result.append(record)
    return tuple(_with_encoding(_with_profilings_adjusted(result)))


def _with_profilings_adjusted(records: Sequence[Record]) -> list[Record]:
    """Return records with what post-processing changes adjusted by itself: it is no claim that one encoder is better.

    Nearly all post-processing changes some scores. Among the claims of the card, these would make the others lenient.
    """
    p = [each.estimate.p for each in records if isinstance(each, ProfilingDifference)]
    adjusted = iter(benjamini_hochberg(np.array(p)))
    result: list[Record] = []
    for record in records:
        if isinstance(record, ProfilingDifference):
            result.append(replace(record, estimate=replace(record.estimate, p_adjusted=float(next(adjusted)))))
        else:
            result.append(record)
    return result


def adjust_in_families(p: NDArray[np.float64], families: Sequence[Hashable]) -> NDArray[np.float64]:
    """Return p values adjusted for the selection of families and for the other claims of their own family.

    A family has the p value that all its claims are false (Simes, 1986). At a level q, families are selected by these
    (Benjamini & Hochberg, 1995); where r of m are, claims of each are tested by the same procedure at q * r / m. The
    expected share of false claims, in the mean over selected families, is then at most q. The adjusted p value is the
    smallest q at which a claim is made.

    Parameters
    ----------
    p
        (n,) p values; NaN are ignored.
    families
        (n,) the family of each.

    Notes
    -----
    Source: Benjamini & Bogomolov, J. R. Stat. Soc. B 76 (2014).

    Examples
    --------
    >>> import numpy as np
    >>> adjust_in_families(np.array([0.001, 0.04, 0.03]), ["scores", "concepts", "concepts"])
    array([0.002, 0.04 , 0.04 ])
    """
    within = np.full(len(p), np.nan)
    places: dict[Hashable, list[int]] = {}
    for place, family in enumerate(families):
        if not np.isnan(p[place]):
            places.setdefault(family, []).append(place)
    for members in places.values():
        within[members] = benjamini_hochberg(p[members])
    # The least of a family's adjusted p values is Simes' p value that all its claims are false.
    of_family = benjamini_hochberg(np.array([within[members].min() for members in places.values()]))
    selected_at = np.sort(of_family)  # the level from which on r families are selected, for r = 1, 2, ...
    share = np.arange(1, len(places) + 1) / len(places)
    adjusted = np.full(len(p), np.nan)
    for members, selected in zip(places.values(), of_family, strict=True):
        for place in members:
            adjusted[place] = max(selected, np.maximum(selected_at, within[place] / share).min())
    return np.minimum(adjusted, 1.0)


def _p_of_claim(record: Claim, differences: Sequence[BaselineDifference]) -> float:
    """Return the p value by which something is claimed.

    What its own interval does not exclude is not claimed (`_agreed_p`).

    Among equals, the best of many baselines is better than an encoder by having been picked. So that the encoder falls
    short of it is claimed by the p value that none of the baselines is better (Simes, Biometrika 73, 1986).
    """
    if not isinstance(record, BaselineDifference) or not record.estimate.value < 0:
        return _agreed_p(record)
    p = []
    for other in differences:
        if _is_rival(other, record):
            p.append(_agreed_p(other) if other.estimate.value < 0 else 1.0)
    return float(np.min(benjamini_hochberg(np.array(p))))


def _agreed_p(claim: Claim) -> float:
    """Return the p value of a claim, or that of its interval where this holds what would be if there were nothing.

    The p value exchanges labels and the interval resamples units, and the two may disagree. The p value of the interval
    takes its half on the side of the null value for 1.96 standard errors.
    """
    estimate, null = claim.estimate, claim.null
    if not (estimate.p <= ALPHA and estimate.low <= null <= estimate.high):
        return estimate.p
    half = estimate.high - estimate.value if estimate.value < null else estimate.value - estimate.low
    distance = abs(estimate.value - null)
    return float(2 * norm.sf(distance / half * norm.isf(ALPHA / 2))) if distance > 0 else 1.0


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
    blocks: dict[str, list[ExplainedVariance]] = {}
    for record in records:
        if isinstance(record, ExplainedVariance):
            blocks.setdefault(record.encoder, []).append(record)
    followed = {
        (each.encoder, each.block): each.of_first_component
        for of_encoder in blocks.values()
        for each in what_is_followed(of_encoder)
    }
    for record in records:
        if isinstance(record, ConceptScore):
            share = followed.get((record.encoder, record.concept), float("nan"))
            yield replace(record, encoding=_encoding(record), of_first_component=share)
        elif isinstance(record, ConceptDifference):
            # Of two encoders that do not encode a concept, neither encodes it better.
            yield replace(record, better_encodes_it=(record.better, record.concept) in encoded)
        else:
            yield record


def _encoding(score: ConceptScore) -> Encoding:
    """Say whether a concept is encoded; what an untrained counterpart encodes is no claim, and not adjusted."""
    p = score.estimate.p_adjusted if score.is_claimed else score.estimate.p
    enough = ENCODED_R * score.allowed_r
    if p <= ALPHA and score.sure_r >= enough:
        return "encoded"
    if p <= ALPHA and 0 < score.sure_r <= score.best_r < enough:
        return "weakly encoded"
    return "not detected" if score.is_assessable else "not assessed"
