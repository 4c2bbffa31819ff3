"""False claims are controlled over the whole card."""

from dataclasses import replace

import numpy as np
import pytest
from made_up import evaluation_of, scored
from numpy.testing import assert_allclose
from scipy.stats import norm

from phenolens.diagnosis import compare_scores
from phenolens.diagnosis.inference import adjust_in_families, control_claims
from phenolens.diagnosis.records import (
    AfterIntervention,
    BaselineDifference,
    Claim,
    ConceptDifference,
    ConceptScore,
    EmbeddingShape,
    EncoderDifference,
    ExplainedVariance,
    WithoutShortcut,
)
from phenolens.evaluation import Estimate
from phenolens.metrics import benjamini_hochberg
from phenolens.tasks import Score, make_task
from phenolens.tasks.score import unit_table

pytestmark = pytest.mark.usefixtures("scores_alone")

QUESTION = ("replicate-retrieval", "raw")


def estimate(p, value=0.1):
    return Estimate(value, value - 0.05, value + 0.05, 60, p)


def against(baseline, p, value=0.1, **named):
    return BaselineDifference(estimate(p, value), *QUESTION, "mine", baseline, **named)


def concept(name, p, r=0.5, encoder="mine", *, under_test=None, **named):
    under_test = encoder == "mine" if under_test is None else under_test
    return ConceptScore(estimate(p), encoder, name, under_test, "factor", r, **named)


def adjusted(*records):
    return [each.estimate.p_adjusted if isinstance(each, Claim) else None for each in control_claims(records)]


def test_claims_are_adjusted_in_the_families_that_they_belong_to():
    left = Estimate(0.5, 0.4, 0.6, 60, 0.03)
    matched = WithoutShortcut(left, *QUESTION, "mine", True, 0.5, 0.3, 0.1, "cell count", "matched")
    records = (
        EmbeddingShape("mine", 9, 2, 0),
        against("cell-count", 0.01, reference="best baseline"),
        EncoderDifference(estimate(0.02), *QUESTION, "mine", "yours"),
        AfterIntervention(left, *QUESTION, "mine", True, 0.5, 0.3, 0.1, "blur"),
        concept("texture", 0.04),
        ConceptDifference(estimate(0.05), "texture", "mine", "yours"),
        matched,
        concept("shape", 0.001, encoder="yours", under_test=True),
    )
    families = ["baselines", "pair", "interventions", "mine", "pair", "shortcuts", "yours"]
    expected = adjust_in_families(np.array([0.01, 0.02, 0.03, 0.04, 0.05, 0.03, 0.001]), families)
    assert_allclose(adjusted(*records)[1:], expected)


def made_at(level, p, families):
    """The procedure of Benjamini and Bogomolov, literally: which claims are made at a level."""

    def step_up(values, at):
        passing = [rank for rank, value in enumerate(sorted(values), 1) if value <= at * rank / len(values)]
        limit = at * max(passing, default=0) / len(values)
        return [bool(passing) and value <= limit for value in values]

    names = sorted(set(families))
    members = {name: [i for i, family in enumerate(families) if family == name] for name in names}
    simes = [min(len(m) * value / rank for rank, value in enumerate(sorted(p[m]), 1)) for m in members.values()]
    selected = step_up(simes, level)
    made = np.zeros(len(p), dtype=bool)
    for name, is_selected in zip(names, selected, strict=True):
        if is_selected:
            made[members[name]] = step_up(p[members[name]], level * sum(selected) / len(names))
    return made


@pytest.mark.parametrize("seed", range(20))
def test_adjusted_p_values_are_the_levels_at_which_claims_are_made(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 25))
    p = rng.random(n) ** rng.integers(1, 6)
    families = rng.integers(5, size=n).tolist()
    found = adjust_in_families(p, families)
    for level in [0.01, 0.05, 0.2, *np.unique(found) * (1 + 1e-9), *np.unique(found) * (1 - 1e-9)]:
        if level < 1:
            assert (found <= level).tolist() == made_at(level, p, families).tolist()


def test_one_family_is_adjusted_as_benjamini_and_hochberg_do_and_nan_is_ignored():
    p = np.array([0.01, np.nan, 0.04, 0.03])
    assert_allclose(adjust_in_families(p, ["a"] * 4), benjamini_hochberg(p))
    assert_allclose(adjust_in_families(p, ["a", "b", "a", "a"]), benjamini_hochberg(p))
    assert adjust_in_families(np.array([]), []).size == 0


def test_what_is_true_elsewhere_does_not_lend_a_noise_encoder_concepts():
    rng = np.random.default_rng(4)
    true = [against("cell-count", 1e-6, reference="best baseline") for _ in range(8)]
    said = 0
    for _ in range(400):
        noise = [concept(f"level{i}", p, 0.1, "noise", under_test=True) for i, p in enumerate(rng.random(6))]
        found = control_claims([*true, *noise])
        said += any(isinstance(each, ConceptScore) and each.encoding != "not detected" for each in found)
    assert said / 400 <= 0.075  # 0.05 and two standard errors; one adjustment over all: 0.2


def test_what_the_interval_does_not_exclude_is_not_claimed():
    wide = BaselineDifference(
        Estimate(-0.18, -0.42, 0.06, 6, 0.023), *QUESTION, "mine", "cell-count", reference="best baseline"
    )
    (p,) = adjusted(wide)
    assert_allclose(p, 2 * norm.sf(0.18 / 0.24 * 1.959964), rtol=1e-5)
    narrow = Estimate(-0.18, -0.32, -0.06, 6, 0.023)
    assert adjusted(replace(wide, estimate=narrow)) == [0.023]


def test_what_is_only_described_is_neither_adjusted_nor_counted():
    described = (
        against("well-position", 0.001),
        AfterIntervention(estimate(0.001), *QUESTION, "twin/mine", False, 0.5, 0.3, 0.1, "blur"),
        concept("shape", 0.001, encoder="twin/mine"),
    )
    found = adjusted(against("cell-count", 0.04, reference="best baseline"), *described)
    assert found[0] == 0.04
    assert np.isnan(found[1:]).all()


def test_what_has_no_p_value_does_not_count():
    unknown = EncoderDifference(Estimate(n_units=1), *QUESTION, "mine", "yours")
    found = adjusted(against("cell-count", 0.04, reference="best baseline"), unknown)
    assert found[0] == 0.04
    assert np.isnan(found[1])


def test_falling_short_of_the_best_of_many_takes_the_p_value_that_none_is_better():
    best = against("cell-count", 0.01, -0.1, reference="best baseline")
    equals = [against(f"baseline-{number}", p, value) for number, (p, value) in enumerate([(0.5, -0.01), (0.6, 0.02)])]
    # Simes: the least of 3 * 0.01 / 1, 3 * 0.5 / 2 and 3 * 1 / 3.
    assert_allclose(adjusted(best, *equals)[0], 0.03)
    assert_allclose(adjusted(against("cell-count", 0.01, 0.1, reference="best baseline"), *equals)[0], 0.01)


def test_falling_short_of_untrained_networks_counts_these_alone():
    best = against("untrained/vit", 0.01, -0.1, reference="best untrained network", untrained=True)
    other = against("untrained/resnet18", 0.5, -0.01, untrained=True)
    assert_allclose(adjusted(best, other, against("cell-count", 0.5, -0.01))[0], 0.02)


@pytest.mark.parametrize(
    ("p", "r", "encoding"),
    [
        (0.01, 0.5, "encoded"),
        (0.01, 0.3, "encoded"),
        (0.01, 0.25, "weakly encoded"),
        (0.01, -0.3, "not detected"),
        (0.2, 0.5, "not detected"),
    ],
)
def test_concepts_are_encoded_by_effect_and_adjusted_p(p, r, encoding):
    (found,) = control_claims([concept("texture", p, r)])
    assert found.encoding == encoding
    (counterpart,) = control_claims([concept("texture", p, r, encoder="twin/mine")])
    assert counterpart.encoding == encoding  # of its p value, as it is


@pytest.mark.parametrize(
    ("p", "r", "left", "reliability", "encoding"),
    [
        (0.01, 0.16, 0.5, 0.25, "encoded"),  # no more than 0.5 could be reached
        (0.01, 0.14, 0.5, 0.25, "weakly encoded"),
        (0.01, 0.9, 0.01, np.nan, "encoded"),
        (0.01, 0.05, 0.5, 0.0, "weakly encoded"),
        (0.2, 0.5, 0.09, np.nan, "not assessed"),
        (0.2, 0.5, 0.5, 0.09, "not assessed"),
        (0.2, 0.5, 0.1, 0.1, "not detected"),
    ],
)
def test_correlations_are_held_against_what_can_be_reached(p, r, left, reliability, encoding):
    (found,) = control_claims([replace(concept("texture", p, r), left=left, reliability=reliability)])
    assert found.encoding == encoding


def test_a_concept_that_the_first_component_follows_is_marked():
    component = ExplainedVariance("mine", True, "texture", 0.5, 0.0, 0.8, 0.4)
    assert control_claims([concept("texture", 0.5), component])[0].of_first_component == 0.8
    small = replace(component, first_component=0.1)
    assert np.isnan(control_claims([concept("texture", 0.5), small])[0].of_first_component)


def test_one_encoder_is_better_in_a_concept_that_it_encodes():
    difference = ConceptDifference(estimate(0.001), "texture", "mine", "yours")
    assert control_claims([concept("texture", 0.01), difference])[1].better_encodes_it
    assert not control_claims([concept("texture", 0.01, 0.1), difference])[1].better_encodes_it
    assert not control_claims([concept("shape", 0.01), difference])[1].better_encodes_it


def score(encoder, values, task):
    found = Score("mAP", "perturbation", unit_table([f"u{i}" for i in range(len(values))], values, chance=0.1, p=0.5))
    low, high = found.interval(np.random.default_rng(0))
    return scored(encoder, found, task, low=low, high=high)


def gains(*scores):
    return [verdict for verdict in compare_scores(evaluation_of(*scores)).verdicts if verdict.kind == "gain"]


RETRIEVAL = make_task("replicate-retrieval")


@pytest.mark.integration
def test_two_equal_encoders_are_rarely_called_different():
    rng = np.random.default_rng(3)
    called = 0
    for _ in range(200):
        truth = rng.uniform(0.3, 0.7, 40)
        (gain,) = gains(*(score(name, truth + rng.normal(0, 0.1, 40), RETRIEVAL) for name in ("mine", "cell-count")))
        called += gain.p_adjusted <= 0.05
    assert called / 200 <= 0.08


@pytest.mark.integration
def test_an_equal_of_many_baselines_rarely_falls_short_of_the_best_of_them():
    rng = np.random.default_rng(8)
    names = ["mine", *(f"untrained/net{number}" for number in range(12))]
    said = []
    for _ in range(60):
        truth = rng.uniform(0.3, 0.7, 40)
        said += gains(*(score(name, truth + rng.normal(0, 0.1, 40), RETRIEVAL) for name in names))
    assert sum("falls short" in gain.claim for gain in said) <= 4
    assert np.mean([gain.effect < 0 for gain in said]) > 0.8  # the best of many looks better than its equals


@pytest.mark.integration
def test_false_claims_are_controlled_over_all_questions():
    rng = np.random.default_rng(5)
    truth = rng.uniform(0.3, 0.7, 40)
    questions = [make_task("linear-probe", label=f"kind{number}", group="movie") for number in range(20)]
    called = 0
    for _ in range(5):
        scores = []
        for task in questions:
            scores += [score(name, truth + rng.normal(0, 0.1, 40), task) for name in ("mine", "cell-count")]
        called += any(gain.p_adjusted <= 0.05 for gain in gains(*scores))
    assert called <= 1  # 20 questions each: without the adjustment nearly every card would claim something


def test_a_concept_of_one_factor_is_not_encoded_where_its_own_interval_holds_zero():
    within, of_mean = Estimate(0.2, -0.05, 0.45, 60, 0.01), Estimate(0.1, -0.05, 0.25, 60, 0.01)
    one = ConceptScore(within, "mine", "density", True, "nuclei_count", 0.2)
    several = ConceptScore(of_mean, "mine", "shape", True, "factor", 0.2)  # the p value is that of the best of them
    found = [
        each.estimate.p_adjusted for each in control_claims([replace(one, encoder="a"), replace(several, encoder="b")])
    ]
    assert found[0] > 0.1
    assert found[1] <= 0.02
