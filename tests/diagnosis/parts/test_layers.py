"""Choices among variants whose truth is known."""

import numpy as np
import pandas as pd
import pytest
from made_up import evaluation_of, scored
from numpy.testing import assert_allclose

from phenolens.diagnosis.parts.layers import choose_on_held_out, layer_variants
from phenolens.encoders import EncoderName
from phenolens.tasks import Score, make_task

RETRIEVAL = make_task("replicate-retrieval")
NAME = "timm/test_vit@mixing=joint"
LAYERS = layer_variants(NAME, range(1, 11), ["mean"])


def answer(encoder, values, order=1):
    units = pd.DataFrame({"unit": [f"u{i}" for i in range(len(values))], "stratum": "", "value": values})
    score = Score("mAP", "perturbation", units.assign(weight=1.0, chance=0.1, p=0.5, p_adjusted=0.5), order=order)
    return scored(encoder, score, RETRIEVAL)


def found(values, seed=0, **score):
    """Return what is found of a network and its variants, whose values are the rows of a table."""
    scores = [answer(name, row, **score) for name, row in zip([NAME, *LAYERS], values, strict=False)]
    return choose_on_held_out(evaluation_of(*scores, seed=seed), {NAME: LAYERS})


def choose(values, seed=0, **score):
    """Return the choice, which is the only thing found."""
    result = found(values, seed, **score)
    assert result.skipped == ()
    (choice,) = result.records
    return choice


def reason(result):
    """Return why nothing was chosen."""
    assert result.records == ()
    (skipped,) = result.skipped
    assert (skipped.part, skipped.encoder) == ("layers", NAME)
    assert (skipped.task, skipped.profiling) == (RETRIEVAL.id, "raw")
    return skipped.reason


def test_names_of_layers_keep_the_options_of_the_network():
    names = layer_variants(NAME, [2, 6], ["mean", "class"])
    assert len(names) == len(set(names)) == 4
    assert names[1] == "timm/test_vit@mixing=joint,layer=2,pool=class"
    assert EncoderName.parse(names[-1]).options == (("mixing", "joint"), ("layer", "6"), ("pool", "class"))


def test_the_best_of_many_alike_is_no_better_than_they_are_on_other_units():
    value, optimism, naive, covered = [], [], [], []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        choice = choose(0.5 + rng.normal(0, 0.1, (11, 40)), seed)
        value.append(choice.estimate.value)
        optimism.append(choice.optimism)
        naive.append(choice.estimate.value + choice.optimism)
        covered.append(choice.estimate.low <= 0.5 <= choice.estimate.high)
    error = np.std(value) / np.sqrt(len(value))
    assert abs(np.mean(value) - 0.5) < 3 * error
    assert np.mean(naive) - 0.5 > 5 * error
    assert min(optimism) > 0
    assert np.mean(covered) > 0.85


def test_the_score_of_each_layer_on_all_units_is_kept():
    values = np.arange(11.0)[:, None] / 20 + np.zeros(40)
    choice = choose(values)
    assert choice.variants == (NAME, *LAYERS)
    assert choice.scores == pytest.approx(values[:, 0])


def test_one_that_is_clearly_best_is_chosen_and_beats_the_network_as_it_comes():
    values = 0.5 + np.random.default_rng(0).normal(0, 0.05, (11, 60))
    values[4] += 0.2
    choice = choose(values)
    assert (choice.encoder, choice.chosen) == (NAME, LAYERS[3])
    assert choice.share >= 0.95
    assert_allclose(choice.estimate.value, values[4].mean())  # chosen each time, so that each unit has this value
    assert_allclose(choice.as_it_comes, values[0].mean())
    assert_allclose(choice.gain.value, values[4].mean() - values[0].mean())
    assert 0.1 < choice.gain.low < choice.gain.value < choice.gain.high
    assert choice.optimism == pytest.approx(0, abs=1e-12)
    assert choice.estimate.n_units == choice.gain.n_units == 60


def test_a_choice_is_never_scored_on_the_units_that_made_it():
    # Each variant is 1 on one unit and 0 elsewhere: whatever is chosen was so for a unit that it has seen.
    choice = choose(np.vstack([np.zeros(10), np.eye(10)]))
    assert choice.estimate.value == 0
    assert_allclose(choice.optimism, 0.1)


def test_classes_are_strata_of_the_choice():
    units = [f"u{i}" for i in range(20)] * 2
    strata = np.repeat(["many", "few"], 20)
    weight = np.where(strata == "many", 99.0, 1.0)

    def probe(name, many, few):
        table = pd.DataFrame({"unit": units, "stratum": strata, "value": np.where(strata == "many", many, few)})
        score = Score("balanced accuracy", "movie", table.assign(weight=weight, chance=0.5, p=0.5, p_adjusted=0.5))
        return scored(name, score, RETRIEVAL)

    # By weight alone the network itself would win; classes count the same.
    scores = [probe(NAME, 0.9, 0.0), probe(LAYERS[0], 0.8, 0.6)]
    (choice,) = choose_on_held_out(evaluation_of(*scores), {NAME: LAYERS[:1]}).records
    assert choice.chosen == LAYERS[0]
    assert_allclose([choice.estimate.value, choice.as_it_comes], [0.7, 0.45])


def test_what_cannot_be_chosen_from_is_skipped():
    values = np.random.default_rng(0).uniform(size=(3, 7))
    assert reason(found(values)) == "needs at least 8 independent units to halve them, found 7"
    assert reason(found(values[:1])) == "no other layer or pooling of the network was scored"
    without = evaluation_of(answer(LAYERS[0], values[0]), answer(LAYERS[1], values[1]))
    assert reason(choose_on_held_out(without, {NAME: LAYERS})) == "the network as it comes was not scored"


def test_pairs_of_units_have_a_caveat():
    values = np.random.default_rng(0).uniform(size=(3, 20))
    assert "may lie in different halves" in choose(values, order=2).caveat
    assert choose(values).caveat == ""


def test_numbers_do_not_change():
    values = np.random.default_rng(0).uniform(size=(4, 30))
    assert choose(values) == choose(values)
