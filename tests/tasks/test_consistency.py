"""Phenotypic consistency: several labels per perturbation, chance, calibration, refusals."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from numpy.testing import assert_allclose

from phenolens.core.errors import TaskNotApplicable
from phenolens.tasks import make_task


def wells(rng, labels, effect=0.0, n_replicates=2, **columns):
    """Compounds, of which those with the same first label share a direction."""
    first = pd.Categorical([str(label).split("|")[0] for label in labels]).codes
    centre = rng.normal(size=(len(labels), 8)) + effect * rng.normal(size=(first.max() + 1, 8))[first]
    x = np.repeat(centre, n_replicates, axis=0)
    obs = pd.DataFrame(
        {
            "perturbation": np.repeat([f"c{i}" for i in range(len(labels))], n_replicates),
            "moa": np.repeat(np.array(labels, dtype=object), n_replicates),
            **columns,
        },
        index=[f"w{i}" for i in range(len(x))],
    )
    return AnnData((x + 0.1 * rng.normal(size=x.shape)).astype("f4"), obs=obs)


TASK = make_task("phenotypic-consistency", label="moa", n_permutations=199)


def test_mechanisms_are_found_where_there_are_some():
    rng = np.random.default_rng(0)
    labels = [f"m{i % 10}" for i in range(50)]
    score = TASK.score(wells(rng, labels, effect=3.0), rng)
    assert score.n_units == 10
    assert score.value > 0.6
    assert score.chance < 0.2
    assert (score.units["p"] <= 0.05).mean() > 0.8
    assert score.details[""]["replicate_ceiling"] > 0.9


def test_a_constant_embedding_scores_chance_and_p_one():
    rng = np.random.default_rng(1)
    data = wells(rng, [f"m{i % 4}|n{i % 3}" for i in range(24)])
    data.X = np.ones_like(data.X)
    score = TASK.score(data, rng)
    assert_allclose(score.value, score.chance)
    assert (score.units["p"] == 1).all()


def test_replicates_of_one_compound_are_no_evidence():
    """Two wells of a compound are alike; as one profile they cannot pass for two compounds that agree."""
    rng = np.random.default_rng(2)
    score = TASK.score(wells(rng, [f"m{i % 10}" for i in range(60)], n_replicates=4), rng)
    assert abs(score.value - score.chance) < 0.1


def test_p_holds_its_level_on_noise_with_several_labels():
    rng = np.random.default_rng(3)
    p = []
    for _ in range(12):
        labels = ["|".join(f"m{i}" for i in sorted({*rng.integers(25, size=2)})) for _ in range(60)]
        p += TASK.score(wells(rng, labels), rng).units["p"].tolist()
    assert 0.02 <= np.mean(np.array(p) <= 0.05) <= 0.085


def test_missing_labels_and_lonely_ones_are_left_out_in_the_open():
    rng = np.random.default_rng(4)
    score = TASK.score(wells(rng, ["a", "a", "b", "b", None, "c"]), rng)
    assert score.units["unit"].tolist() == ["a", "b"]
    assert "2 of 12 rows have no value in 'moa' and are left out" in score.caveat
    assert "1 labels with a single perturbation left out" in score.caveat


def test_refusals():
    rng = np.random.default_rng(5)
    with pytest.raises(TaskNotApplicable, match="none of 3 labels has two perturbations"):
        TASK.score(wells(rng, ["a", "b", "c"]), rng)
    with pytest.raises(TaskNotApplicable, match="column 'moa' is empty"):
        TASK.score(wells(rng, [None, None, None]), rng)
    data = wells(rng, ["a", "b"])
    del data.obs["moa"]
    with pytest.raises(TaskNotApplicable, match="no column 'moa'"):
        TASK.score(data, rng)
    data = wells(rng, ["a", "a", "b"])
    data.obs["moa"] = ["a", "b", "a", "a", "b", "b"]
    with pytest.raises(TaskNotApplicable, match="different values of 'moa' in different rows"):
        TASK.score(data, rng)


def on_plates(rng, label, plate, offset=1.0, effect=0.0):
    """Compounds in two wells of one plate each; plates have an offset, and labels a direction if there is an effect."""
    x = offset * rng.normal(size=(plate.max() + 1, 8))[plate] + effect * rng.normal(size=(label.max() + 1, 8))[label]
    x = np.repeat(x + rng.normal(size=x.shape), 2, axis=0)
    obs = pd.DataFrame(
        {
            "perturbation": np.repeat([f"c{i}" for i in range(len(label))], 2),
            "moa": np.repeat([f"m{i}" for i in label], 2),
            "plate": np.repeat([f"p{i}" for i in plate], 2),
        },
        index=[f"w{i}" for i in range(len(x))],
    )
    return AnnData((x + 0.1 * rng.normal(size=x.shape)).astype("f4"), obs=obs)


def test_a_plate_per_label_is_said_and_never_significant():
    rng = np.random.default_rng(6)
    label = np.arange(40) % 8
    score = TASK.score(on_plates(rng, label, label, offset=3.0), rng)
    assert "8 of 8 labels go with plates" in score.caveat
    assert score.value > 0.9
    assert score.chance == pytest.approx(score.value)  # of perturbations of the same plates, there are no others
    assert (score.units["p"] == 1).all()


def test_plates_that_hold_most_of_a_label_do_not_make_it_significant():
    rng = np.random.default_rng(7)
    p = []
    for _ in range(15):
        label = np.arange(64) % 8
        plate = np.where(rng.random(64) < 0.7, label % 4, rng.integers(4, size=64))
        p += TASK.score(on_plates(rng, label, plate), rng).units["p"].tolist()
    assert np.mean(np.array(p) <= 0.05) <= 0.1


def test_labels_are_found_within_plates_and_where_plates_are_dealt_at_random():
    rng = np.random.default_rng(8)
    label = np.arange(64) % 8
    for plate in (np.arange(64) // 16, rng.permutation(64) // 2):
        score = TASK.score(on_plates(rng, label, plate, offset=0.5, effect=3.0), rng)
        assert (score.units["p"] <= 0.05).mean() > 0.8
        assert "go with plates" not in score.caveat
