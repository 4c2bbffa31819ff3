"""Every rule, as rows of records and what is said of them."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from phenolens.core.errors import PhenolensError
from phenolens.diagnosis.evidence import Evidence
from phenolens.diagnosis.inference import control_claims
from phenolens.diagnosis.records import (
    NAN,
    Activity,
    AfterIntervention,
    BaselineDifference,
    BestBaseline,
    BiologyBesideNuisance,
    ConceptDifference,
    ConceptScore,
    EmbeddingShape,
    EncoderDifference,
    ExplainedVariance,
    LayerChoice,
    MetricRange,
    NoBaseline,
    NuisanceReadout,
    ProfilingDifference,
    SplitLeak,
    StratumGain,
    WithoutShortcut,
)
from phenolens.diagnosis.rules import RULES, judge, rules_table
from phenolens.evaluation import Estimate

QUESTION = ("replicate-retrieval", "raw")
WIN = Estimate(0.1, 0.05, 0.15, 60, 0.001, 0.002)
LOSS = Estimate(-0.1, -0.15, -0.05, 60, 0.001, 0.002)
TIE = Estimate(0.01, -0.04, 0.06, 60, 0.5, 0.6)
ONE_UNIT = Estimate(n_units=1)
HELD = BaselineDifference(WIN, *QUESTION, "mine", "cell-count", reference="best baseline", minimum_detectable=0.02)
PAIR = EncoderDifference(WIN, *QUESTION, "mine", "yours", minimum_detectable=0.0234)
RANGE = MetricRange(*QUESTION, 0.1, 1.0, "maximum", "cell-count", 0.95, "mine", 0.97, 0.9, 0.05, 0.25, 0.9, "tells")
TOO_FEW = {"grade": "too few units", "finest": NAN}
SHARE = Estimate(0.8, 0.7, 0.9, 60)
NEIGHBOURS = BiologyBesideNuisance(
    "mine", "raw", True, "perturbation", "plate", SHARE, 0.1, 0.1, SHARE, 0.1, 0.1, SHARE, 0.3, 0.5, 5, 200
)
CONCEPT = ConceptScore(
    Estimate(0.4, 0.3, 0.5, 200, 0.001, 0.002), "mine", "texture", True, "mesh", 0.5, ("shape",), encoding="encoded"
)
LAYER = LayerChoice("mine", *QUESTION, "mine@layer=3", 0.8, SHARE, 0.7, WIN, 0.01)

# kind, record, sentence; no sentence where the rule is silent
ROWS = [
    (
        "collapse",
        EmbeddingShape("mine", 9, 2, 0, finding="collapsed: 9 of 9 rows repeat earlier ones"),
        "the vectors of mine cannot be scored: collapsed: 9 of 9 rows repeat earlier ones.",
    ),
    ("collapse", EmbeddingShape("mine", 9, 2, 0), None),
    ("dominance", EmbeddingShape("mine", 9, 2, 0), None),
    (
        "dominance",
        EmbeddingShape("mine", 9, 2, 0, largest_feature="f_7", feature_share=0.9996, dominated_by="feature"),
        "feature 'f_7' holds at least 99% of the squared length of the vectors of mine: cosines of raw vectors show "
        "little else; post-processing that scales features, such as TVN, shows the others.",
    ),
    (
        "dominance",
        EmbeddingShape("mine", 9, 2, 0, relative_sd=0.001, dominated_by="common part"),
        "the vectors of mine share a large common part and differ by only 0.001 of their length: cosines of raw "
        "vectors compare distances, not the directions in which vectors differ; post-processing that centres vectors, "
        "such as TVN, compares directions.",
    ),
    (
        "dominance",
        EmbeddingShape("mine", 9, 2, 0, top_share=0.74, dominated_by="component"),
        "one principal component holds 74% of the variance of the vectors of mine: cosines of raw vectors mostly "
        "compare it; TVN scales down what varies as much among negative controls.",
    ),
    ("metric", RANGE, None),
    (
        "metric",
        replace(RANGE, grade="leaves little room"),
        "the metric leaves little room for improvement: the best baseline, cell-count at 0.95, leaves 5% of the range "
        "of the metric.",
    ),
    (
        "metric",
        replace(RANGE, grade="tells only gross differences", finest=0.75, headroom=0.5),
        "the metric distinguishes only gross differences: a copy of mine that lost 75% of its variance scores lower, "
        "one that lost 50% does not.",
    ),
    (
        "metric",
        replace(RANGE, grade="cannot tell", best_low=0.05),
        "the metric cannot distinguish encoders on these data: the best encoder, mine, is not distinguishable from "
        "chance (0.97, chance 0.10).",
    ),
    (
        "metric",
        replace(RANGE, **TOO_FEW, unit="movie", n_units=1, n_clusters=1, least_p=1.0, clusters_needed=6.0),
        "too few units to say what the metric can distinguish: "
        "with 1 movie, no p value can be below 1.000; at least 6 are needed.",
    ),
    (
        "metric",
        replace(RANGE, **TOO_FEW, unit="donor", n_units=4, n_clusters=4, least_p=0.125, clusters_needed=6.0),
        "too few units to say what the metric can distinguish: "
        "with 4 donors, no p value can be below 0.125; at least 6 are needed.",
    ),
    (
        "metric",
        replace(RANGE, **TOO_FEW, unit="donor", n_units=12, n_clusters=4, least_p=0.125, clusters_needed=6.0),
        "too few units to say what the metric can distinguish: "
        "with 12 donors in 4 independent groups, no p value can be below 0.125; at least 6 such groups are "
        "needed.",
    ),
    (
        "metric",
        replace(RANGE, **TOO_FEW, unit="donor", n_units=8, n_clusters=8, least_p=0.07, clusters_needed=9.0),
        "too few units to say what the metric can distinguish: "
        "with 8 donors, even a difference that is equal in all has p 0.070; at least 9 are needed.",
    ),
    (
        "metric",
        replace(RANGE, **TOO_FEW, unit="donor", n_units=9, n_clusters=9, least_p=0.004, clusters_needed=14.0),
        "too few units to say what the metric can distinguish: "
        "with 9 donors, mine at 0.97 is above chance (0.10), yet not distinguishable from a copy of itself "
        "that has lost all information; if others are like these, about 14 are needed.",
    ),
    (
        "metric",
        replace(RANGE, grade="cannot tell", finest=NAN),
        "the metric cannot distinguish encoders on these data: mine is not distinguishable from a copy of itself that "
        "has lost all information.",
    ),
    (
        "leak",
        SplitLeak(*QUESTION, "mine", "9 of 10 groups stand on both sides of the split", 0.9),
        "the random split leaks: 9 of 10 groups stand on both sides of the split; mine scores 0.90 on it, which says "
        "nothing about new groups. Split by group.",
    ),
    (
        "leak",
        SplitLeak(*QUESTION, "mine", "9 of 10 groups stand on both sides of the split", 0.9, 0.8, TIE),
        "the random split leaks: 9 of 10 groups stand on both sides of the split. mine scores 0.90 on it and 0.80 on "
        "unseen groups: +0.01 [-0.04, 0.06], an interval that includes zero.",
    ),
    (
        "no_baseline",
        NoBaseline(*QUESTION, ("mine", "yours")),
        "no baseline was scored beside mine, yours; a score without its baselines is no finding.",
    ),
    ("gain", replace(HELD, reference=""), None),
    ("gain", HELD, "mine beats the best baseline, cell-count: +0.10 [0.05, 0.15]; adjusted p 0.002."),
    (
        "gain",
        replace(HELD, estimate=LOSS, share_of_range=-0.1),
        "mine falls short of the best baseline, cell-count: -0.10 [-0.15, -0.05]; adjusted p 0.002.",
    ),
    (
        "gain",
        replace(HELD, estimate=TIE, encoder_above_chance=False),
        "mine is not significantly different from the best baseline, cell-count: +0.01 [-0.04, 0.06]; adjusted p "
        "0.600; mine is not distinguishable from chance.",
    ),
    (
        "gain",
        replace(HELD, encoder_above_chance=False),
        "mine cannot be ranked against the best baseline, cell-count: +0.10 [0.05, 0.15]; adjusted p 0.002; neither "
        "is distinguishable from chance.",
    ),
    (
        "gain",
        replace(HELD, estimate=ONE_UNIT),
        "mine cannot be compared with the best baseline, cell-count: they share only one unit.",
    ),
    (
        "gain_over_untrained",
        replace(
            HELD,
            baseline="untrained/vit",
            reference="best untrained network",
            seeds_low=0.08,
            seeds_high=0.12,
            share_of_range=0.2,
            over_counterpart=TIE,
        ),
        "mine beats the best untrained network, untrained/vit: +0.10 [0.05, 0.15] (+0.08 to +0.12 over its seeds), 20% "
        "of the range from chance to the ceiling; adjusted p 0.002; over its untrained counterpart +0.01 "
        "[-0.04, 0.06].",
    ),
    ("gain_over_untrained", HELD, None),
    (
        "baselines",
        BestBaseline(*QUESTION, "cell-count", 0.5, 0.1, ("well-position",), 3),
        "the best baseline is cell-count at 0.50 (chance 0.10); not distinguishable from it: well-position.",
    ),
    (
        "baselines",
        BestBaseline(*QUESTION, "cell-count", 0.5, 0.1, (), 3),
        "the best baseline is cell-count at 0.50 (chance 0.10); its difference to every other excludes zero.",
    ),
    (
        "baselines",
        BestBaseline(*QUESTION, "cell-count", 0.5, 0.1),
        "the best baseline is cell-count at 0.50 (chance 0.10).",
    ),
    (
        "activity",
        Activity(*QUESTION, "mine", 13, 60, 0.001, "cell-count", 12),
        "mine finds 13 of 60 perturbations active (false discovery rate 5%); the best baseline, cell-count, 12.",
    ),
    (
        "activity",
        Activity(*QUESTION, "mine", 0, 60, 0.1),
        "none of 60 perturbations can be called active by any encoder: with so few control wells the smallest possible "
        "adjusted p value is 0.1.",
    ),
    (
        "activity",
        Activity(*QUESTION, "mine", 0, 60, 0.001, fewest=9),
        "mine finds 0 of 60 perturbations active (false discovery rate 5%); fewer than 9 active ones cannot be found, "
        "as the labels of so few wells can be exchanged in too few ways.",
    ),
    (
        "nuisance",
        NuisanceReadout(*QUESTION, "mine", "the plate", "balanced accuracy", Estimate(0.6, 0.55, 0.65, 9), 0.5),
        "the plate can be predicted from mine: balanced accuracy 0.60 [0.55, 0.65], chance 0.50.",
    ),
    (
        "nuisance",
        NuisanceReadout(*QUESTION, "mine", "the plate", "balanced accuracy", Estimate(0.6, 0.45, 0.65, 9), 0.5),
        "the plate cannot be predicted better than by chance from mine: balanced accuracy 0.60 [0.45, 0.65], chance "
        "0.50.",
    ),
    (
        "nuisance",
        NuisanceReadout(*QUESTION, "mine", "the plate", "balanced accuracy", Estimate(0.6, 0.55, 0.65, 9, 0.05), 0.52),
        "the plate can be predicted from mine better than post-processing itself imprints it: balanced "
        "accuracy 0.60 [0.55, 0.65]; where it is permuted before post-processing, 0.52; p 0.050.",
    ),
    (
        "nuisance",
        NuisanceReadout(*QUESTION, "mine", "the plate", "balanced accuracy", Estimate(0.6, 0.55, 0.65, 9, 0.1), 0.58),
        "the plate cannot be shown to be predicted from mine better than post-processing itself imprints it: balanced "
        "accuracy 0.60 [0.55, 0.65]; where it is permuted before post-processing, 0.58; p 0.100.",
    ),
    (
        "nuisance",
        NuisanceReadout(*QUESTION, "mine", "the plate", "balanced accuracy", Estimate(0.6, 0.55, 0.65, 9, 0.05), 0.57),
        "the plate cannot be shown to be predicted from mine better than post-processing itself imprints it: balanced "
        "accuracy 0.60 [0.55, 0.65]; where it is permuted before post-processing, 0.57; p 0.050.",
    ),
    (
        "difference",
        PAIR,
        "mine beats yours: +0.10 [0.05, 0.15]; adjusted p 0.002; minimum detectable difference 0.023 (80% power).",
    ),
    (
        "difference",
        replace(PAIR, estimate=LOSS),
        "mine loses to yours: -0.10 [-0.15, -0.05]; adjusted p 0.002; minimum detectable difference 0.023 (80% power).",
    ),
    (
        "difference",
        replace(PAIR, better_is_above_chance=False),
        "mine cannot be ranked against yours: +0.10 [0.05, 0.15]; adjusted p 0.002; neither is distinguishable from "
        "chance; minimum detectable difference 0.023 (80% power).",
    ),
    (
        "difference",
        replace(PAIR, estimate=Estimate(0.0, 0.0, 0.0, 60, 1.0, 1.0), minimum_detectable=5.7e-17),
        "mine scores exactly as yours, on each of 60 units.",
    ),
    (
        "difference",
        replace(PAIR, estimate=Estimate(-0.2, -0.33, -0.07, 60, 0.012, 0.079)),
        "mine is not significantly different from yours: -0.20 [-0.33, -0.07]; adjusted p 0.079 (before adjustment "
        "0.012; the interval is not adjusted); minimum detectable difference 0.023 (80% power).",
    ),
    ("difference", replace(PAIR, estimate=Estimate()), "mine cannot be compared with yours: they share no unit."),
    (
        "robustness",
        NEIGHBOURS,
        "of the neighbours that share either the perturbation or the plate, but not both, 80% [70%, 90%] share the "
        "perturbation by mine; of random ones, 30% would.",
    ),
    ("robustness", replace(NEIGHBOURS, under_test=False), None),
    ("robustness", replace(NEIGHBOURS, robustness=Estimate()), None),
    (
        "concept",
        CONCEPT,
        "mine encodes texture, beyond what was measured of shape: best factor mesh, r 0.50; adjusted p 0.002.",
    ),
    (
        "concept",
        replace(CONCEPT, is_truth=True),
        "mine encodes texture, beyond shape: best factor mesh, r 0.50; adjusted p 0.002.",
    ),
    (
        "concept",
        replace(CONCEPT, beyond=("a", "b", "c", "d", "e"), counterpart_r=0.3, gain=WIN),
        "mine encodes texture, beyond what was measured of all other concepts: best factor mesh, r 0.50; better than "
        "its untrained counterpart, +0.10 [0.05, 0.15] on average; adjusted p 0.002.",
    ),
    (
        "concept",
        replace(CONCEPT, beyond=(), counterpart_r=0.3, gain=TIE),
        "mine encodes texture, with no other concept measured: best factor mesh, r 0.50; not significantly better than "
        "its untrained counterpart, +0.01 [-0.04, 0.06] on average; adjusted p 0.002.",
    ),
    ("concept", replace(CONCEPT, under_test=False), None),
    ("concept", replace(CONCEPT, encoding="weakly encoded"), None),
    (
        "concept_difference",
        ConceptDifference(LOSS, "texture", "mine", "yours", better_encodes_it=True),
        "yours encodes texture better than mine: +0.10 [0.05, 0.15] on average; adjusted p 0.002.",
    ),
    ("concept_difference", ConceptDifference(LOSS, "texture", "mine", "yours"), None),
    ("concept_difference", ConceptDifference(TIE, "texture", "mine", "yours", better_encodes_it=True), None),
    (
        "component",
        ExplainedVariance("mine", True, "density", 0.3, 0.1, 0.61, 0.4),
        "the first principal component of mine (40% of its variance) follows density, which explains 61% of it.",
    ),
    ("component", ExplainedVariance("mine", True, "density", 0.3, 0.1, 0.61, 0.1), None),
    ("component", ExplainedVariance("mine", True, "density", 0.3, 0.1, 0.4, 0.4), None),
    ("component", ExplainedVariance("mine", False, "density", 0.3, 0.1, 0.61, 0.4), None),
    (
        "layer",
        replace(LAYER, chosen="mine"),
        "no other layer or pooling is better than mine as it comes, which was chosen in 80% of random halves of the "
        "units.",
    ),
    (
        "layer",
        LAYER,
        "mine@layer=3, chosen in 80% of random halves of the units, is better than mine as it comes on the other "
        "halves: +0.10 [0.05, 0.15]; chosen and reported on the same units, it would look +0.010 better than it is.",
    ),
]


@pytest.mark.parametrize(("kind", "record", "sentence"), ROWS)
def test_a_rule_says_of_a_record(kind, record, sentence):
    said = [verdict.claim for verdict in judge(Evidence((record,))) if verdict.kind == kind]
    assert said == ([] if sentence is None else [sentence])


def left(value, low, high, p=0.0001, **named):
    estimate = Estimate(value, low, high, 60, p, p)
    return {"estimate": estimate, "encoder": "mine", "task": QUESTION[0], "profiling": QUESTION[1]} | named


def without(way, value, low, high, after, **named):
    row = left(value, low, high, under_test=True, before=0.5, after=after, chance=0.1) | named
    return WithoutShortcut(**{"shortcut": "cell count", "way": way, "retrieval": True} | row)


def after(intervention, value, low, high, p=0.0001, **named):
    row = left(value, low, high, p, under_test=True, before=0.5, after=0.2, chance=0.1) | named
    return AfterIntervention(**row, intervention=intervention)


def gain(stratum, value, low, high, by="strength"):
    estimate = Estimate(value, low, high, 20)
    return StratumGain("mine", "cell-count", *QUESTION, by, stratum, 0.5, 0.4, 0.1, estimate)


def concept(name, encoding, r):
    return replace(CONCEPT, concept=name, encoding=encoding, best_r=r)


TOGETHER = [
    (
        "shortcut",
        (
            without("matched", 0.5, 0.4, 0.6, 0.3),
            without("regressed out", 0.25, 0.2, 0.3, 0.2, fit="all"),
            without("left out", 1.0, 0.9, 1.1, 0.5, estimate=Estimate(1.0, 0.9, 1.1, 60, 0.9, 0.9)),
            without("left out", NAN, NAN, NAN, 0.5),
        ),
        "how much cell count explains of what mine scores above chance depends on how it is taken away: 75% [70%, 80%] "
        "when regressed out, with everything that correlates with it (0.50 becomes 0.20) and 50% [40%, 60%] when "
        "matched (0.50 among as many candidates becomes 0.30), but 0% [-10%, 10%] when left out (0.50 among as many "
        "candidates becomes 0.50); adjusted p below 0.001. A regression on all rows also takes away biology that goes "
        "with cell count.",
    ),
    (
        "shortcut",
        (
            without("matched", 0.5, 0.4, 0.6, 0.3),
            without("left out", 0.7, 0.5, 0.9, 0.4, estimate=Estimate(0.7, 0.5, 0.9, 60, 0.2, 0.2)),
        ),
        "cell count explains 50% [40%, 60%] when matched (0.50 among as many candidates becomes 0.30) of what mine "
        "scores above chance, and 30% [10%, 50%] when left out (0.50 among as many candidates becomes 0.40); adjusted "
        "p below 0.001.",
    ),
    ("shortcut", (without("matched", 0.95, 0.92, 0.98, 0.48),), None),  # a few hundredths are no explanation
    ("shortcut", (without("matched", 0.5, 0.4, 0.6, 0.3, estimate=Estimate(0.5, 0.4, 0.6, 60, 0.1, 0.1)),), None),
    (
        "ablation",
        (
            after("no-nuclei", 0.1, 0.05, 0.2),
            after("turn", 0.98, 0.9, 1.05, 0.4),
            after("blur:1", 0.8, 0.4, 1.3, 0.3),
            after("flip", NAN, NAN, NAN, NAN),
        ),
        "the score of mine falls after no-nuclei (10% [5%, 20%] left); is kept after turn (98% [90%, 105%] left).",
    ),
    ("ablation", (after("flip", NAN, NAN, NAN, NAN),), None),
    ("ablation", (after("flip", 0.1, 0.05, 0.2, under_test=False),), None),
    (
        "ablation",
        (after("blur:1", 0.8, 0.4, 1.3, 0.3),),
        "the score of mine neither falls nor is certainly kept after any intervention.",
    ),
    (
        "strong_phenotypes_only",
        (gain("weak", 0.0, -0.1, 0.1), gain("strong", 0.3, 0.2, 0.4)),
        "mine gains over cell-count on the strongest third of the phenotypes, +0.30 [0.20, 0.40], but not "
        "significantly on the weakest, 0.00 [-0.10, 0.10].",
    ),
    # Only less is known of the weak ones.
    ("strong_phenotypes_only", (gain("weak", 0.3, -0.1, 0.6), gain("strong", 0.3, 0.2, 0.4)), None),
    ("strong_phenotypes_only", (gain("strong", 0.3, 0.2, 0.4),), None),
    ("strong_phenotypes_only", (gain("weak", 0, -0.1, 0.1, "dose"), gain("strong", 0.3, 0.2, 0.4, "dose")), None),
    (
        "concepts_not_detected",
        (CONCEPT, concept("density", "weakly encoded", 0.15), concept("shape", "not detected", 0.5)),
        "mine weakly encodes density (r 0.15); it holds no detectable information about shape beyond batches, "
        "treatments and other concepts.",
    ),
    (
        "concepts_not_detected",
        (replace(concept("acquisition", "not detected", 0.01), of_first_component=0.8),),
        "mine holds no detectable information about acquisition beyond batches, treatments and other concepts; its "
        "first component follows acquisition (80%), but not beyond these.",
    ),
    (
        "component",
        tuple(
            ExplainedVariance("mine", True, block, 0.3, 0.1, share, 0.74)
            for block, share in (("treatment", 0.81), ("batch", 0.92), ("density", 0.3), ("acquisition", 0.91))
        ),
        "the first principal component of mine (74% of its variance) follows one of these, which cannot be told apart "
        "here: batch (92% of it) and acquisition (91% of it).",
    ),
    (
        "component",
        tuple(
            ExplainedVariance("mine", True, block, 0.3, 0.1, share, 0.74)
            for block, share in (("treatment", 0.61), ("density", 0.8), ("batch", 0.7))
        ),
        "the first principal component of mine (74% of its variance) follows density, which explains 80% of it.",
    ),
    (
        "profiling_changes_answer",
        (
            ProfilingDifference(WIN, QUESTION[0], "tvn", "mine", 0.19, 0.29),
            replace(HELD, estimate=TIE),
            replace(HELD, profiling="tvn"),
        ),
        "mine scores 0.19 with raw vectors and 0.29 after tvn: +0.10 [0.05, 0.15], adjusted p 0.002; raw, it is not "
        "significantly different from the best baseline, cell-count; after tvn, it beats the best one, cell-count.",
    ),
    (
        "profiling_changes_answer",
        (ProfilingDifference(TIE, QUESTION[0], "tvn", "mine", 0.19, 0.2), HELD, replace(HELD, profiling="tvn")),
        None,
    ),
    ("concepts_not_detected", (CONCEPT,), None),
    ("concepts_not_detected", (CONCEPT, concept("shape", "not assessed", 0.1)), None),
    (
        "concepts_not_assessed",
        (
            CONCEPT,
            replace(concept("density", "not assessed", 0.1), left=0.03),
            replace(concept("shape", "not assessed", 0.1), reliability=0.041),
            replace(concept("intensity", "not assessed", 0.34), better_read=("texture",), r_beyond_better=0.021),
        ),
        "whether mine encodes these concepts could not be assessed: density: other concepts explain all but 3% of it "
        "in wells that are treated alike; shape: what is left of it beyond other concepts is mostly measurement error "
        "(reliability 0.04); intensity: what is read of it may be what is read better, texture (r 0.34, and 0.02 "
        "beyond what is read of these).",
    ),
    (
        "concepts_not_assessed",
        (CONCEPT, replace(concept("shape", "not assessed", 0.4), better_read=("texture", "density"))),
        "whether mine encodes these concepts could not be assessed: shape: what is read of it may be what is read "
        "better, texture and density (r 0.40, and too few wells are left to read it beyond these).",
    ),
    ("concepts_not_assessed", (CONCEPT, concept("shape", "not detected", 0.1)), None),
    ("concepts_not_assessed", (replace(concept("shape", "not assessed", 0.1), under_test=False),), None),
]


@pytest.mark.parametrize(("kind", "records", "sentence"), TOGETHER)
def test_a_rule_says_of_records_together(kind, records, sentence):
    said = [verdict.claim for verdict in judge(Evidence(records)) if verdict.kind == kind]
    assert said == ([] if sentence is None else [sentence])


def test_every_rule_has_rows_that_speak_and_their_kinds_and_titles_are_unique():
    spoken = {kind for kind, _, sentence in [*ROWS, *TOGETHER] if sentence is not None}
    assert spoken == {rule.kind for rule in RULES}
    assert len({rule.title for rule in RULES}) == len(RULES)


def test_a_verdict_holds_the_numbers_that_its_sentence_rests_on():
    (win,) = judge(Evidence((HELD,)))
    assert (win.effect, win.low, win.high, win.p_adjusted) == (0.1, 0.05, 0.15, 0.002)
    assert (win.encoder, win.baseline, win.task, win.profiling) == ("mine", "cell-count", *QUESTION)
    (explained,) = judge(Evidence(TOGETHER[0][1]))
    assert_allclose((explained.effect, explained.low, explained.high), (0.75, 0.7, 0.8))
    (readable,) = judge(Evidence((ROWS_BY_KIND["nuisance"],)))
    assert_allclose((readable.effect, readable.low, readable.high), (0.1, 0.05, 0.15))


ROWS_BY_KIND = {kind: record for kind, record, sentence in reversed(ROWS) if sentence is not None}


def test_what_calls_scores_into_question_comes_first():
    records = tuple(ROWS_BY_KIND.values())
    said = [verdict.kind for verdict in judge(Evidence(records[::-1]))]
    assert said[:3] == ["collapse", "metric", "leak"]
    assert said == [rule.kind for rule in RULES if rule.kind in said]


def test_the_table_in_the_docs_is_the_table_of_rules():
    page = (Path(__file__).parents[2] / "docs" / "diagnosis.md").read_text()
    assert rules_table() in page, "run `python -m phenolens.diagnosis.rules` and paste its table"


def test_sentences_end_and_hold_no_missing_numbers():
    for verdict in judge(Evidence(tuple(record for _, record, _ in ROWS))):
        assert verdict.claim.endswith(".")
        assert not re.search(r"\bnan\b|None", verdict.claim), verdict.claim


def test_evidence_survives_its_way_through_plain_data():
    evidence = Evidence(control_claims([record for _, record, _ in ROWS]))
    again = Evidence.from_dict(evidence.as_dict())
    assert [verdict.claim for verdict in judge(again)] == [verdict.claim for verdict in judge(evidence)]
    assert np.isnan(again.of(BestBaseline)[0].value) == np.isnan(evidence.of(BestBaseline)[0].value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({}, "lacks its records"),
        ({"records": [], "skipped": []}, "lacks its records"),
        ({"records": {"made_up": []}, "skipped": []}, "records 'made_up', which are not known"),
        ({"records": {"no_baseline": [{"task": "t"}]}, "skipped": []}, "no_baseline.0.profiling: Field required"),
        ({"records": {"no_baseline": "text"}, "skipped": []}, "no_baseline"),
        ({"records": {}, "skipped": [{"part": 3}]}, "skipped.0"),
    ],
)
def test_damaged_evidence_is_refused_in_one_line(content, said):
    with pytest.raises(PhenolensError) as refused:
        Evidence.from_dict(content)
    assert said in str(refused.value)
    assert "run the study again" in str(refused.value)
    assert "\n" not in str(refused.value)
