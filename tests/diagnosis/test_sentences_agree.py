"""No two sentences of a card contradict each other, and none contradicts its own numbers."""

import re
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from phenolens.diagnosis import Evidence, Verdict, diagnose
from phenolens.diagnosis.inference import control_claims
from phenolens.diagnosis.records import (
    BaselineDifference,
    ConceptScore,
    EncoderDifference,
    ExplainedVariance,
    WithoutShortcut,
)
from phenolens.diagnosis.rules import judge
from phenolens.evaluation import Estimate, evaluate
from phenolens.tasks import make_task

QUESTION = ("replicate-retrieval:controls", "raw")
SIGNIFICANT = r" (beats|falls short of|loses to|encodes \w+ better than) "
TIED = r" is not significantly different from "
INTERVAL = r"\[([-+0-9.]+), ([-+0-9.]+)\]"
SHARES = r"(-?\d+)% \[(-?\d+)%, (-?\d+)%\]"


def contradictions(verdicts):
    """Return what is wrong with the sentences of one card, in words."""
    wrong = []
    for verdict in verdicts:
        wrong += [f"{problem}: {verdict.claim}" for problem in problems_of(verdict.claim)]
    for one, other in combinations(verdicts, 2):
        wrong += [f"{problem}: {one.claim} | {other.claim}" for problem in problems_between(one, other)]
    return wrong


def problems_of(claim):
    """Yield how a sentence contradicts its own numbers."""
    interval = re.search(INTERVAL, claim)
    if interval:
        low, high = map(float, interval.groups())
        excludes = low > 0 or high < 0
        if re.search(SIGNIFICANT, claim) and low < 0 < high:
            yield "claimed although its interval holds zero"
        if re.search(TIED, claim) and excludes and "before adjustment" not in claim:
            yield "not significant although its interval excludes zero, without a word why"
    if re.search(r"\de-\d\d", claim):
        yield "a number that is rounding"
    if re.search(r"adjusted p", claim) and " exactly as " in claim:
        yield "a p value of what is identical"
    shares = [tuple(map(int, found)) for found in re.findall(SHARES, claim)]
    if " explains " in claim and "of its variance" not in claim and "depends on how" not in claim:
        for (_, low, high), (_, other_low, other_high) in combinations(shares, 2):
            if max(low, other_low) > 50 and min(high, other_high) < 10:
                yield "one shortcut explains most of a score and nothing of it"


def problems_between(one, other):
    """Yield how two sentences contradict each other."""
    if one.kind == other.kind == "difference" and (one.task, one.profiling) == (other.task, other.profiling):
        ranked = [winner_and_loser(each) for each in (one, other)]
        if None not in ranked and ranked[0] == ranked[1][::-1]:
            yield "each is better than the other"
    kinds = {one.kind: one, other.kind: other}
    absent = kinds.get("concepts_not_detected")
    if absent is None or absent.encoder != (other if absent is one else one).encoder:
        return
    names = re.search(r"no detectable information about ([\w, ]+?)(?: beyond|\.|;)", absent.claim)
    names = set(names.group(1).split(", ")) if names else set()
    for kind, pattern in (("component", r"follows (\w+)"), ("concept", r"encodes (\w+)")):
        said = re.search(pattern, kinds[kind].claim) if kind in kinds else None
        if said and said.group(1) in names and f"first component follows {said.group(1)}" not in absent.claim:
            yield "there is information about it, and there is none"


def winner_and_loser(verdict):
    pair = (verdict.encoder, verdict.baseline)
    if " beats " in verdict.claim:
        return pair
    return pair[::-1] if " loses to " in verdict.claim else None


def against(low, value, high, p):
    return BaselineDifference(
        Estimate(value, low, high, 8, p), *QUESTION, "mine", "cell-count", reference="best baseline"
    )


def pair(low, value, high, p, detectable=0.02):
    return EncoderDifference(Estimate(value, low, high, 8, p), *QUESTION, "mine", "yours", detectable)


def without(way, value, low, high, p):
    estimate = Estimate(value, low, high, 60, p)
    return WithoutShortcut(estimate, *QUESTION, "mine", True, 0.5, 0.3, 0.1, "cell count", way, retrieval=True)


def concept(name, p, r):
    return ConceptScore(Estimate(r, p=p), "mine", name, True, "factor", r, ("density",))


CARDS = {
    "p and interval disagree": (against(-0.42, -0.18, 0.06, 0.023),),
    "interval without adjustment": (
        pair(-0.33, -0.2, -0.07, 0.03),
        against(0.05, 0.1, 0.2, 0.04),
        concept("texture", 0.9, 0.0),
    ),
    "the same vectors": (pair(0.0, 0.0, 0.0, 1.0, 5.7e-17), against(0.0, 0.0, 0.0, 1.0)),
    "differences that do not vary": (pair(0.1, 0.1, 0.1, 0.001, 5.7e-17),),
    "two adjustments of one shortcut": (
        without("regressed out", -0.01, -0.05, 0.03, 1e-4),
        without("matched", 1.16, 1.0, 1.3, 0.2),
    ),
    "a component that follows what is not detected": (
        concept("acquisition", 0.9, 0.01),
        concept("texture", 0.8, 0.02),
        ExplainedVariance("mine", True, "acquisition", 0.5, 0.0, 0.8, 0.7),
    ),
}


@pytest.mark.parametrize("name", CARDS)
def test_sentences_of_what_disagrees_agree(name):
    verdicts = judge(Evidence(control_claims(CARDS[name])))
    assert verdicts
    assert contradictions(verdicts) == []


def test_the_reader_finds_each_contradiction():
    """What was said once, of the same records."""

    def said(claim, kind="difference", encoder="mine", other="yours"):
        return Verdict(kind, "", claim, encoder, other, *QUESTION)

    cards = [
        [said("mine falls short of cell-count: -0.18 [-0.42, 0.06]; adjusted p 0.023.")],
        [said("mine is not significantly different from yours: -0.20 [-0.33, -0.07]; adjusted p 0.079.")],
        [said("mine ties yours; minimum detectable difference 5.7e-17 (80% power).")],
        [said("cell count explains 101% [97%, 105%] when regressed out of it, and -16% [-30%, 0%] when matched.")],
        [
            said("mine beats yours: +0.2 [0.1, 0.3]."),
            said("yours beats mine: +0.2 [0.1, 0.3].", "difference", "yours", "mine"),
        ],
        [
            said("the first principal component of mine (70% of its variance) follows acquisition.", "component"),
            said("mine holds no detectable information about shape, acquisition.", "concepts_not_detected"),
        ],
        [
            said("mine encodes texture, beyond shape: r 0.50.", "concept"),
            said("mine holds no detectable information about texture.", "concepts_not_detected"),
        ],
    ]
    for card in cards:
        assert len(contradictions(card)) == 1, card


def wells(x, obs):
    return AnnData(np.asarray(x, dtype=np.float32), obs=obs)


@pytest.mark.integration
@pytest.mark.filterwarnings("ignore::phenolens.core.errors.PhenolensWarning")
@pytest.mark.parametrize("seed", [0, 1])
def test_sentences_of_whole_cards_agree(seed):
    """Encoders of the truth, a copy, a scaled copy, the count, the plate, and noise, on one screen."""
    rng = np.random.default_rng(seed)
    names = [*(f"t{i}" for i in range(20)), *["dmso"] * 8]
    obs = pd.DataFrame([(f"p{plate}", name) for plate in range(4) for name in names], columns=["plate", "perturbation"])
    obs["role"] = np.where(obs["perturbation"] == "dmso", "negative_control", "treatment")
    obs.index = [f"w{i}" for i in range(len(obs))]
    for factor in ("count", "texture"):
        mean = dict(zip(names, rng.normal(size=len(names)), strict=True))
        obs[f"true_{factor}"] = 10 + obs["perturbation"].map(mean) + rng.normal(size=len(obs))
    obs["true_background"] = 10 + 2 * obs["plate"].map(lambda name: int(name[1])) + 0.1 * rng.normal(size=len(obs))
    known = obs.filter(like="true_").to_numpy() - 10
    truth = known[:, :2] @ rng.normal(size=(2, 8)) + 0.2 * rng.normal(size=(len(obs), 8))
    plate = known[:, 2:] @ rng.normal(size=(1, 8)) + 0.5 * rng.normal(size=(len(obs), 8))
    encoders = {
        "truth": truth,
        "copy": truth,
        "scaled": 3 * truth,
        "count": known[:, :1] @ rng.normal(size=(1, 8)) + 0.1 * rng.normal(size=(len(obs), 8)),
        "plate": plate,
        "noise": rng.normal(size=truth.shape),
    }
    vectors = {name: wells(x, obs) for name, x in encoders.items()}
    evaluation = evaluate(vectors, [make_task("replicate-retrieval", n_permutations=99)], profilings=["raw"], seed=seed)
    verdicts = diagnose(evaluation).verdicts
    assert len(verdicts) > 15
    assert any(" exactly as " in verdict.claim for verdict in verdicts)
    assert contradictions(verdicts) == []
