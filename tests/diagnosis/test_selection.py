"""Choices among variants whose truth is known."""

import numpy as np
import pandas as pd
import pytest
from made_up import evaluation_of, scored
from numpy.testing import assert_allclose

from phenolens.diagnosis.where.selection import choose_on_held_out, layer_variants
from phenolens.encoders import EncoderName
from phenolens.tasks import Score, make_task

RETRIEVAL = make_task("replicate-retrieval")
NAME = "timm/test_vit@mixing=joint"
LAYERS = layer_variants(NAME, range(1, 11), ["mean"])


def answer(encoder, values, order=1):
    units = pd.DataFrame({"unit": [f"u{i}" for i in range(len(values))], "stratum": "", "value": values})
    score = Score("mAP", "perturbation", units.assign(weight=1.0, chance=0.1, p=0.5, p_adjusted=0.5), order=order)
    return scored(encoder, score, RETRIEVAL)


def choose(values, seed=0, **score):
    """Return the row on a network and its variants, whose values are the rows of a table."""
    answers = [answer(name, own, **score) for name, own in zip([NAME, *LAYERS], values, strict=False)]
    return choose_on_held_out(evaluation_of(*answers), {NAME: LAYERS}, seed=seed).squeeze(axis=0)


def test_names_of_layers_keep_the_options_of_the_network():
    names = layer_variants(NAME, [2, 6], ["mean", "class"])
    assert len(names) == len(set(names)) == 4
    assert names[1] == "timm/test_vit@mixing=joint,layer=2,pool=class"
    assert EncoderName.parse(names[-1]).options == (("mixing", "joint"), ("layer", "6"), ("pool", "class"))


def test_the_best_of_many_alike_is_no_better_than_they_are_on_other_units():
    value, optimism, naive, covered = [], [], [], []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        row = choose(0.5 + rng.normal(0, 0.1, (11, 40)), seed)
        value.append(row["value"])
        optimism.append(row["optimism"])
        naive.append(row["value"] + row["optimism"])
        covered.append(row["low"] <= 0.5 <= row["high"])
    error = np.std(value) / np.sqrt(len(value))
    assert abs(np.mean(value) - 0.5) < 3 * error
    assert np.mean(naive) - 0.5 > 5 * error
    assert min(optimism) > 0
    assert np.mean(covered) > 0.85


def test_one_that_is_clearly_best_is_chosen_and_beats_the_last():
    values = 0.5 + np.random.default_rng(0).normal(0, 0.05, (11, 60))
    values[4] += 0.2
    row = choose(values)
    assert row["chosen"] == LAYERS[3]
    assert row["share"] >= 0.95
    assert_allclose(row["value"], values[4].mean())  # chosen each time, so that each unit has this value
    assert_allclose(row["last"], values[0].mean())
    assert_allclose(row["difference"], values[4].mean() - values[0].mean())
    assert 0.1 < row["difference_low"] < row["difference"] < row["difference_high"]
    assert row["optimism"] == pytest.approx(0, abs=1e-12)


def test_a_choice_is_never_scored_on_the_units_that_made_it():
    # Each variant is 1 on a unit of its own and 0 elsewhere: whatever is chosen was so for a unit that it has seen.
    row = choose(np.vstack([np.zeros(10), np.eye(10)]))
    assert row["value"] == 0
    assert_allclose(row["optimism"], 0.1)


def test_classes_are_strata_of_the_choice():
    units = [f"u{i}" for i in range(20)] * 2
    strata = np.repeat(["many", "few"], 20)
    weight = np.where(strata == "many", 99.0, 1.0)

    def probe(name, many, few):
        table = pd.DataFrame({"unit": units, "stratum": strata, "value": np.where(strata == "many", many, few)})
        score = Score("balanced accuracy", "movie", table.assign(weight=weight, chance=0.5, p=0.5, p_adjusted=0.5))
        return scored(name, score, RETRIEVAL)

    # By weight alone the network itself would win; classes count the same.
    answers = [probe(NAME, 0.9, 0.0), probe(LAYERS[0], 0.8, 0.6)]
    row = choose_on_held_out(evaluation_of(*answers), {NAME: LAYERS[:1]}).squeeze(axis=0)
    assert row["chosen"] == LAYERS[0]
    assert_allclose([row["value"], row["last"]], [0.7, 0.45])


def test_what_cannot_be_chosen_from_is_said():
    values = np.random.default_rng(0).uniform(size=(3, 7))
    assert choose(values)["caveat"] == "7 units are too few to be halved; 8 are not"
    alone = choose(values[:1])
    assert alone["caveat"] == "1 of its variants could be asked; its own vectors and one other are needed"
    assert np.isnan(alone["value"])
    pairs = choose(np.random.default_rng(0).uniform(size=(3, 20)), order=2)
    assert "may lie in different halves" in pairs["caveat"]


def test_numbers_do_not_change():
    values = np.random.default_rng(0).uniform(size=(4, 30))
    pd.testing.assert_series_equal(choose(values), choose(values))
