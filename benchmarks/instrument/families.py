"""Is a claim of one kind made easier by what is true of another kind? P values of whole cards, without their data.

python benchmarks/instrument/families.py

`noise_concept`: eight gains are true, and an encoder of noise is asked for six concepts.
`copies`: the cards of two equal encoders that beat their baselines and encode all concepts.
`nothing`: cards on which nothing is true.
`power`: how often a true difference is claimed, by its size in standard errors, on a card of 60 claims.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.stats import norm

from phenolens.diagnosis.inference import control_claims
from phenolens.diagnosis.records import (
    AfterIntervention,
    BaselineDifference,
    Claim,
    ConceptDifference,
    ConceptScore,
    EncoderDifference,
    WithoutShortcut,
)
from phenolens.evaluation import ALPHA, Estimate
from phenolens.metrics import benjamini_hochberg

TINY = 1e-6
QUESTIONS = [("replicate-retrieval", "raw"), ("replicate-retrieval", "tvn")]
CONCEPTS = ("acquisition", "density", "intensity", "shape", "texture", "arrangement")


def estimate(p: float) -> Estimate:
    return Estimate(0.1, p=p)


def gain(encoder: str, question: tuple[str, str], p: float) -> BaselineDifference:
    return BaselineDifference(estimate(p), *question, encoder, "cell-count", reference="best baseline")


def concept(encoder: str, name: str, p: float) -> ConceptScore:
    return ConceptScore(estimate(p), encoder, name, True, "factor", 0.1)


def card(rng: np.random.Generator, true: float | None, difference: float | None = None) -> list[Claim]:
    """Return the claims of two encoders; `true` is the p value of gains and concepts, drawn where there is none."""
    claims: list[Claim] = []
    draw = rng.random
    for encoder in ("mine", "yours"):
        claims += [gain(encoder, question, true or draw()) for question in QUESTIONS]
        claims += [concept(encoder, name, true or draw()) for name in CONCEPTS]
        for question in QUESTIONS:
            named = (*question, encoder, True, 0.5, 0.5, 0.1)
            claims += [WithoutShortcut(estimate(draw()), *named, f"shortcut {i}", "matched") for i in range(4)]
            claims += [AfterIntervention(estimate(draw()), *named, f"change {i}") for i in range(5)]
    for place, question in enumerate(QUESTIONS):
        p = draw() if difference is None or place else difference
        claims.append(EncoderDifference(estimate(p), *question, "mine", "yours"))
    claims += [ConceptDifference(estimate(draw()), name, "mine", "yours") for name in CONCEPTS]
    return claims


def adjusted(claims: Sequence[Claim], *, together: bool) -> list[Claim]:
    """Return claims with p values adjusted by families, or all together as they were before."""
    if not together:
        return [each for each in control_claims(claims) if isinstance(each, Claim)]
    p = benjamini_hochberg(np.array([each.estimate.p for each in claims]))
    return [
        replace(each, estimate=replace(each.estimate, p_adjusted=float(q))) for each, q in zip(claims, p, strict=True)
    ]


def rate(said: Sequence[bool]) -> list[float]:
    """Return a rate and its standard error."""
    share = float(np.mean(said))
    return [round(share, 4), round(float(np.sqrt(share * (1 - share) / len(said))), 4)]


def _is_of_pair(claim: Claim) -> bool:
    return isinstance(claim, EncoderDifference | ConceptDifference)


def compare(runs: int, *, together: bool, seed: int = 0) -> dict[str, Any]:
    """Return the rates of false and of true claims."""
    rng = np.random.default_rng(seed)
    noise, copies, nothing = [], [], []
    for _ in range(runs):
        claims: list[Claim] = [gain("mine", QUESTIONS[0], TINY) for _ in range(8)]
        claims += [concept("noise", name, rng.random()) for name in CONCEPTS]
        found = adjusted(claims, together=together)
        noise.append(any(each.is_significant for each in found if isinstance(each, ConceptScore)))
        found = adjusted(card(rng, TINY), together=together)
        copies.append(any(each.is_significant for each in found if _is_of_pair(each)))
        found = adjusted(card(rng, None), together=together)
        nothing.append(any(each.is_significant for each in found))
    power = {}
    for true_elsewhere in (True, False):
        for size in (2.8, 3.5, 4.5):
            made = []
            for _ in range(runs):
                p = float(2 * norm.sf(abs(rng.normal(size))))
                found = adjusted(card(rng, TINY if true_elsewhere else None, p), together=together)
                first = next(each for each in found if isinstance(each, EncoderDifference))
                made.append(first.estimate.p_adjusted <= ALPHA)
            power[f"{size} standard errors, {'much' if true_elsewhere else 'nothing'} true elsewhere"] = rate(made)
    return {
        "runs": runs,
        "noise_concept": rate(noise),
        "copies": rate(copies),
        "nothing": rate(nothing),
        "power": power,
    }


def run() -> dict[str, Any]:
    """Return the rates with one adjustment over all claims, and by families."""
    return {
        "together": compare(1000, together=True),
        "families": compare(1000, together=False),
    }


if __name__ == "__main__":
    print(json.dumps(run(), indent=1))
