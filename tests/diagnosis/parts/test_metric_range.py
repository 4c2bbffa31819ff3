"""Metrics on wells whose truth is known: those that can tell, and those that cannot."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from made_up import evaluation_of, scored
from numpy.testing import assert_allclose
from scipy.spatial.distance import cdist
from scipy.stats import kendalltau

from phenolens.core.errors import ProfilingError, TaskNotApplicable
from phenolens.diagnosis.evidence import Found
from phenolens.diagnosis.parts.metric_range import describe_metrics
from phenolens.diagnosis.parts.metric_range.ceiling import pool, reachable_score, whiten_halves
from phenolens.diagnosis.parts.metric_range.dilution import (
    Dilution,
    _clusters_needed,
    detect_dilution,
    dilute,
    draw_donors,
)
from phenolens.diagnosis.parts.metric_range.stability import (
    ProtocolPair,
    RankAgreement,
    euclidean_as_cosine,
    other_protocols,
    rank_agreement,
)
from phenolens.diagnosis.records import GROSS_LOSS, LEAST_HEADROOM
from phenolens.diagnosis.rescore import rescore, sample_rows
from phenolens.evaluation import Estimate, Skipped, evaluate, joint_draws, tabulate_scores
from phenolens.metrics import average_precision, ledoit_wolf
from phenolens.profiling import Sphering
from phenolens.tasks import Score, make_task

pytestmark = pytest.mark.slow

DESCRIBE = "phenolens.diagnosis.parts.metric_range.describe"
OTHERS = make_task("replicate-retrieval", measures="distinctiveness", n_permutations=20)
FOUND_BY_COPIES = {"n_units", "n_clusters", "least_p", "clusters_needed"}
CONTROLS = make_task("replicate-retrieval", measures="activity", n_permutations=20)


def layout(n_conditions, n_replicates, n_controls=0):
    treated = np.repeat(np.arange(n_conditions), n_replicates)
    n = len(treated) + n_controls
    obs = pd.DataFrame(
        {
            "plate": [f"p{i % 2}" for i in range(n)],
            "well": [f"w{i}" for i in range(n)],
            "perturbation": [*(f"c{i}" for i in treated), *["dmso"] * n_controls],
            "role": ["treatment"] * len(treated) + ["negative_control"] * n_controls,
        },
        index=[f"s{i}" for i in range(n)],
    )
    return obs, np.append(treated, np.full(n_controls, n_conditions))


def encoders(signal, noise, *, seed=0, n_conditions=30, n_replicates=4, n_controls=0):
    """Return encoders of wells: a good one, a lesser one, and two simple baselines, from good to bad."""
    rng = np.random.default_rng(seed)
    obs, codes = layout(n_conditions, n_replicates, n_controls)
    effect = signal * np.vstack([rng.normal(size=(n_conditions, 8)), np.zeros(8)])[codes]
    seen = {"good": 8, "lesser": 4, "untrained/resnet18@seed=0": 2, "pixel-statistics": 1}
    return {
        name: AnnData(effect[:, :k] @ rng.normal(size=(k, 16)) + noise * rng.normal(size=(len(obs), 16)), obs=obs)
        for name, k in seen.items()
    }


def noise_of_few_directions(n, d, rng):
    """Return noise whose covariance is far from isotropic, so that estimating it overfits."""
    return rng.normal(size=(n, d)) * np.exp(-np.arange(d) / 8) @ rng.normal(size=(d, d))


def describe(vectors, tasks, **options):
    return describe_metrics(evaluate(vectors, tasks, **options))


def test_on_clean_wells_a_metric_tells():
    found = describe(encoders(1.0, 1.0), [OTHERS])
    (record,) = found.records
    assert (record.task, record.profiling) == (OTHERS.id, "raw")
    assert record.best_encoder == "good"
    assert record.best_baseline == "untrained/resnet18"
    assert record.chance < record.best_low < record.best_value
    assert record.finest == 0.25
    assert record.sensitivity > 0.95
    assert record.is_able
    assert record.grade == "tells"
    assert record.headroom > 0.3
    assert not found.skipped


def test_in_noise_hardly_any_metric_is_said_to_tell():
    able = []
    for seed in range(20):
        (record,) = describe(encoders(0.0, 1.0, seed=seed, n_conditions=15, n_replicates=2), [OTHERS]).records
        able.append(record.is_able)
        if not able[-1]:
            assert record.grade == "cannot tell"
            assert record.best_low <= record.chance or np.isnan(record.finest)
    assert sum(able) <= 2


def test_gross_differences_are_detected_where_fine_ones_are_lost_in_noise():
    found = [detect_dilution(OTHERS, encoders(1.0, 6.0, seed=s, n_conditions=12)["good"], "raw") for s in range(6)]
    assert {each.finest for each in found} & {0.75, 1.0}
    strong = detect_dilution(OTHERS, encoders(1.0, 1.0)["good"], "raw")
    assert all(0.5 < each.sensitivity < strong.sensitivity for each in found)


def test_a_saturated_metric_leaves_no_room():
    (record,) = describe(encoders(50.0, 0.1), [OTHERS]).records
    assert record.best_baseline_value > 0.95
    assert record.headroom < 0.05 < LEAST_HEADROOM
    assert record.grade == "leaves little room"
    assert record.ceiling_is == record.best_encoder


@pytest.mark.parametrize(
    ("signal", "noise", "finest", "grade"),
    [
        (1.0, 1.0, GROSS_LOSS, "tells"),
        (1.0, 1.0, 0.75, "tells only gross differences"),
        (1.0, 1.0, np.nan, "cannot tell"),
        (50.0, 0.1, GROSS_LOSS, "leaves little room"),
        (50.0, 0.1, 0.75, "tells only gross differences"),
        (50.0, 0.1, np.nan, "cannot tell"),
    ],
)
def test_the_grade_follows_from_what_is_detected_and_the_room(signal, noise, finest, grade, monkeypatch):
    monkeypatch.setattr(f"{DESCRIBE}.detect_dilution", lambda *_, **__: Dilution(finest, 0.5))
    (record,) = describe(encoders(signal, noise), [OTHERS]).records
    assert record.grade == grade


def test_of_one_unit_nothing_can_be_told():
    (record,) = describe(encoders(1.0, 1.0, n_conditions=1, n_controls=12), [CONTROLS]).records
    assert np.isnan(record.best_low)
    assert (record.grade, record.n_units, record.n_clusters) == ("too few units", 1, 1)
    assert (record.least_p, record.clusters_needed) == (1.0, 6)


@pytest.mark.parametrize("n_units", [3, 4, 5])
def test_of_a_perfect_encoder_and_few_units_the_units_are_blamed(n_units):
    """No p value of five paired values is small enough, although every copy scores lower in every unit."""
    vectors = encoders(50.0, 0.1, n_conditions=n_units, n_controls=24)
    (record,) = describe(vectors, [CONTROLS]).records
    assert record.best_value == 1.0
    assert (record.grade, record.n_units, record.unit) == ("too few units", n_units, "perturbation")
    assert (record.clusters_needed, record.least_p) == (6, 2 * 0.5**n_units)
    assert not record.is_able


def test_of_units_that_are_not_independent_their_clusters_are_counted():
    """Ten perturbations that are doses of five compounds allow no smaller p value than five compounds do."""
    vectors = encoders(50.0, 0.1, n_conditions=10, n_controls=24)
    for each in vectors.values():
        number = each.obs["perturbation"].str.removeprefix("c")
        each.obs["compound"] = [str(int(name) // 2) if name.isdigit() else name for name in number]
    task = make_task("replicate-retrieval", measures="activity", n_permutations=20, cluster="compound")
    (record,) = describe(vectors, [task]).records
    assert (record.grade, record.n_units, record.n_clusters) == ("too few units", 10, 5)
    assert (record.clusters_needed, record.least_p) == (6, 0.0625)


@pytest.mark.parametrize(("needed", "grade"), [(40.0, "too few units"), (20.0, "cannot tell"), (np.nan, "cannot tell")])
def test_units_are_blamed_only_where_more_of_them_would_help(needed, grade, monkeypatch):
    none = Dilution(n_units=30, n_clusters=30, least_p=1e-9, clusters_needed=needed)
    monkeypatch.setattr(f"{DESCRIBE}.detect_dilution", lambda *_, **__: none)
    (record,) = describe(encoders(1.0, 1.0), [OTHERS]).records
    assert record.grade == grade
    (record,) = describe(encoders(0.0, 1.0, n_conditions=15, n_replicates=2), [OTHERS]).records
    assert record.grade == "cannot tell"  # what is not above chance is no evidence that a difference is there
    monkeypatch.setattr(f"{DESCRIBE}.detect_dilution", lambda *_, **__: replace(none, finest=0.25))
    (record,) = describe(encoders(1.0, 1.0), [OTHERS]).records
    assert record.grade == "tells"


def test_as_many_units_are_asked_for_as_a_power_calculation_gives():
    """A paired t-test with a power of 80 % needs (1.96 + 0.84)**2 * (sd / mean)**2 units (Lachin, 1981)."""
    rng = np.random.default_rng(0)
    index = pd.MultiIndex.from_product([[f"u{i}" for i in range(400)], [""]], names=["unit", "stratum"])
    lost = rng.normal(size=400)
    lost = 0.4 + (lost - lost.mean()) / lost.std()
    values = {name: pd.DataFrame({"value": value, "weight": 1.0}, index) for name, value in [("x", lost), ("0", 0.0)]}
    needed = _clusters_needed(joint_draws(values, rng), 1.0)
    assert_allclose(needed, (1.96 + 0.842) ** 2 / 0.4**2, rtol=0.08)
    assert np.isnan(_clusters_needed(joint_draws({"x": values["0"], "0": values["x"]}, rng), 1.0))


@pytest.mark.parametrize("task", [OTHERS, CONTROLS])
def test_the_ceiling_holds_every_encoder(task):
    vectors = encoders(1.0, 4.0, n_controls=24)
    evaluation = evaluate(vectors, [task])
    (record,) = describe_metrics(evaluation).records
    assert tabulate_scores(evaluation)["value"].max() <= record.ceiling <= 1


@pytest.mark.parametrize("task", [OTHERS, CONTROLS])
def test_the_ceiling_sees_through_noise_that_replicates_show(task):
    rng = np.random.default_rng(1)
    obs, codes = layout(60, 4, 40)
    beneath = np.vstack([rng.normal(size=(60, 6)), np.zeros(6)])[codes] + 0.4 * rng.normal(size=(280, 6))
    nuisance = 2 * rng.normal(size=(280, 3))  # strong, and the same for both
    vectors = {
        name: AnnData(np.hstack([beneath, nuisance]) @ rng.normal(size=(9, 12)), obs=obs) for name in ("one", "other")
    }
    evaluation = evaluate({**vectors, "beneath": AnnData(beneath, obs=obs)}, [task])
    scores = tabulate_scores(evaluation).set_index("encoder")
    value, chance = scores["value"], scores["chance"].iloc[0]
    assert value[["one", "other"]].max() < value["beneath"] - 0.2
    reached = reachable_score(task, vectors, chance, "raw")
    assert value["beneath"] - 0.15 < reached < value["beneath"] + 0.02


@pytest.mark.parametrize("task", [OTHERS, CONTROLS])
def test_no_perturbation_is_scored_in_a_space_that_its_replicates_have_shaped(task):
    """Noise alone is at chance once another half's replicates are whitened, and would not be by the same half's."""
    excess, leaking = [], []
    for seed in range(24):
        rng = np.random.default_rng(seed)
        obs, codes = layout(60, 2, 30)
        x = pool([noise_of_few_directions(len(obs), 24, rng) for _ in range(2)])
        rows = AnnData(x, obs=obs)
        scores = [rescore(task, half, white, "raw", with_chance=True) for half, white in whiten_halves(rows, x)]
        excess.append(np.mean([score.value - score.chance for score in scores]))
        treated = (obs["role"] == "treatment").to_numpy()
        means = pd.DataFrame(x[treated]).groupby(codes[treated]).transform("mean").to_numpy()
        residuals = x[treated] - means
        seen = Sphering(shrinkage=ledoit_wolf(residuals)).fit(residuals).transform(x)
        score = rescore(task, rows, seen, "raw", with_chance=True)
        leaking.append(score.value - score.chance)
    error = np.std(excess, ddof=1) / np.sqrt(len(excess))
    assert abs(np.mean(excess)) < 3 * error
    assert min(leaking) > 0.05 > 5 * error


def test_the_ceiling_of_noise_is_at_chance():
    rng = np.random.default_rng(3)
    obs, _ = layout(150, 2)
    vectors = {name: AnnData(noise_of_few_directions(len(obs), 64, rng), obs=obs) for name in ("one", "other")}
    evaluation = evaluate(vectors, [OTHERS])
    (record,) = describe_metrics(evaluation).records
    width = max(each.estimate.high - each.estimate.low for each in evaluation.scores)
    assert record.ceiling < record.chance + width


def test_oracles_are_no_part_of_the_ceiling(monkeypatch):
    vectors = encoders(1.0, 4.0)
    truth = {**vectors, "oracle/shape": encoders(1.0, 0.0)["good"]}
    pooled = []

    def spy(task, profiles, *rest, **named):
        pooled.append(set(profiles))
        return reachable_score(task, profiles, *rest, **named)

    monkeypatch.setattr(f"{DESCRIBE}.reachable_score", spy)
    (record,) = describe(truth, [OTHERS]).records
    assert pooled == [{"good", "lesser", "pixel-statistics", "untrained/resnet18"}]
    assert (record.ceiling_is, record.ceiling) == ("oracle/shape", record.best_value)


def test_what_cannot_be_evaluated_is_skipped():
    found = describe(encoders(1.0, 1.0, n_conditions=3), [OTHERS])
    (record,) = found.records
    assert record.ceiling_is == "maximum"
    reason = "too few perturbations have replicates for half of them to show how they differ"
    assert found.skipped == (Skipped("metric range", reason, "ceiling", OTHERS.id, "raw"),)


@pytest.mark.parametrize(
    ("what", "name", "error", "lacking"),
    [
        ("sensitivity", "detect_dilution", TaskNotApplicable, {"finest", "sensitivity", "grade", *FOUND_BY_COPIES}),
        ("ceiling", "reachable_score", ProfilingError, {"ceiling", "ceiling_is", "headroom"}),
        ("distances", "by_distance", TaskNotApplicable, {"stability", "n_protocols"}),
    ],
)
def test_what_is_skipped_alone_leaves_the_rest_as_it_is(what, name, error, lacking, monkeypatch):
    vectors = encoders(1.0, 1.0)
    (whole,) = describe(vectors, [OTHERS]).records

    def refuse(*_, **__):
        raise error("it cannot be")

    monkeypatch.setattr(f"{DESCRIBE}.{name}", refuse)
    found = describe(vectors, [OTHERS])
    (record,) = found.records
    assert found.skipped == (Skipped("metric range", "it cannot be", what, OTHERS.id, "raw"),)
    assert {field for field, value in vars(whole).items() if getattr(record, field) != value} == lacking
    assert record.is_able == (what != "sensitivity")


def test_probes_are_described_too():
    rng = np.random.default_rng(4)
    n = 240
    obs = pd.DataFrame(
        {"kind": rng.choice(["a", "b"], n), "movie": [f"m{i // 12}" for i in range(n)]},
        index=[f"s{i}" for i in range(n)],
    )
    kind = (obs["kind"] == "a").to_numpy()[:, None]
    vectors = {
        name: AnnData(shift * kind + rng.normal(size=(n, 6)), obs=obs)
        for name, shift in {"good": 3.0, "lesser": 0.7, "pixel-statistics": 0.3, "cell-count": 0.0}.items()
    }
    tasks = [make_task(kind, label="kind", group="movie") for kind in ("ridge-probe", "knn-probe")]
    found = describe(vectors, tasks)
    ridge, nearest = found.records
    for record in (ridge, nearest):
        assert (record.ceiling, record.ceiling_is) == (1, "maximum")
        assert record.headroom == pytest.approx((1 - record.best_baseline_value) / 0.5)
        assert record.n_protocols == 1  # each the other's
        assert record.stability.value > 0.5
    assert (ridge.finest, nearest.finest) == (0.5, 0.25)  # as claims would, whose differences allow for other fits
    assert not found.skipped


def test_the_seed_of_the_evaluation_gives_the_same_records():
    vectors = encoders(1.0, 3.0, n_conditions=12)
    one, again, other = (describe(vectors, [OTHERS], seed=seed).records[0] for seed in (7, 7, 8))
    assert one == again
    assert one.sensitivity != other.sensitivity


def test_dilution_keeps_the_distribution():
    rng = np.random.default_rng(5)
    x = noise_of_few_directions(4000, 5, rng) + 3
    donors = rng.permutation(len(x))
    assert_allclose(dilute(x, donors, 0.0), x)
    assert_allclose(dilute(x, donors, 1.0), x[donors])
    half = dilute(x, donors, 0.5)
    assert_allclose(half.mean(axis=0), x.mean(axis=0))
    assert_allclose(np.cov(half.T), np.cov(x.T), rtol=0.1, atol=0.02 * np.cov(x.T).max())
    assert np.corrcoef(half[:, 0], x[:, 0])[0, 1] ** 2 == pytest.approx(0.5, abs=0.05)


def test_sites_of_a_well_get_those_of_one_other():
    obs = pd.DataFrame({"plate": "p", "well": np.repeat(["A1", "A2", "A3", "A4"], [3, 1, 2, 3])})
    donors = draw_donors(obs, np.random.default_rng(6))
    given = obs["well"].to_numpy()[donors]
    assert pd.Series(given).groupby(obs["well"]).nunique().eq(1).all()
    assert sorted(pd.unique(given)) == ["A1", "A2", "A3", "A4"]
    assert not np.array_equal(donors, np.arange(len(obs)))


def test_samples_hold_whole_perturbations():
    vectors = encoders(1.0, 1.0, n_controls=40)["good"]
    rows = sample_rows(CONTROLS, vectors, 20)
    of_kind = rows.obs.groupby("role")["perturbation"].value_counts()
    assert (of_kind["treatment"] == 4).all()
    assert of_kind["treatment"].sum() == of_kind["negative_control"].sum() == 20
    assert (sample_rows(OTHERS, vectors, 20).obs["role"] == "treatment").all()
    assert len(sample_rows(make_task("linear-probe", label="perturbation"), vectors, 20)) == 20


def test_cosines_rank_as_euclidean_distances():
    rng = np.random.default_rng(7)
    obs, codes = layout(20, 3)
    x = rng.normal(size=(20, 5))[codes] + rng.normal(size=(60, 5)) + 4  # far from the origin, cosines rank otherwise
    x *= rng.uniform(0.5, 2, (60, 1))
    found = rescore(OTHERS, AnnData(x, obs=obs), euclidean_as_cosine(x), "raw").units.set_index("unit")["value"]
    same = codes[:, None] == codes
    truth = average_precision(-cdist(x, x), same & ~np.eye(60, dtype=bool), ~same)
    assert_allclose(
        found.sort_index(), pd.Series(truth).groupby([f"c{i}" for i in codes]).mean().sort_index(), atol=1e-6
    )
    cosine = rescore(OTHERS, AnnData(x, obs=obs), x, "raw").units.set_index("unit")["value"]
    assert not np.allclose(cosine, found.loc[cosine.index], atol=0.02)


def values_of(scores, rng, n_units=40):
    truth = rng.normal(size=n_units)
    index = pd.MultiIndex.from_product([[f"u{i}" for i in range(n_units)], [""]], names=["unit", "stratum"])
    return {
        encoder: pd.DataFrame({"value": score + truth + 0.1 * rng.normal(size=n_units), "weight": 1.0}, index=index)
        for encoder, score in scores.items()
    }


def test_agreement_of_rankings():
    rng = np.random.default_rng(8)
    scores = {f"e{i}": float(i) for i in range(5)}
    here, alike = values_of(scores, rng), values_of(scores, rng)
    reversed_ = values_of({encoder: -score for encoder, score in scores.items()}, rng)
    question = ("task", "raw")
    pairs = [ProtocolPair(here, alike), ProtocolPair(here, reversed_)]
    assert rank_agreement(pairs[:1], question) == RankAgreement(Estimate(1, 1, 1, 40), 1)
    assert rank_agreement(pairs[1:], question) == RankAgreement(Estimate(-1, -1, -1, 40), 1)
    assert rank_agreement(pairs, question) == RankAgreement(Estimate(0, 0, 0, 40), 2)
    fewer_units = {encoder: values.iloc[:30] for encoder, values in alike.items()}
    assert rank_agreement([*pairs, ProtocolPair(here, fewer_units)], question).tau.n_units == 30
    few = {encoder: here[encoder] for encoder in ("e0", "e1", "e2")}
    agreement = rank_agreement([ProtocolPair(few, alike)], question)
    assert np.isnan(agreement.tau.value)
    assert agreement.n_protocols == 0


def test_agreement_is_kendalls_tau_and_as_uncertain_as_the_ranks():
    rng = np.random.default_rng(9)
    here = values_of(dict.fromkeys("abcdef", 0.0), rng)
    there = values_of(dict.fromkeys("abcdef", 0.0), rng)
    means = [[each["value"].mean() for each in values.values()] for values in (here, there)]
    tau = rank_agreement([ProtocolPair(here, there)], ("task", "raw")).tau
    assert tau.value == pytest.approx(kendalltau(*means).statistic)
    assert tau.low < tau.value < tau.high
    tied = [[0.0, 0.0, 1.0, 2.0], [1.0, 0.0, 1.0, 2.0]]
    ranked = [values_of(dict.fromkeys("abcd", 0.0), rng, 5) for _ in tied]
    for values, scores in zip(ranked, tied, strict=True):
        for encoder, score in zip(values, scores, strict=True):
            values[encoder]["value"] = score
    tau = rank_agreement([ProtocolPair(*ranked)], ("task", "raw")).tau
    assert tau.value == pytest.approx(kendalltau(*tied).statistic)


def test_other_protocols_score_the_same_subject():
    units = pd.DataFrame({"unit": ["u0", "u1"], "stratum": "", "value": 0.5, "weight": 1.0, "chance": 0.1})

    def questions(*pairs):
        scores = [scored("mine", Score("mAP", "unit", units), task, profiling=profiling) for task, profiling in pairs]
        return [*evaluation_of(*scores).questions.values()]

    linear, nearest, other = (
        make_task("linear-probe", label="kind", group="movie"),
        make_task("knn-probe", label="kind", group="movie"),
        make_task("linear-probe", label="stage", group="movie"),
    )
    scored_by = questions((linear, "raw"), (linear, "tvn"), (nearest, "raw"), (other, "raw"), (OTHERS, "raw"))
    of_linear, after_tvn, of_nearest, of_other, of_retrieval = scored_by
    pairs = other_protocols(of_linear, scored_by)
    assert [pair.one for pair in pairs] == [of_linear.values] * 2
    assert [pair.other for pair in pairs] == [after_tvn.values, of_nearest.values]
    assert not other_protocols(of_other, scored_by)
    assert not other_protocols(of_retrieval, scored_by)
    assert not other_protocols(of_retrieval, [*scored_by, *questions((CONTROLS, "raw"))])


def test_nuisances_and_leaks_are_not_described():
    units = pd.DataFrame({"unit": ["u0", "u1"], "stratum": "", "value": 0.5, "weight": 1.0, "chance": 0.1})
    nuisance = scored("mine", Score("accuracy", "well", units, higher_is_better=False), OTHERS)
    assert describe_metrics(evaluation_of(nuisance)) == Found()
