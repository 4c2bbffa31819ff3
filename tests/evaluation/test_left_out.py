"""The noise that all units share through plates and controls."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from numpy.testing import assert_allclose

from phenolens.evaluation import LeftOut, SharedNoise, evaluate, leave_out
from phenolens.profiling import FITTED_ON, profile
from phenolens.tasks import make_task

CONTROLS = make_task("replicate-retrieval", n_permutations=20)
OTHERS = make_task("replicate-retrieval", measures="distinctiveness", n_permutations=20)
PROBE = make_task("knn-probe", label="perturbation", group="plate")
N, PER_PLATE = 16, 6


def screen(seed, n_plates, offset=0.0):
    """Return two encoders that know the same truth, each with noise of its own."""
    rng = np.random.default_rng(seed)
    names = [*(f"t{i}" for i in range(N)), *["dmso"] * PER_PLATE]
    wells = []
    for plate in range(n_plates):
        for place, number in enumerate(rng.permutation(len(names))):
            wells.append((f"p{plate}", f"{'ABC'[place // 12]}{place % 12 + 1:02d}", names[number]))
    obs = pd.DataFrame(wells, columns=["plate", "well", "perturbation"])
    obs["role"] = np.where(obs["perturbation"] == "dmso", "negative_control", "treatment")
    obs.index = [f"w{i}" for i in range(len(obs))]
    truth = pd.DataFrame(rng.normal(size=(N + 1, 4)), [*names[:N], "dmso"]).loc[obs["perturbation"]].to_numpy()
    plate = pd.factorize(obs["plate"])[0]
    found = {}
    for name in ("one", "other"):
        of_plates = offset * rng.normal(size=(n_plates, 4))[plate]
        found[name] = AnnData((truth + of_plates + rng.normal(size=truth.shape)).astype("f4"), obs=obs)
    return found


def made_up(rng, shared, n=40, parts=8):
    """Return units whose values are means over parts, all of which share what a part adds."""
    of_parts = 0.3 * rng.normal(size=(n, parts)) + shared * rng.normal(size=parts) + rng.normal(size=(n, 1))
    index = pd.MultiIndex.from_tuples([(f"u{i}", "") for i in range(n)], names=["unit", "stratum"])
    values = pd.DataFrame({"value": of_parts.mean(axis=1), "weight": 1.0, "cluster": index.get_level_values(0)}, index)
    without = (of_parts.sum(axis=1, keepdims=True) - of_parts) / (parts - 1)
    return LeftOut(values, pd.concat({"plates": pd.DataFrame(without, index)}, axis=1))


@pytest.mark.parametrize("profiling", ["raw", "tvn"])
@pytest.mark.parametrize("task", [CONTROLS, OTHERS])
def test_values_are_those_of_a_screen_without_the_plate(task, profiling):
    wells = screen(1, 4)
    evaluation = evaluate(wells, [task], profilings=[profiling])
    found = evaluation.questions[task.id, profiling].one_seed["one"].left_out
    by_plate = found.without["plates"]
    assert by_plate.shape[1] == 4
    assert set(found.without.columns.get_level_values(0)) == {"plates"}
    for number in by_plate:
        kept = {name: each[each.obs["plate"] != f"p{number}"] for name, each in wells.items()}
        # Halves of controls are drawn plate by plate, so that those of the other plates stay the same.
        score = evaluate(kept, [task], profilings=[profiling]).questions[task.id, profiling].one_seed["one"].score
        by_unit = score.units.set_index("unit")["value"]
        if profiling == "raw":
            assert_allclose(by_plate[number].droplevel("stratum").loc[by_unit.index], by_unit)
        else:
            assert abs(by_plate[number].mean() - by_unit.mean()) < 0.1


def test_controls_are_left_out_where_plates_are_few():
    wells = screen(2, 2)
    evaluation = evaluate(wells, [CONTROLS, OTHERS], profilings=["raw", "tvn"])
    found = {key: question.one_seed["one"].left_out for key, question in evaluation.questions.items()}
    assert found[OTHERS.id, "raw"] is None  # controls are no part of it
    for key in [(CONTROLS.id, "raw"), (CONTROLS.id, "tvn"), (OTHERS.id, "tvn")]:
        assert list(found[key].without) == [("controls", number) for number in range(10)]
    # Twelve controls in ten parts: two of two, and eight of one.
    control = np.flatnonzero(wells["one"].obs["role"] == "negative_control")
    expected = set()
    for first in range(len(control)):
        for second in range(first, len(control)):
            kept = np.delete(np.arange(wells["one"].n_obs), control[[first, second]])
            expected.add(round(evaluate({"one": wells["one"][kept]}, [CONTROLS]).scores[0].score.value, 6))
    of_parts = found[CONTROLS.id, "raw"].without.mean()
    assert {round(float(value), 6) for value in of_parts} <= expected


def test_probes_are_asked_only_by_name():
    evaluation = evaluate(screen(3, 3), [PROBE], profilings=["robust-z"])
    (scored, _) = evaluation.scores
    assert scored.left_out is None
    found = leave_out(PROBE, "one", "robust-z", evaluation.profiles, 0)
    assert set(found.without.columns.get_level_values(0)) == {"controls"}


def test_noise_is_what_parts_add_beyond_independent_units():
    rng = np.random.default_rng(4)
    alone = [made_up(rng, 0.0).noise().variance for _ in range(300)]
    # What is shared varies the mean by 0.2 ** 2 / 8; units alone, by 0.3 ** 2 / 40 / 8 + 1 / 40.
    shared = [made_up(rng, 0.2).noise().variance for _ in range(300)]
    assert np.mean(shared) == pytest.approx(0.2**2 / 8, rel=0.1)
    assert np.mean(alone) < 0.1 * 0.2**2 / 8
    assert {made_up(rng, 0.2).noise().n_parts} == {8}


def test_clusters_that_go_together_are_no_noise_of_parts():
    rng = np.random.default_rng(5)
    found = []
    for _ in range(200):
        each = made_up(rng, 0.0, n=20)
        doubled = pd.concat([each.values, each.values.rename(lambda unit: f"{unit} again", level="unit")])
        doubled["cluster"] = [name.removesuffix(" again") for name in doubled.index.get_level_values("unit")]
        without = pd.concat([each.without, each.without]).set_axis(doubled.index)
        found.append((LeftOut(doubled, without).noise().variance, each.noise().variance))
    assert_allclose(*np.transpose(found))


def test_units_on_a_part_of_their_own_move_the_score_by_their_distance_from_it():
    index = pd.MultiIndex.from_tuples([(f"u{i}", "") for i in range(12)], names=["unit", "stratum"])
    part = np.arange(12) % 4
    rng = np.random.default_rng(6)
    value = np.array([0.0, 1.0, 2.0, 3.0])[part] + 0.1 * rng.normal(size=12)
    values = pd.DataFrame({"value": value, "weight": 1.0, "cluster": [f"u{i}" for i in range(12)]}, index)
    without = pd.DataFrame(np.where(part[:, None] == np.arange(4), np.nan, value[:, None]), index)
    means = np.array([np.delete(value, np.flatnonzero(part == each)).mean() for each in range(4)])
    by_hand = 3 / 4 * np.square(means - means.mean()).sum()
    without = pd.concat({"plates": without}, axis=1)
    assert LeftOut(values, without).noise().variance == pytest.approx(by_hand, rel=0.35)
    assert LeftOut(values, without).noise().variance < by_hand


def test_widening_adds_variances_and_allows_for_few_parts():
    assert SharedNoise(0.0, 4).widening(1.0) == 1.0
    assert SharedNoise(3.0, 10**6).widening(1.0) == pytest.approx(2.0, rel=1e-4)
    assert SharedNoise(1e9, 3).widening(1.0) / np.sqrt(1e9 + 1) == pytest.approx(4.3027 / 1.96, rel=1e-2)
    assert_allclose(SharedNoise(3.0, 10**6).widen(np.array([1.0, 3.0]), 2.0), [0.0, 4.0], atol=1e-3)


def test_offsets_of_plates_widen_limits_and_p_values():
    p, widths = [], []
    for seed in range(8):
        question = evaluate(screen(seed, 4, offset=1.0), [CONTROLS]).questions[CONTROLS.id, "raw"]
        whole, alone = question.difference("one", "other"), question.difference("one", "other", left_out={})
        assert whole.estimate.value == alone.estimate.value
        assert whole.detectable >= alone.detectable
        p.append((whole.estimate.p, alone.estimate.p))
        scored = question.one_seed["one"]
        low, high = scored.score.interval(np.random.default_rng(0))
        widths.append((scored.estimate.high - scored.estimate.low, high - low))
    whole, alone = np.transpose(p)
    assert (whole >= alone).all()
    assert whole.mean() > alone.mean() + 0.05
    whole, alone = np.transpose(widths).mean(axis=1)
    assert whole > 1.05 * alone


def test_profilers_are_fitted_on_the_controls_that_are_named():
    raw = profile(screen(8, 3)["one"], "raw")
    places = raw.obs_names[raw.obs["role"] == "negative_control"][[0, 1, 6, 7, 12, 13]]
    found = profile(raw, "robust-z", hold_out=True, fit_on=places)
    assert set(found.obs_names[found.obs[FITTED_ON]]) == set(places)
