"""Shortcuts on wells whose truth is known."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy.stats import rankdata

from phenolens.core.errors import TaskNotApplicable
from phenolens.diagnosis import diagnose
from phenolens.diagnosis.parts.shortcuts import compare_shortcuts
from phenolens.diagnosis.parts.shortcuts.similarity import compare_similarities
from phenolens.diagnosis.records import SimilarityStructure, WithoutShortcut
from phenolens.evaluation import evaluate
from phenolens.metrics import average_precision, cosine_similarity
from phenolens.profiling import profile
from phenolens.tasks import make_task
from phenolens.tasks.restricted.candidates import choose_candidates
from phenolens.tasks.restricted.left_out import leave_out
from phenolens.tasks.restricted.matched import match_candidates, match_predictions
from phenolens.tasks.restricted.probe import predict_apart

pytestmark = pytest.mark.slow

RETRIEVAL = make_task("replicate-retrieval", measures="distinctiveness", n_permutations=20)
AGAINST_CONTROLS = make_task("replicate-retrieval", n_permutations=20)
N_CONDITIONS, N_REPLICATES, N_CONTROLS = 40, 6, 80


@pytest.fixture(scope="module")
def wells() -> dict[str, AnnData]:
    """Return encoders of wells: one that sees the count, one that sees the shape, one that sees both, one the plate."""
    rng = np.random.default_rng(0)
    treated = np.repeat(np.arange(N_CONDITIONS), N_REPLICATES)
    n = len(treated) + N_CONTROLS
    effect = np.vstack([rng.normal(size=(N_CONDITIONS, 7))[treated], np.zeros((N_CONTROLS, 7))])
    seen = effect + 0.5 * rng.normal(size=(n, 7))
    count, shape = seen[:, :1], seen[:, 1:]
    # Two thirds of the replicates of a perturbation stand on one plate.
    replicate = np.arange(len(treated)) % N_REPLICATES
    plate = np.concatenate([(treated + np.maximum(replicate - 3, 0)) % 8, np.arange(N_CONTROLS) % 8])
    obs = pd.DataFrame(
        {
            "plate": [f"p{i}" for i in plate],
            "well": [f"{row}{column:02d}" for row in "ABCDEFGHIJKLMNOP" for column in range(1, 25)][:n],
            "perturbation": [*(f"c{i}" for i in treated), *["dmso"] * N_CONTROLS],
            "role": ["treatment"] * len(treated) + ["negative_control"] * N_CONTROLS,
        },
        index=[f"s{i}" for i in range(n)],
    )

    def reader(*parts):
        x = np.column_stack(parts)
        return AnnData(x @ rng.normal(size=(x.shape[1], 12)) + 0.1 * rng.normal(size=(n, 12)), obs=obs)

    counted = AnnData(np.round(40 + 5 * count), obs=obs, var=pd.DataFrame(index=["nuclei_count"]))
    # Directions that turn with the count: what follows it by a curve, which no straight line can take away.
    turning = np.column_stack([f(k * count) for k in (0.5, 1.0, 2.0) for f in (np.cos, np.sin)])
    return {
        "counts": reader(count),
        "shapes": reader(shape),
        "both": reader(count, shape[:, :2]),
        "curves": AnnData(turning + 0.05 * rng.normal(size=turning.shape), obs=obs),
        "plates": reader(5 * np.eye(8)[plate]),
        "cell-count": counted,
    }


@pytest.fixture(scope="module")
def found(wells):
    return compare_shortcuts(evaluate(wells, [RETRIEVAL, AGAINST_CONTROLS]))


def removals(found, shortcut, way, task=RETRIEVAL.id):
    """What is left of each encoder's score, by its name."""
    of_kind = [each for each in found.records if isinstance(each, WithoutShortcut)]
    chosen = [each for each in of_kind if (each.shortcut, each.way, each.task) == (shortcut, way, task)]
    by_encoder = {each.encoder: each for each in chosen}
    assert len(by_encoder) == len(chosen)
    return by_encoder


def reasons(found):
    return {(each.part, each.what, each.task): each.reason for each in found.skipped}


@pytest.mark.parametrize("task", [RETRIEVAL.id, AGAINST_CONTROLS.id])
@pytest.mark.parametrize("way", ["regressed out", "matched"])
def test_a_count_explains_what_a_counter_scores_and_nothing_else(found, task, way):
    left = removals(found, "cell count", way, task)
    assert left["counts"].estimate.high < (0.3 if way == "regressed out" else 0.5)
    assert left["shapes"].estimate.value == pytest.approx(1, abs=0.1)
    assert 0.3 < left["both"].estimate.value < 0.95
    assert left["counts"].estimate.p < 0.01 < left["shapes"].estimate.p


def test_matching_finds_what_follows_a_count_by_a_curve_and_regression_does_not(found):
    assert removals(found, "cell count", "matched")["curves"].estimate.high < 0.3
    assert removals(found, "cell count", "regressed out")["curves"].estimate.low > 0.4


def test_neighbours_of_the_same_plate_explain_what_an_encoder_of_plates_scores(found):
    left = removals(found, "plate", "left out")
    assert left["plates"].estimate.high < 0.5
    assert left["shapes"].estimate.value == pytest.approx(1, abs=0.1)


def test_retrieval_is_marked_where_it_is_of_fewer_candidates(found):
    marked = {each.way: each.retrieval for each in found.records if isinstance(each, WithoutShortcut)}
    assert marked == {"regressed out": False, "matched": True, "left out": True}


def test_a_count_explains_nothing_of_encoders_that_do_not_see_it(found):
    explained = set()
    for way in ("regressed out", "matched"):
        for name, left in removals(found, "cell count", way).items():
            if left.estimate.p < 0.01 and left.estimate.value <= 0.9:
                explained.add(name)
    assert explained == {"counts", "both", "curves"}
    assert removals(found, "cell count", "regressed out")["counts"].estimate.value < 0.3


def test_the_card_says_so(wells):
    card = diagnose(evaluate(wells, [RETRIEVAL]))
    said = {v.encoder: v for v in card.verdicts if v.kind == "shortcut" and "cell count explains " in v.claim}
    assert set(said) == {"counts", "both", "curves"}
    assert said["counts"].effect > 0.7


def test_what_was_not_measured_is_skipped(found):
    assert "well-position" in reasons(found)["shortcuts", "position, regressed out", ""]
    assert removals(found, "position", "regressed out") == {}


def test_similarities_follow_the_count_or_biology_each_beyond_the_other(found):
    structure = {each.encoder: each for each in found.records if isinstance(each, SimilarityStructure)}
    assert structure["counts"].follows.low > 0.5
    assert structure["counts"].biology.value < 0.1
    assert structure["shapes"].follows.low < 0 < structure["shapes"].follows.high
    assert structure["shapes"].biology.low > 0.15
    assert structure["both"].follows.low > 0
    assert structure["both"].biology.value < structure["both"].biology_alone


def test_similarities_need_enough_treatments(wells):
    few = wells["both"].obs["perturbation"].isin([f"c{i}" for i in range(7)]).to_numpy()
    some = {name: wells[name][few].copy() for name in ("both", "cell-count")}
    found = compare_similarities(evaluate(some, [RETRIEVAL]), {"cell count": profile(some["cell-count"]).to_df()})
    assert found.records == ()
    assert reasons(found) == {
        ("similarities", "cell count", ""): "needs wells of at least 20 treatments, found 7",
    }


def test_a_partial_correlation_is_that_of_residuals(wells):
    known = pd.DataFrame({"count": np.random.default_rng(4).normal(size=len(wells["both"]))}, wells["both"].obs_names)
    obs = wells["both"].obs.drop(columns=["plate", "well"])
    vectors = AnnData(wells["both"].X + 0.7 * known.to_numpy(), obs=obs)
    (found,) = compare_similarities(evaluate({"both": vectors}, [RETRIEVAL]), {"count": known}).records
    treated = (obs["role"] == "treatment").to_numpy()
    x, count, name = vectors.X[treated], known["count"].to_numpy()[treated], obs["perturbation"].to_numpy()[treated]
    upper = np.triu_indices(len(x), 1)
    alike = rankdata(np.round(cosine_similarity(x - x.mean(axis=0)), 9)[upper])
    near = rankdata(-np.abs(count[:, None] - count)[upper])
    same = (name[:, None] == name)[upper].astype(float)

    def left(y, fixed):
        design = np.column_stack([np.ones(len(y)), fixed])
        return y - design @ np.linalg.lstsq(design, y, rcond=None)[0]

    assert found.follows.value == pytest.approx(np.corrcoef(left(alike, same), left(near, same))[0, 1], abs=1e-6)
    assert found.biology.value == pytest.approx(np.corrcoef(left(alike, near), left(same, near))[0, 1], abs=1e-6)
    assert found.biology_alone == pytest.approx(np.corrcoef(alike, same)[0, 1], abs=1e-6)


@pytest.mark.parametrize("task", [RETRIEVAL, AGAINST_CONTROLS])
def test_candidates_rank_as_the_task_does(wells, task):
    candidates = choose_candidates(task.id, wells["both"], against_controls=task.needs_controls)
    found = pd.Series(candidates.rank(wells["both"])).groupby(candidates.units).mean()
    units = evaluate({"both": wells["both"]}, [task]).scores[0].score.units.set_index("unit")["value"]
    np.testing.assert_allclose(found[units.index], units, atol=1e-6)


@pytest.mark.parametrize("task", [RETRIEVAL, AGAINST_CONTROLS])
def test_what_is_left_out_takes_no_part(wells, task):
    vectors = wells["both"]
    fewer = leave_out(choose_candidates(task.id, vectors, against_controls=task.needs_controls), "plate")
    value = fewer.rank(vectors)
    obs, x = fewer.obs, vectors[fewer.obs.index].X
    name, plate = obs["perturbation"].to_numpy(), obs["plate"].to_numpy()
    control = (obs["role"] == "negative_control").to_numpy()
    other = plate[:, None] != plate
    positive = other & (name[:, None] == name) & ~control
    wrong = other & (control if task is AGAINST_CONTROLS else ~control & (name[:, None] != name))
    expected = average_precision(np.round(cosine_similarity(x), 9), positive, wrong & np.ones_like(positive))
    np.testing.assert_allclose(value, expected[fewer.queries], atol=1e-6)


def test_matched_candidates_are_alike_in_the_covariate(wells):
    candidates = choose_candidates(RETRIEVAL.id, wells["both"], against_controls=False)
    known = wells["cell-count"].to_df()
    matched = match_candidates(candidates, known)
    count = known.loc[candidates.obs.index, "nuclei_count"].to_numpy()
    gaps = {}
    for name, one in (("all", candidates), ("matched", matched)):
        ranked = one.counted.any(axis=1)
        same = [count[row[use]].mean() for row, use in zip(one.positives[ranked], one.counted[ranked], strict=True)]
        rest = [count[row].mean() for row in one.negative[ranked]]
        gaps[name] = np.abs(np.subtract(same, rest)).mean() / count.std()
    assert gaps["matched"] < 0.1 < gaps["all"]
    assert matched.counted.sum() > 0.8 * candidates.counted.sum()
    assert (matched.negative <= candidates.negative).all()


def test_a_guess_from_the_covariate_is_right_by_chance_where_classes_are_alike():
    rng = np.random.default_rng(1)
    n = 4000
    label = rng.integers(2, size=n)
    count = rng.normal(size=n) + label
    index = [f"r{i}" for i in range(n)]
    guess = count > 0.5
    table = {"unit": np.arange(n) // 4, "stratum": label.astype(str), "correct": guess == label}
    rows = pd.DataFrame(table, index=index)
    before, after = match_predictions(rows, pd.DataFrame({"nuclei_count": count}, index=index))

    def balanced(table):
        part = (table["value"] * table["weight"]).groupby(level="stratum").sum()
        return (part / table["weight"].groupby(level="stratum").sum()).mean()

    assert balanced(before) == pytest.approx(rows.groupby("stratum")["correct"].mean().mean())
    assert balanced(before) > 0.65
    assert balanced(after) == pytest.approx(0.5, abs=0.02)


def test_probes_are_scored_on_unseen_plates():
    rng = np.random.default_rng(2)
    n = 400
    plate = np.arange(n) % 40
    # The label is nearly that of the plate, so that an encoder of plates predicts it where plates are shared.
    label = np.where(rng.random(n) < 0.8, plate % 2, rng.integers(2, size=n))
    obs = pd.DataFrame(
        {"plate": [f"p{i}" for i in plate], "label": label.astype(str), "movie": [f"m{i // 2}" for i in range(n)]},
        index=[f"r{i}" for i in range(n)],
    )
    obs["movie"] = obs["plate"] + obs["movie"]
    vectors = {
        "plates": AnnData(np.eye(40)[plate] + 0.1 * rng.normal(size=(n, 40)), obs=obs),
        "labels": AnnData(np.eye(2)[label] + 0.1 * rng.normal(size=(n, 2)), obs=obs),
    }
    task = make_task("knn-probe", label="label", group="movie")
    found = compare_shortcuts(evaluate(vectors, [task]))
    left = removals(found, "plate", "left out", task.id)
    assert left["plates"].estimate.high < 0.2
    assert left["labels"].estimate.value == pytest.approx(1, abs=0.05)
    assert not left["labels"].retrieval
    assert "the baseline cell-count would" in reasons(found)["shortcuts", "cell count, regressed out or matched", ""]
    assert reasons(found)["similarities", "", ""] == "no shortcut was measured"


def test_what_is_regressed_out_is_compared_on_the_rows_that_were_measured(wells):
    shapes = wells["shapes"]
    measured = (shapes.obs["role"] == "negative_control") | shapes.obs["perturbation"].isin(
        [f"c{i}" for i in range(0, 40, 4)]
    )
    some = {"shapes": shapes, "cell-count": wells["cell-count"][measured.to_numpy()].copy()}
    left = removals(compare_shortcuts(evaluate(some, [RETRIEVAL])), "cell count", "regressed out")["shapes"]
    alone = evaluate({"shapes": shapes[measured.to_numpy()]}, [RETRIEVAL]).scores[0].score
    assert left.before == pytest.approx(alone.value)  # among fewer others than all wells have
    assert 0.8 < left.estimate.value < 1.1


def test_a_probe_learns_from_as_few_rows_whether_plates_are_shared_or_not():
    rng = np.random.default_rng(3)
    n = 120
    obs = pd.DataFrame(
        {
            "plate": [f"p{i // 2 % 2}" for i in range(n)],
            "label": rng.integers(2, size=n).astype(str),
            "movie": [f"m{i // 2}" for i in range(n)],
        },
        index=[f"r{i}" for i in range(n)],
    )
    vectors = AnnData(rng.normal(size=(n, 8)) + (obs["label"] == "1").to_numpy()[:, None], obs=obs)
    task = make_task("knn-probe", label="label", group="movie")
    together, apart = predict_apart(task, vectors, "plate")
    halves = task.model_copy(update={"folds": 2}).predict(vectors).rows
    pd.testing.assert_frame_equal(together, halves)
    assert len(apart) == n


def test_rows_without_unique_names_are_skipped(wells):
    same = {name: wells[name].copy() for name in ("both", "cell-count")}
    for vectors in same.values():
        vectors.obs = vectors.obs.drop(columns=["plate", "well"])
        vectors.obs_names = ["row"] * vectors.n_obs
    found = compare_shortcuts(evaluate(same, [RETRIEVAL]))
    assert found.records == ()
    assert "no unique names" in reasons(found)["shortcuts", "", ""]


def test_without_an_encoder_under_test_nothing_is_scored(wells):
    found = compare_shortcuts(evaluate({"cell-count": wells["cell-count"]}, [RETRIEVAL]))
    assert found.records == ()
    assert reasons(found) == {("shortcuts", "", ""): "no encoder is under test"}


def batches(rng, n=288):
    """Sites of six rows in six batches, which the label follows, and vectors of the batch alone."""
    site = np.repeat(np.arange(48), 6)
    batch = site % 6
    label = np.where(rng.random(n) < 0.9, batch % 2, 1 - batch % 2)
    obs = pd.DataFrame(
        {"site": [f"s{i}" for i in site], "batch": [f"b{i}" for i in batch], "kind": label.astype(str)},
        index=[f"r{i}" for i in range(n)],
    )
    return AnnData((3 * rng.normal(size=(6, 12))[batch] + rng.normal(size=(n, 12))).astype("f4"), obs=obs)


@pytest.mark.parametrize("options", [{"split": "random"}, {}, {"group": "site"}])
def test_a_batch_is_left_out_of_every_kind_of_split_that_does_not_leak(options):
    task = make_task("knn-probe", label="kind", **options)
    found = compare_shortcuts(evaluate({"batches": batches(np.random.default_rng(5))}, [task]))
    left = removals(found, "batch", "left out", task.id)["batches"]
    assert left.estimate.high < 0.6
    assert left.estimate.value < 0.3


def test_nothing_is_left_out_of_a_split_that_leaks():
    task = make_task("knn-probe", label="kind", group="site", split="random")
    vectors = batches(np.random.default_rng(6))
    found = compare_shortcuts(evaluate({"batches": vectors}, [task]))
    assert found.records == ()
    reason = "not evaluated on a split that leaks: 48 of 48 groups are on both sides of the split"
    assert reasons(found)["shortcuts", "matched, or left out", task.id] == reason
    restricted = task.restricted(0)
    restricted.meet(vectors)
    for ask in (lambda: restricted.left_out("batch"), lambda: restricted.matched("cell count", vectors.to_df())):
        with pytest.raises(TaskNotApplicable, match="not evaluated on a split that leaks"):
            ask()


def test_a_plate_is_left_out_beside_the_perturbations():
    rng = np.random.default_rng(7)
    compound, plate = np.repeat(np.arange(24), 4), np.tile(np.arange(4), 24)
    obs = pd.DataFrame(
        {
            "perturbation": [f"c{i}" for i in compound],
            "plate": [f"p{i}" for i in plate],
            "moa": [f"m{i}" for i in compound % 3],
        },
        index=[f"w{i}" for i in range(96)],
    )
    x = 2 * np.eye(12)[compound % 3] + rng.normal(size=(96, 12))
    task = make_task("ridge-probe", label="moa")
    together, apart = predict_apart(task, AnnData(x.astype("f4"), obs=obs), "plate")
    assert len(together) == len(apart) == 96
    assert abs(together["correct"].mean() - apart["correct"].mean()) < 0.1
