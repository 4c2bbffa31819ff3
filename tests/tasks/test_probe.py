"""Probes: what they find, what leaks, what they never see, and refusals."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from numpy.testing import assert_allclose
from sklearn.neighbors import KNeighborsClassifier

from phenolens.core.errors import PhenolensError, TaskNotApplicable
from phenolens.tasks import make_splits, make_task
from phenolens.tasks.classifiers import predict_nearest
from phenolens.tasks.split import straddling

PROBES = ["linear-probe", "knn-probe"]


def cells(rng, n_groups=30, per_group=12, d=10, effect=0.0, group_effect=0.0):
    """Rows of groups that each hold one of three classes."""
    group = np.repeat(np.arange(n_groups), per_group)
    label = group % 3
    x = rng.normal(size=(len(group), d))
    x[np.arange(len(x)), label] += effect
    x += group_effect * rng.normal(size=(n_groups, d))[group]
    obs = pd.DataFrame(
        {"label": [f"class {i}" for i in label], "group": [f"g{i}" for i in group]},
        index=[str(i) for i in range(len(x))],
    )
    return AnnData(x.astype("f4"), obs=obs)


def score(task, data, **options):
    return make_task(task, label="label", group="group", **options).score(data, np.random.default_rng(0))


@pytest.mark.parametrize("task", PROBES)
def test_finds_a_class_that_is_there(task):
    result = score(task, cells(np.random.default_rng(0), effect=3))
    assert result.value > 0.85
    assert_allclose(result.chance, 1 / 3)
    assert result.n_units == 30
    assert result.unit == "group"
    assert result.caveat == ""


def test_what_each_class_is_taken_for_is_counted():
    """Two classes that look alike are taken for each other, the third for itself; the diagonal is what is right."""
    data = cells(np.random.default_rng(0), effect=4)
    data.X[:, 1] += data.X[:, 0]
    data.X[:, 0] = 0
    found = score("knn-probe", data).confusion
    assert list(found.index) == list(found.columns) == ["class 0", "class 1", "class 2"]
    assert found.to_numpy().sum() == len(data)
    assert found.loc["class 2", "class 2"] > 110
    assert 30 < found.loc["class 0", "class 1"] < 90
    by_class = np.diag(found) / found.sum(axis=1)
    assert score("knn-probe", data).value == pytest.approx(by_class.mean())


@pytest.mark.parametrize("task", PROBES)
def test_groups_that_differ_look_like_classes_to_a_random_split_alone(task):
    data = cells(np.random.default_rng(1), group_effect=2)
    grouped, random = score(task, data), score(task, data, split="random")
    low, high = grouped.interval(np.random.default_rng(0))
    assert low < 1 / 3
    assert random.value > max(high, 0.5)
    assert random.caveat == "leaking: 30 of 30 groups are on both sides of the split"


@pytest.mark.parametrize("task", PROBES)
def test_permuted_labels_score_chance(task):
    rng = np.random.default_rng(2)
    values = []
    for _ in range(8):
        data = cells(rng, effect=0)
        values.append(score(task, data).value)
    assert abs(np.mean(values) - 1 / 3) < 4 * np.std(values) / np.sqrt(len(values))


def test_value_is_the_balanced_accuracy_of_the_units():
    result = score("knn-probe", cells(np.random.default_rng(3), effect=1))
    units = result.units
    per_class = units.groupby("stratum").apply(
        lambda rows: np.average(rows["value"], weights=rows["weight"]), include_groups=False
    )
    assert_allclose(result.value, per_class.mean())
    assert units["weight"].sum() == 360


def test_the_test_rows_play_no_part_in_training():
    """Labels of one fold are changed: the predictions for that fold must stay as they were."""
    rng = np.random.default_rng(4)
    data = cells(rng, effect=1)
    probe = make_task("linear-probe", label="label", group="group")
    y = data.obs["label"].astype("category").cat.codes.to_numpy().astype(int)
    splits = make_splits(y, data.obs["group"].to_numpy(), kind="grouped", folds=5, seed=0)
    before = probe._predict(data.X, y, splits[:1])[splits[0].test]
    changed = y.copy()
    changed[splits[0].test] = rng.integers(3, size=len(splits[0].test))
    assert (probe._predict(data.X, changed, splits[:1])[splits[0].test] == before).all()


def test_splits_cover_every_row_once_and_grouped_ones_do_not_straddle():
    rng = np.random.default_rng(5)
    groups = rng.integers(20, size=200)
    labels = groups % 2
    for kind in ("grouped", "random"):
        splits = make_splits(labels, groups, kind=kind, folds=4, seed=0)
        assert sorted(np.concatenate([split.test for split in splits])) == list(range(200))
        assert all(not set(split.train) & set(split.test) for split in splits)
        assert bool(straddling(splits, groups)) == (kind == "random")


def test_nearest_neighbours_equal_scikit_learn():
    rng = np.random.default_rng(6)
    x, y, test = rng.normal(size=(80, 5)), rng.integers(4, size=80), rng.normal(size=(40, 5))
    predicted = predict_nearest(x, y, test, (1, 500))
    nearest = KNeighborsClassifier(1, metric="cosine").fit(x, y).predict(test)
    assert (predicted[0] == nearest).all()
    votes = np.bincount(y)
    assert (votes[predicted[1]] == votes.max()).all()


def test_without_a_group_rows_are_the_units():
    data = cells(np.random.default_rng(7), effect=3, n_groups=9)
    result = make_task("linear-probe", label="label").score(data, np.random.default_rng(0))
    assert result.unit == "row"
    assert result.n_units == data.n_obs
    assert result.caveat == ""


def test_a_class_of_one_group_is_left_out_in_the_open():
    data = cells(np.random.default_rng(8), effect=3)
    label = data.obs["label"].to_numpy().copy()
    label[data.obs["group"] == "g3"] = "lonely"
    data.obs["label"] = label
    result = score("linear-probe", data)
    assert "left out: lonely" in result.caveat
    assert "lonely" not in set(result.units["stratum"])


def test_says_why_it_cannot_be_asked():
    data = cells(np.random.default_rng(9), n_groups=4)
    with pytest.raises(TaskNotApplicable, match="needs at least two classes with 4 rows in two groups, found 1 of 3"):
        score("linear-probe", data)
    with pytest.raises(TaskNotApplicable, match="no column 'lable'; did you mean 'label'"):
        make_task("linear-probe", label="lable").score(data, np.random.default_rng(0))


def test_unknown_tasks_and_options():
    with pytest.raises(PhenolensError, match="did you mean 'linear-probe'"):
        make_task("linear-prob", label="label")
    with pytest.raises(PhenolensError, match="option 'label': field required"):
        make_task("linear-probe")
    with pytest.raises(PhenolensError, match="option 'split'"):
        make_task("linear-probe", label="label", split="by movie")


def labelled(rng, n=240, d=12, gap=1.0):
    kind, group = np.arange(n) % 3, np.arange(n) % 12
    x = rng.normal(size=(n, d)) + gap * np.eye(3, d)[kind]
    obs = pd.DataFrame({"kind": [f"k{i}" for i in kind], "movie": [f"m{i}" for i in group]})
    obs.index = [f"r{i}" for i in range(n)]
    return AnnData(x.astype("f4"), obs=obs)


@pytest.mark.parametrize("task", ["linear-probe", "ridge-probe", "knn-probe"])
def test_more_shots_teach_more(task):
    rng = np.random.default_rng(20)
    data = labelled(rng, gap=2.0)
    curve = [make_task(task, label="kind", shots=shots).score(data, rng).value for shots in (1, 5, 40)]
    assert curve[0] < curve[2]
    assert curve[2] > 0.7


def test_ridge_and_logistic_agree_on_what_is_plain():
    rng = np.random.default_rng(21)
    data = labelled(rng, gap=6.0)
    for task in ("ridge-probe", "linear-probe"):
        assert make_task(task, label="kind", group="movie").score(data, rng).value > 0.95


def test_principal_components_bring_encoders_to_one_size():
    rng = np.random.default_rng(22)
    data = labelled(rng, d=60)
    data.X = data.X + 2 * np.tile(np.eye(3)[np.arange(240) % 3], 20)
    task = make_task("linear-probe", label="kind", pca=5)
    assert task.id == "linear-probe:kind|PCA 5"
    assert task.score(data, rng).value > 0.8
    assert make_task("linear-probe", label="kind", pca=500).score(data, rng).value > 0.8


def test_rows_without_a_label_are_left_out_in_the_open():
    rng = np.random.default_rng(23)
    data = labelled(rng)
    data.obs["kind"] = data.obs["kind"].astype(object).where(np.arange(240) > 9, None)
    score = make_task("linear-probe", label="kind").score(data, rng)
    assert "10 of 240 rows have no value in 'kind' and are left out" in score.caveat
    assert score.n_units == 230


@pytest.mark.parametrize("task", PROBES)
def test_folds_are_lowered_to_the_number_of_groups_in_the_open(task):
    data = cells(np.random.default_rng(9), n_groups=6, effect=6)
    result = score(task, data, folds=9)
    assert result.folds == 6
    assert result.caveat == "6 folds instead of 9: there are 6 groups by group"
    assert result.value == score(task, data, folds=6).value > 0.8


def test_the_least_rows_of_a_class_are_an_option():
    data = cells(np.random.default_rng(10), n_groups=9, effect=3)
    few = data[(data.obs["label"] != "class 2") | data.obs_names.isin(["24", "25", "60", "61"])]
    assert "left out: class 2" in score("knn-probe", few).caveat
    assert score("knn-probe", few, least_rows=4).caveat == ""
    with pytest.raises(PhenolensError, match="option 'least_rows'"):
        score("knn-probe", few, least_rows=1)


def compounds(rng, *, plates=3, n=24, classes=4, effect=2.0):
    """Compounds with a phenotype each, twice on every plate; mechanisms are dealt to them at random."""
    compound = np.tile(np.repeat(np.arange(n), 2), plates)
    plate = np.repeat(np.arange(plates), 2 * n)
    mechanism = rng.permutation(np.arange(n) % classes)[compound]
    x = effect * rng.normal(size=(n, 12))[compound] + rng.normal(size=(len(plate), 12))
    obs = pd.DataFrame(
        {
            "perturbation": [f"c{i}" for i in compound],
            "plate": [f"p{i}" for i in plate],
            "moa": [f"m{i}" for i in mechanism],
        },
        index=[f"w{i}" for i in range(len(plate))],
    )
    return AnnData(x.astype("f4"), obs=obs)


@pytest.mark.parametrize("group", [None, "plate", "perturbation"])
def test_mechanisms_dealt_to_compounds_at_random_score_chance(group):
    rng = np.random.default_rng(11)
    task = make_task("knn-probe", label="moa", group=group)
    values = [task.score(compounds(rng), rng).value for _ in range(12)]
    assert abs(np.mean(values) - 0.25) < 0.06


def test_a_compound_on_both_sides_is_named_as_a_leak():
    rng = np.random.default_rng(12)
    data = compounds(rng)
    for options in ({"split": "random"}, {"group": "plate", "keep_together": False}, {"keep_together": False}):
        leaking = make_task("knn-probe", label="moa", **options)
        result = leaking.score(data, rng)
        assert result.value > 0.6
        assert result.caveat.startswith("leaking: 24 of 24 perturbations are on both sides of the split")
        assert result.unit == "perturbation"
        honest = leaking.grouped().score(data, rng)
        assert honest.leak is None
        assert set(honest.units["unit"]) <= set(result.units["unit"])


def test_what_is_kept_together_is_said():
    rng = np.random.default_rng(13)
    data = compounds(rng)
    alone = make_task("knn-probe", label="moa").score(data, rng)
    assert alone.caveat == "no perturbation is on both sides of the split, for 'moa' belongs to each perturbation"
    crossed = make_task("knn-probe", label="moa", group="plate").score(data, rng)
    assert "neither perturbation nor plate is on both sides of the split" in crossed.caveat
    assert (alone.n_units, crossed.n_units) == (24, 24)
    assert crossed.folds == 2  # 4/5 of the compounds on 2/3 of the plates: 53 % of rows are trained on


def test_crossed_splits_share_neither_group_and_test_each_row_once():
    data = compounds(np.random.default_rng(14))
    sides = make_task("knn-probe", label="moa", group="plate").sides(data.obs)
    splits = sides.split(np.unique(data.obs["moa"], return_inverse=True)[1], 0)
    assert len(splits) == 15
    assert sorted(np.concatenate([split.test for split in splits])) == list(range(data.n_obs))
    for column in ("perturbation", "plate"):
        assert straddling(splits, data.obs[column].to_numpy()) == set()


def test_a_mechanism_that_compounds_share_is_still_found():
    rng = np.random.default_rng(15)
    data = compounds(rng, effect=0.5)
    data.X = data.X + 6 * np.eye(4, 12)[np.unique(data.obs["moa"], return_inverse=True)[1]].astype("f4")
    for group in (None, "plate"):
        assert make_task("ridge-probe", label="moa", group=group).score(data, rng).value > 0.9


def test_a_wrong_label_does_not_let_compounds_straddle():
    rng = np.random.default_rng(16)
    data = compounds(rng)
    data.obs.loc[["w0", "w20"], "moa"] = "m0"
    assert make_task("knn-probe", label="moa").score(data, rng).unit == "perturbation"


def test_labels_that_differ_within_compounds_are_split_as_named():
    rng = np.random.default_rng(17)
    data = compounds(rng)
    data.obs["phase"] = rng.choice(["G1", "G2"], data.n_obs)
    result = make_task("knn-probe", label="phase", group="plate").score(data, rng)
    assert (result.unit, result.caveat) == ("plate", "3 folds instead of 5: there are 3 groups by plate")


def test_labels_that_rename_perturbations_say_so():
    rng = np.random.default_rng(18)
    data = compounds(rng)
    data.obs["name"] = data.obs["perturbation"] + " x"
    result = make_task("knn-probe", label="name").score(data, rng)
    assert result.value > 0.6
    assert result.caveat == "each class is one perturbation, which may be recognised instead of 'name'"
    assert make_task("knn-probe", label="perturbation").score(data, rng).caveat == ""


def test_classes_that_cannot_be_asked_of_unseen_compounds_are_refused_with_a_way_out():
    rng = np.random.default_rng(19)
    data = compounds(rng)
    data.obs["kind"] = np.where(data.obs["perturbation"] == "c0", "control", "treated")
    task = make_task("knn-probe", label="kind")
    with pytest.raises(TaskNotApplicable, match="in two perturbations, found 1 of 2; keep_together: false lets a pert"):
        task.score(data, rng)
    assert make_task("knn-probe", label="kind", keep_together=False).score(data, rng).leak.total == 24


def test_without_a_group_patients_and_wells_are_kept_together():
    rng = np.random.default_rng(20)
    data = compounds(rng).copy()
    data.obs = data.obs.rename(columns={"perturbation": "patient"})
    assert make_task("knn-probe", label="moa").score(data, rng).unit == "patient"
    sites = compounds(rng).copy()
    sites.obs["well"] = "B02"
    sites.obs["plate"] = sites.obs["plate"] + sites.obs["perturbation"]
    score_of_name = make_task("knn-probe", label="perturbation").score(sites, rng)
    assert score_of_name.unit == "well"
