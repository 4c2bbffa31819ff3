"""Replicate retrieval: value, units, chance, calibration after profiling, and refusals."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from numpy.testing import assert_allclose
from sklearn.metrics import average_precision_score

from phenolens.core.errors import TaskNotApplicable
from phenolens.profiling import profile
from phenolens.tasks import make_task


def screen(x, role, perturbation, **columns):
    obs = pd.DataFrame({"role": role, "perturbation": perturbation, **columns}, index=[f"w{i}" for i in range(len(x))])
    return AnnData(np.asarray(x, dtype="f4"), obs=obs)


def noise(rng, n_controls, n_treated, d, rank=None):
    """Wells among which no perturbation does anything, replicated four times."""
    rank = rank or d
    x = rng.normal(size=(n_controls + n_treated, rank)) @ rng.normal(size=(rank, d))
    role = ["negative_control"] * n_controls + ["treatment"] * n_treated
    return screen(x, role, ["dmso"] * n_controls + [f"p{i // 4}" for i in range(n_treated)])


def test_value_equals_scikit_learn_query_by_query():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(14, 5))
    role = ["negative_control"] * 6 + ["treatment"] * 8
    wells = screen(x, role, ["dmso"] * 6 + list("aaabbbcd"), plate=["1", "2"] * 7)
    score = make_task("replicate-retrieval").score(wells, rng)
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    expected = {}
    for name, members in {"a": [6, 7, 8], "b": [9, 10, 11]}.items():
        aps = []
        for query in members:
            others = [m for m in members if m != query]
            controls = [c for c in range(6) if c % 2 == query % 2]
            relevance = [1] * len(others) + [0] * len(controls)
            aps.append(average_precision_score(relevance, unit[others + controls] @ unit[query]))
        expected[name] = np.mean(aps)
    assert_allclose(score.units.set_index("unit")["value"], pd.Series(expected), rtol=1e-6)
    assert_allclose(score.value, np.mean(list(expected.values())), rtol=1e-6)
    assert "2 perturbations could not be scored, e.g. c" in score.caveat


def test_labels_that_can_be_exchanged_in_more_ways_than_a_float_holds():
    rng, plates = np.random.default_rng(1), 130
    names = ["dmso"] * 8 + ["poscon"] * 4
    role = ["negative_control"] * 8 + ["positive_control"] * 4
    plate = np.repeat([f"p{i}" for i in range(plates)], len(names))
    wells = screen(rng.normal(size=(len(plate), 3)), role * plates, names * plates, plate=plate)
    task = make_task("replicate-retrieval", n_permutations=20)
    score = task.score(wells, rng)
    assert score.details[""]["least_p"] == 0  # one of 495 ** 130
    assert score.details[""]["least_p_adjusted"] == 1 / 21
    assert 1 / 21 <= score.units["p"].item() <= 1


@pytest.mark.parametrize("measures", ["activity", "distinctiveness"])
def test_a_constant_embedding_scores_exactly_chance(measures):
    wells = noise(np.random.default_rng(1), 8, 16, 3)
    wells.X = np.ones_like(wells.X)
    score = make_task("replicate-retrieval", measures=measures).score(wells, np.random.default_rng(0))
    assert_allclose(score.value, score.chance)


def test_a_strong_perturbation_is_found_and_inactive_ones_are_not():
    rng = np.random.default_rng(2)
    wells = noise(rng, 20, 84, 10)
    wells.X[20:24] += 30
    score = make_task("replicate-retrieval").score(wells, rng)
    units = score.units.set_index("unit")
    assert units.loc["p0", "value"] == 1.0
    assert units.loc["p0", "p_adjusted"] < 0.02
    # Of twenty inactive ones, more than four below 0.05 have a chance of 0.3 %.
    assert (units.drop("p0")["p"] <= 0.05).sum() <= 4
    low, high = score.interval(rng)
    assert low < score.value < high


@pytest.mark.parametrize(("exchange_with", "n_controls"), [("controls", 2), ("controls", 40), ("treatments", 40)])
def test_the_least_p_that_controls_allow_is_that_of_a_perfect_perturbation(exchange_with, n_controls):
    rng = np.random.default_rng(3)
    wells = noise(rng, n_controls, 12, 10)
    wells.X[n_controls : n_controls + 4] += 30
    score = make_task("replicate-retrieval", exchange_with=exchange_with).score(wells, rng)
    least = score.details[""]["least_p"]
    assert least - 1e-12 <= score.units["p"].min()
    # With two controls all labellings are enumerated; else 2,400 are drawn at most.
    assert_allclose(score.units["p"].min(), max(least, 1 / 2401), rtol=0.2)
    assert_allclose(score.details[""]["least_p_adjusted"], max(least, 1 / 2001))


def test_the_least_adjusted_p_is_of_all_perturbations():
    rng = np.random.default_rng(4)
    wells = noise(rng, 3, 14, 10)
    wells.obs["perturbation"] = [*["dmso"] * 3, *np.repeat(list("abcde"), 2), *["f"] * 4]
    score = make_task("replicate-retrieval", exchange_with="controls").score(wells, rng)
    # Two wells take the places of two of five in 10 ways, four in 35: adjusted, one of six at 1/35 is no better.
    assert_allclose(score.details[""]["least_p_adjusted"], 0.1)


def test_doses_are_perturbations_of_their_own():
    x = np.random.default_rng(3).normal(size=(8, 3))
    role = ["negative_control"] * 4 + ["treatment"] * 4
    wells = screen(x, role, ["dmso"] * 4 + ["drug"] * 4, dose=[None] * 4 + [0.5, 0.5, 2, 2], dose_unit="uM")
    score = make_task("replicate-retrieval").score(wells, np.random.default_rng(0))
    assert score.units["unit"].tolist() == ["drug 0.5 uM", "drug 2 uM"]


@pytest.mark.filterwarnings("ignore::phenolens.core.errors.PhenolensWarning")
@pytest.mark.parametrize("how", ["raw", "pca-centre-scale", "tvn"])
@pytest.mark.parametrize(("n_controls", "d", "rank"), [(12, 100, 100), (12, 100, 8), (48, 20, 20)])
def test_p_values_hold_their_level_on_noise_after_every_profiling(how, n_controls, d, rank):
    """Fitting a profiler on the very controls that are ranked would call up to 76 % of these active."""
    rng = np.random.default_rng(4)
    task = make_task("replicate-retrieval", n_permutations=199)
    p, gain = [], []
    for seed in range(15):
        wells = noise(rng, n_controls, 80, d, rank)
        score = task.score(profile(wells, how, hold_out=True, seed=seed), rng)
        p += score.units["p"].tolist()
        gain.append(score.value - score.chance)
    assert 0.015 <= np.mean(np.array(p) <= 0.05) <= 0.095
    assert abs(np.mean(gain)) < 4 * np.std(gain) / np.sqrt(len(gain))


def test_profiling_on_the_ranked_controls_would_not_hold_the_level():
    rng = np.random.default_rng(5)
    wells = noise(rng, 12, 80, 100)
    with pytest.warns(UserWarning, match="12 negative controls"):
        dipped = profile(wells, "tvn")
    score = make_task("replicate-retrieval", n_permutations=199).score(dipped, rng)
    assert np.mean(score.units["p"] <= 0.05) > 0.3


def test_distinctiveness_needs_no_controls():
    wells = noise(np.random.default_rng(6), 0, 16, 4)
    del wells.obs["role"]
    score = make_task("replicate-retrieval", measures="distinctiveness").score(wells, np.random.default_rng(0))
    assert score.n_units == 4
    assert score.units["p"].between(0, 1).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"role": "treatment"}, "no row has role 'negative_control'"),
        ({"perturbation": [f"p{i}" for i in range(12)]}, "none of 8 perturbations"),
        ({"plate": ["1"] * 4 + ["2"] * 8}, "controls on their plates"),
        ({"perturbation": [None] * 12}, "row 'w4' has no value in column 'perturbation'"),
    ],
)
def test_says_why_it_cannot_be_asked(change, message):
    wells = noise(np.random.default_rng(7), 4, 8, 3)
    wells.obs = wells.obs.assign(**change)
    with pytest.raises(TaskNotApplicable, match=message):
        make_task("replicate-retrieval").score(wells, np.random.default_rng(0))


def test_missing_columns_are_named():
    wells = noise(np.random.default_rng(8), 4, 8, 3)
    wells.obs = wells.obs.rename(columns={"perturbation": "perturbations"})
    with pytest.raises(TaskNotApplicable, match="did you mean 'perturbations'"):
        make_task("replicate-retrieval").score(wells, np.random.default_rng(0))
    del wells.obs["role"]
    with pytest.raises(TaskNotApplicable, match="no column"):
        make_task("replicate-retrieval").score(wells, np.random.default_rng(0))


def plates_with_controls_at_the_rim(rng, shift):
    """Two 96-well plates whose outer columns hold the controls and look different, without any effect of treatments."""
    rows = []
    for plate in ("p1", "p2"):
        inner = rng.permutation([(row, column) for row in range(8) for column in range(1, 11)])
        rows += [(plate, "negative_control", "dmso", row, column) for row in range(8) for column in (0, 11)]
        rows += [(plate, "treatment", f"t{i // 2}", *place) for i, place in enumerate(inner[:60])]
    obs = pd.DataFrame(rows, columns=["plate", "role", "perturbation", "row", "column"])
    obs["well"] = ["ABCDEFGH"[row] + f"{column + 1:02d}" for row, column in zip(obs["row"], obs["column"], strict=True)]
    x = rng.normal(size=(len(obs), 6))
    x[:, 0] += shift * (obs["role"] == "treatment")
    return screen(
        x,
        obs["role"].to_numpy(),
        obs["perturbation"].to_numpy(),
        plate=obs["plate"].to_numpy(),
        well=obs["well"].to_numpy(),
    )


def test_a_shift_of_layout_is_no_activity():
    """Labels exchanged with controls that stand apart would call a quarter of inactive perturbations active."""
    rng = np.random.default_rng(9)
    careful = make_task("replicate-retrieval", n_permutations=199)
    careless = make_task("replicate-retrieval", n_permutations=199, exchange_with="controls")
    wells = [plates_with_controls_at_the_rim(rng, 3.0) for _ in range(12)]
    scores = [careful.score(data, rng) for data in wells]
    assert 0.01 <= np.mean(np.concatenate([score.units["p"] for score in scores]) <= 0.05) <= 0.09
    assert np.mean(np.concatenate([careless.score(data, rng).units["p"] for data in wells]) <= 0.05) > 0.12
    assert "controls stand apart" in scores[0].caveat
    assert "exchange_with=controls would assume that position has no effect" in scores[0].caveat


def test_p_of_distinctiveness_holds_its_level():
    rng = np.random.default_rng(10)
    task = make_task("replicate-retrieval", measures="distinctiveness", n_permutations=199)
    p = np.concatenate([task.score(noise(rng, 0, 80, 10), rng).units["p"] for _ in range(20)])
    assert 0.02 <= np.mean(p <= 0.05) <= 0.085


def on_plates(rng, offset, n_controls=8, n_plates=4, n_perturbations=24, d=16):
    """Return noise on plates with an offset each, and one well of each perturbation on each."""
    wells = [("negative_control", "dmso")] * n_controls
    wells += [("treatment", f"t{i}") for i in range(n_perturbations)]
    role, perturbation = zip(*wells * n_plates, strict=True)
    plate = np.repeat([f"p{i}" for i in range(n_plates)], len(wells))
    offsets = np.repeat(offset * rng.normal(size=(n_plates, d)), len(wells), axis=0)
    return screen(rng.normal(size=(len(plate), d)) + offsets, list(role), list(perturbation), plate=plate)


@pytest.mark.filterwarnings("ignore::phenolens.core.errors.PhenolensWarning")
@pytest.mark.parametrize("measures", ["activity", "distinctiveness"])
@pytest.mark.parametrize(("how", "offset"), [("raw", 1.0), ("batch-centre", 0.0), ("raw", 0.0)])
def test_chance_is_what_noise_scores(measures, how, offset):
    """A random order would score 0.42 where noise with an offset of each plate scores 0.21."""
    rng = np.random.default_rng(11)
    task = make_task("replicate-retrieval", measures=measures, n_permutations=49)
    above, normalised, below = [], [], 0
    for seed in range(10):
        wells = profile(on_plates(rng, offset), how, hold_out=task.needs_controls, seed=seed)
        score = task.score(wells, rng)
        above.append(score.value - score.chance)
        normalised.append(score.normalised)
        below += score.interval(rng)[1] < score.chance
    assert abs(np.mean(above)) < 0.015
    assert abs(np.mean(normalised)) < 0.03
    assert below <= 4


def test_units_that_are_perfect_are_one_however_many_controls_they_are_ranked_before():
    rng = np.random.default_rng(12)
    wells = screen(
        rng.normal(size=(40, 12)),
        ["negative_control"] * 12 + ["treatment"] * 8 + ["negative_control"] * 3 + ["treatment"] * 17,
        ["dmso"] * 12 + ["a"] * 4 + ["b"] * 4 + ["dmso"] * 3 + ["c"] * 4 + [f"t{i}" for i in range(13)],
        plate=np.repeat(["p1", "p2"], 20),
    )
    perfect = wells.obs["perturbation"].isin(["a", "b", "c"]).to_numpy()
    wells.X[perfect] = 40 * np.eye(3, 12)[np.unique(wells.obs["perturbation"][perfect], return_inverse=True)[1]]
    score = make_task("replicate-retrieval", exchange_with="controls", n_permutations=199).score(wells, rng)
    chance = score.units.set_index("unit")["chance"]
    assert chance["c"] > chance["a"] + 0.1  # among fewer controls
    assert_allclose(score.normalised, 1.0)
