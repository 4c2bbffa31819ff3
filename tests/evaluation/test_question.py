"""What follows from the scores of one question: means over seeds, references, and who is distinguishable from whom."""

import numpy as np
import pytest
from made_up import evaluation_of, scored
from numpy.testing import assert_allclose

from phenolens.tasks import Leak, Score, make_task
from phenolens.tasks.score import unit_table

TASK = make_task("replicate-retrieval")


def score(encoder, values, *, leak=None, higher_is_better=True, low=0.2):
    units = unit_table([f"u{i}" for i in range(len(values))], values, chance=0.1, p=0.5)
    found = Score("mAP", "perturbation", units, leak=leak, higher_is_better=higher_is_better)
    return scored(encoder, found, TASK, low=low, high=0.9)


@pytest.fixture
def values():
    return np.random.default_rng(0).uniform(0.3, 0.7, 40)


def question_of(*scores):
    (question,) = evaluation_of(*scores).questions.values()
    return question


def test_the_score_and_the_values_of_an_encoder_are_means_over_its_seeds(values):
    jitter = np.random.default_rng(1).normal(0, 0.05, 40)
    question = question_of(
        score("untrained/resnet18@seed=0", values + jitter), score("untrained/resnet18@seed=1", values - jitter)
    )
    (mean,) = question.means
    assert mean.encoder == "untrained/resnet18"
    assert_allclose(mean.value, values.mean())
    assert_allclose(np.sort(question.values["untrained/resnet18"]["value"]), np.sort(values))
    assert question.one_seed["untrained/resnet18"].info.seed == 0


def test_references_are_the_best_baseline_and_the_best_untrained_network(values):
    scores = [
        score("mine", values),
        score("cell-count", values - 0.1),
        score("untrained/resnet18@seed=0", values - 0.2),
        score("untrained/vit_small_patch16@seed=0", values - 0.3),
    ]
    question = question_of(*scores)
    assert question.references == ["cell-count", "untrained/resnet18"]
    assert [each.encoder for each in question.tested] == ["mine"]
    assert [each.encoder for each in question.reported] == ["mine"]
    assert question_of(*scores[:1], *scores[2:]).references == ["untrained/resnet18"]  # it is the best of both kinds
    assert question_of(scores[0]).references == []
    assert [each.encoder for each in question_of(*scores[1:]).reported] == ["cell-count"]


def test_claims_need_a_split_without_leaks_and_a_score_that_speaks_for_an_encoder(values):
    assert question_of(score("mine", values)).supports_claims
    assert not question_of(score("mine", values, leak=Leak(9, 10))).supports_claims
    assert not question_of(score("mine", values, higher_is_better=False)).supports_claims


def test_above_chance_is_the_mean_limit_of_all_seeds(values):
    def above(*lows):
        seeds = [score(f"untrained/resnet18@seed={seed}", values, low=low) for seed, low in enumerate(lows)]
        return question_of(*seeds).is_above_chance("untrained/resnet18")

    assert above(0.11)
    assert not above(0.09)
    assert above(0.09, 0.13)  # on average 0.01 above chance
    assert not above(0.09, 0.1)


def test_limits_of_the_best_allow_for_its_having_been_picked(values):
    one = question_of(score("mine", values)).best_of_many
    of_many = question_of(score("mine", values), *(score(f"untrained/net{i}", values - 0.2) for i in range(9)))
    assert_allclose(of_many.best_of_many.value, values.mean())
    assert of_many.best_of_many.low < one.low < one.high < of_many.best_of_many.high


def test_a_difference_is_paired_and_turns_with_its_order(values):
    question = question_of(score("mine", values + 0.05), score("cell-count", values))
    found = question.difference("mine", "cell-count").estimate
    turned = question.difference("cell-count", "mine").estimate
    assert_allclose((found.value, found.low, found.high), 0.05, atol=1e-9)
    assert_allclose((turned.value, turned.low, turned.high), -0.05, atol=1e-9)
    assert found.p < 0.001
    assert np.isnan(question.difference("mine", "cell-count", with_p=False).estimate.p)
