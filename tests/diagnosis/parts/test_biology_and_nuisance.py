"""Biology beside nuisance on rows whose truth is known."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from made_up import evaluation_on
from numpy.testing import assert_allclose

from phenolens.diagnosis.parts.biology_and_nuisance import compare_nuisance
from phenolens.evaluation import Skipped, evaluate
from phenolens.metrics import average_precision, cosine_similarity, nearest_neighbours, robustness_index
from phenolens.tasks import make_task

N_PLATES, N_PERTURBATIONS, N_CONTROLS = 4, 30, 10
TREATED = np.tile(np.arange(N_PERTURBATIONS + N_CONTROLS) < N_PERTURBATIONS, N_PLATES)


@pytest.fixture
def obs() -> pd.DataFrame:
    """Return plates that each hold every perturbation once, and controls; two plates are a batch."""
    per_plate = N_PERTURBATIONS + N_CONTROLS
    names = [f"c{i}" for i in range(N_PERTURBATIONS)] + ["dmso"] * N_CONTROLS
    return pd.DataFrame(
        {
            "plate": np.repeat([f"p{i}" for i in range(N_PLATES)], per_plate),
            "well": [f"{'ABCDEFGH'[i % 8]}{i // 8 + 1:02d}" for i in range(per_plate)] * N_PLATES,
            "batch": np.repeat(["b0", "b1"], 2 * per_plate),
            "perturbation": names * N_PLATES,
            "role": np.where(TREATED, "treatment", "negative_control"),
        },
        index=[f"s{i}" for i in range(per_plate * N_PLATES)],
    )


def reader(obs, biology, nuisance, seed=0, columns=("perturbation", "plate")):
    """Return vectors that see biology and nuisance so strongly."""
    rng = np.random.default_rng(seed)
    x = 0.3 * rng.normal(size=(len(obs), 24))
    for strength, column in zip((biology, nuisance), columns, strict=True):
        codes = np.unique(obs[column], return_inverse=True)[1]
        x += strength * rng.normal(size=(codes.max() + 1, 24))[codes]
    return AnnData(x.astype("f4"), obs=obs)


@pytest.fixture
def encoders(obs) -> dict[str, AnnData]:
    strengths = {"biology": (1, 0), "both": (1, 1), "batch": (0.3, 1), "plates": (0, 1), "nothing": (0, 0)}
    return {name: reader(obs, *strength) for name, strength in strengths.items()}


def records_of(embeddings, **options):
    return compare_nuisance(evaluation_on(embeddings, **options)).records


def on(nuisance, embeddings, **options):
    """Return encoder -> its record on one nuisance."""
    return {each.encoder: each for each in records_of(embeddings, **options) if each.nuisance == nuisance}


def estimates(record):
    return [record.biology_score, record.nuisance_score, record.robustness]


def chances(record):
    return [record.biology_chance, record.nuisance_chance, record.robustness_chance]


def values(record):
    return [each.value for each in estimates(record)]


def falls(numbers):
    return all(np.diff(numbers) <= 0)


def test_what_encodes_biology_is_distinguished_from_what_encodes_plates(encoders):
    found = compare_nuisance(evaluation_on(encoders))
    assert found.skipped == ()
    assert list(dict.fromkeys(each.nuisance for each in found.records)) == ["plate", "batch"]
    of = {each.encoder: each for each in found.records if each.nuisance == "plate"}
    assert list(of) == list(encoders)
    for record in of.values():
        assert (record.profiling, record.under_test, record.biology) == ("raw", True, "perturbation")
        assert record.n_rows == N_PLATES * N_PERTURBATIONS  # controls are left out
        assert [each.n_units for each in estimates(record)] == [N_PERTURBATIONS] * 3
        assert record.neighbours == N_PLATES - 1  # as many others as a perturbation has

    biology, plates = of["biology"], of["plates"]
    assert min(biology.biology_score.value, biology.robustness.value) > 0.95
    # Neither is at the chance of a random order: what they encode comes first, and that lies on other plates.
    assert biology.nuisance_score.value == pytest.approx(biology.nuisance_by_biology, abs=0.01)
    assert plates.nuisance_score.value > 0.95
    assert plates.biology_score.value == pytest.approx(plates.biology_by_nuisance, abs=0.01)
    assert max(plates.biology_score.value, biology.nuisance_score.value - 0.2) < 0.1
    assert max(plates.robustness.value, plates.robustness_chance) < 0.1
    assert biology.mixing > 0.8
    assert plates.mixing < 0.4
    assert biology.accepted > 0.8
    assert plates.accepted < 0.1
    assert np.isnan(biology.batch_silhouette)  # each perturbation is once on each plate

    order = [of[name] for name in ("biology", "both", "batch", "plates")]
    assert falls([each.robustness.value for each in order])
    assert falls([each.biology_score.value for each in order])
    assert 0.1 < of["both"].robustness.value < 0.9


def test_batches_that_part_the_wells_of_a_perturbation_lower_the_batch_silhouette(obs):
    batches = reader(obs, 0.3, 1, columns=("perturbation", "batch"))
    found = on("batch", {"biology": reader(obs, 1, 0), "batches": batches})
    assert found["batches"].batch_silhouette < 0.5 < found["biology"].batch_silhouette


def test_baselines_are_scored_beside_encoders_under_test(encoders):
    found = on("plate", {"mine": encoders["both"], "pixel-statistics": encoders["plates"]})
    assert [(each.encoder, each.under_test) for each in found.values()] == [("mine", True), ("pixel-statistics", False)]


def test_chance_is_what_random_vectors_score(obs):
    seeds = {f"random-convolutions@seed={seed}": reader(obs, 0, 0, seed) for seed in range(20)}
    records = records_of(seeds)
    assert len(records) == 2
    for record in records:
        assert_allclose(values(record), chances(record), atol=0.02)


def test_limits_hold_the_scores(encoders):
    records = records_of(encoders)
    assert len(records) == 10
    for record in records:
        assert all(each.low <= each.value <= each.high for each in estimates(record))
        assert record.encoder != "both" or record.biology_score.low < record.biology_score.high


def test_scores_are_those_of_brute_force(encoders, obs):
    record = on("batch", encoders)["both"]
    x, rows = encoders["both"].X[TREATED], obs[TREATED]
    for column, score in (("perturbation", record.biology_score), ("batch", record.nuisance_score)):
        same = rows[column].to_numpy() == rows[column].to_numpy()[:, None]
        np.fill_diagonal(same, False)
        other = ~same & ~np.eye(len(x), dtype=bool)
        assert_allclose(score.value, average_precision(cosine_similarity(x), same, other).mean(), atol=1e-6)
    near = nearest_neighbours(x, N_PLATES - 1)[0]
    assert_allclose(record.robustness.value, robustness_index(near, rows["perturbation"], rows["batch"]))


def test_biology_is_what_replicate_retrieval_says_after_any_post_processing(encoders):
    profilings = ["raw", "robust-z", "tvn"]
    retrieval = make_task("replicate-retrieval", measures="distinctiveness", n_permutations=20)
    evaluation = evaluate(encoders, [retrieval], profilings=profilings)
    scores = {(each.encoder, each.profiling): each.score.value for each in evaluation.scores}
    records = [each for each in compare_nuisance(evaluation).records if each.nuisance == "plate"]
    assert len(records) == len(scores) == 15
    for record in records:
        assert_allclose(record.biology_score.value, scores[record.encoder, record.profiling], atol=1e-6)
    of = {each.profiling: each.nuisance_score.value for each in records if each.encoder == "both"}
    assert of["robust-z"] < of["raw"] - 0.2


def test_sites_are_averaged_and_the_order_of_rows_does_not_matter(encoders, obs):
    records = records_of({"both": encoders["both"]})
    noise = np.random.default_rng(1).normal(size=encoders["both"].shape).astype("f4")
    x = np.concatenate([encoders["both"].X + noise, encoders["both"].X - noise])
    sites = pd.concat([obs, obs]).set_axis([f"t{i}" for i in range(2 * len(obs))])
    shuffled = AnnData(x, obs=sites)[np.random.default_rng(2).permutation(2 * len(obs))].copy()
    for found, expected in zip(records_of({"both": shuffled}), records, strict=True):
        assert_allclose([*values(found), found.mixing], [*values(expected), expected.mixing], rtol=1e-4)
        assert found.n_rows == expected.n_rows
        assert [each.n_units for each in estimates(found)] == [each.n_units for each in estimates(expected)]


def test_the_seeds_of_an_encoder_are_averaged(obs):
    seeds = {f"twin/timm/vit@seed={i}": reader(obs, 0.3 * i, 1, seed=i) for i in range(3)}
    found = on("plate", seeds)
    assert list(found) == ["twin/timm/vit"]
    alone = [on("plate", {name: vectors})["twin/timm/vit"] for name, vectors in seeds.items()]
    record = found["twin/timm/vit"]
    assert_allclose(record.biology_score.value, np.mean([each.biology_score.value for each in alone]))
    assert_allclose(record.nuisance_score.value, np.mean([each.nuisance_score.value for each in alone]))
    assert_allclose(record.mixing, np.mean([each.mixing for each in alone]))


def test_the_same_seed_gives_the_same_records(encoders):
    one, again, other = (records_of(encoders, seed=seed) for seed in (0, 0, 1))
    assert one == again
    assert [each.biology_score.low for each in one] != [each.biology_score.low for each in other]
    assert_allclose([each.biology_score.value for each in one], [each.biology_score.value for each in other])


def test_constant_vectors_score_chance(obs):
    records = records_of({"constant": AnnData(np.ones((len(obs), 3), "f4"), obs=obs)})
    assert len(records) == 2
    for record in records:
        assert_allclose(values(record)[:2], chances(record)[:2])


def test_perturbations_on_one_plate_each_are_confounded_with_it(obs):
    confounded = obs.assign(perturbation="on " + obs["plate"] + (np.arange(len(obs)) % 2).astype(str))
    record = on("plate", {"both": reader(confounded, 1, 1)})["both"]
    assert record.caveat == "every perturbation goes with one plate only: the two are not distinguishable"
    assert np.isnan([record.robustness.value, record.robustness.low, record.robustness.high]).all()
    some = obs.assign(perturbation=obs["perturbation"].where(obs["perturbation"] != "c0", "c0 on " + obs["plate"]))
    some.loc[(some["perturbation"] == "c1") & some["plate"].isin(["p2", "p3"]), "batch"] = "b0"
    record = on("batch", {"both": reader(some, 1, 1)})["both"]
    assert record.caveat == "the perturbation of 4 of 116 rows goes with one batch only"  # c1; c0 has no others
    assert np.isfinite(record.robustness.value)


def test_where_the_two_are_confounded_each_is_scored_by_vectors_that_hold_the_other(obs):
    half = obs["plate"].isin(["p0", "p1"])
    together = obs.assign(perturbation=obs["perturbation"].where(half | ~TREATED, obs["perturbation"] + "'"))
    encoders = {"biology": reader(together, 3, 0), "batch": reader(together, 0, 3, columns=("perturbation", "batch"))}
    found = on("batch", encoders)
    batch, biology = found["batch"], found["biology"]
    assert batch.biology_score.value == pytest.approx(batch.biology_by_nuisance, abs=0.02)
    assert batch.biology_by_nuisance > batch.biology_chance + 0.01
    assert biology.nuisance_score.value == pytest.approx(biology.nuisance_by_biology, abs=0.02)
    assert biology.nuisance_by_biology > biology.nuisance_chance + 0.005


def tissue(n_patients=12, tiles=20):
    patients = np.repeat(np.arange(n_patients), tiles)
    return pd.DataFrame(
        {
            "patient": [f"p{i}" for i in patients],
            "slide": [f"s{i}" for i in patients],
            "label": np.where(np.arange(len(patients)) % 2, "tumour", "normal"),
        },
        index=[f"t{i}" for i in range(len(patients))],
    )


def test_the_biology_of_tiles_is_their_label_and_patients_are_resampled():
    columns = ("label", "patient")
    encoders = {
        "labels": reader(tissue(), 1, 0, columns=columns),
        "patients": reader(tissue(), 0, 1, columns=columns),
    }
    found = compare_nuisance(evaluation_on(encoders))
    assert found.skipped == (Skipped("nuisance", "slide groups rows as patient does", what="slide"),)
    labels, patients = found.records
    for record in found.records:
        assert (record.biology, record.nuisance, record.n_rows, record.neighbours) == ("label", "patient", 240, 20)
        assert [each.n_units for each in estimates(record)] == [12] * 3
    assert min(labels.biology_score.value, patients.nuisance_score.value) > 0.95
    assert patients.biology_score.value == pytest.approx(patients.biology_chance, abs=0.05)
    assert labels.nuisance_score.value == pytest.approx(labels.nuisance_chance, abs=0.05)
    assert labels.robustness.value > 0.9
    assert patients.robustness.value < 0.2


def test_cells_of_a_well_keep_their_labels():
    cells = tissue().assign(plate=lambda obs: "plate " + obs["patient"], well="A01").drop(columns=["patient", "slide"])
    (record,) = records_of({"mine": reader(cells, 1, 1, columns=("label", "plate"))})
    assert (record.biology, record.nuisance, record.n_rows) == ("label", "plate", len(cells))


def test_patients_of_one_label_each_are_confounded_with_it():
    nested = tissue().assign(label=lambda obs: obs["patient"].isin([f"p{i}" for i in range(6)]).map(str))
    (record,) = records_of({"mine": reader(nested, 1, 1, columns=("label", "patient"))})
    assert record.caveat == "every patient goes with one label only: the two are not distinguishable"
    assert np.isnan(record.robustness.value)


@pytest.mark.filterwarnings("ignore:Observation names are not unique")
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda obs: obs.drop(columns=["plate", "well", "batch"]), "rows have none of patient, slide, plate, batch, s"),
        (lambda obs: obs.drop(columns="perturbation"), "there are no two perturbations, nor two labels"),
        (lambda obs: obs.assign(role="negative_control"), "there are no two perturbations, nor two labels"),
        (lambda obs: obs.set_axis(["s"] * len(obs)).drop(columns="well"), "row names repeat"),
        (lambda obs: obs.assign(plate=[None, *obs["plate"][1:]]), "no value in column 'plate'"),
    ],
)
def test_data_without_biology_or_nuisance_are_skipped_with_the_reason(obs, change, reason):
    found = compare_nuisance(evaluation_on({"mine": AnnData(np.ones((len(obs), 3), "f4"), obs=change(obs))}))
    assert found.records == ()
    (skipped,) = found.skipped
    assert reason in skipped.reason
    assert skipped == Skipped("nuisance", skipped.reason)


def test_if_no_nuisance_can_be_scored_each_is_skipped_with_its_reason(obs):
    vectors = np.ones((len(obs), 3), "f4")
    one_plate = obs.assign(plate="p", batch="b", well=range(len(obs)))
    found = compare_nuisance(evaluation_on({"mine": AnnData(vectors, obs=one_plate)}))
    assert found.records == ()
    assert {each.what: each.reason for each in found.skipped} == {
        "plate": "all rows have one plate",
        "batch": "all rows have one batch",
    }
    without_replicates = obs.assign(perturbation=[f"c{i}" for i in range(len(obs))])
    found = compare_nuisance(evaluation_on({"mine": AnnData(vectors, obs=without_replicates)}))
    assert found.records == ()
    assert [each.what for each in found.skipped] == ["plate", "batch"]
    assert found.skipped[0].reason == "no row has another of its perturbation and another of its plate"


def test_nuisances_that_cannot_be_scored_are_skipped_and_others_are_scored(obs, encoders):
    gaps = obs.assign(batch=[None, *obs["batch"][1:]], source="lab")
    data = {"mine": AnnData(encoders["both"].X, obs=gaps)}
    found = compare_nuisance(evaluation_on(data))
    assert [each.nuisance for each in found.records] == ["plate"]
    assert found.skipped == (
        Skipped("nuisance", f"1 of {TREATED.sum()} rows have no batch", what="batch"),
        Skipped("nuisance", "all rows have one source", what="source"),
    )
    alone = {"mine": AnnData(encoders["both"].X[TREATED], obs=obs[TREATED])}
    found = compare_nuisance(evaluation_on(alone, profilings=["tvn", "raw"]))
    assert {each.profiling for each in found.records} == {"raw"}
    (skipped,) = found.skipped
    assert (skipped.part, skipped.profiling, skipped.encoder) == ("nuisance", "tvn", "mine")
    assert "fitted on negative controls" in skipped.reason


def test_an_encoder_without_profiles_is_skipped_alone(obs, encoders):
    """Whitening needs a dimension in which controls vary; the others keep their evidence."""
    flat = AnnData(np.ones((len(obs), 3), "f4"), obs=obs)
    alone = records_of({"both": encoders["both"]}, profilings=["tvn"])
    found = compare_nuisance(evaluation_on({"both": encoders["both"], "flat": flat}, profilings=["tvn"]))
    assert len(alone) == 2
    assert found.records == alone
    (skipped,) = found.skipped
    assert (skipped.part, skipped.profiling, skipped.encoder) == ("nuisance", "tvn", "flat")


def test_only_rows_that_all_encoders_have_are_scored(encoders):
    kept = np.ones(len(TREATED), dtype=bool)
    kept[:5] = False
    records = records_of({"biology": encoders["biology"], "plates": encoders["plates"][kept].copy()})
    assert {each.n_rows for each in records} == {TREATED.sum() - 5}


def test_of_many_rows_whole_perturbations_are_drawn(obs):
    rng = np.random.default_rng(0)
    n, replicates = 3000, 6
    many = pd.DataFrame(
        {
            "plate": np.tile([f"p{i}" for i in range(replicates)], n // replicates),
            "perturbation": np.repeat([f"c{i}" for i in range(n // replicates)], replicates),
        },
        index=[f"w{i}" for i in range(n)],
    )
    many.loc[many.index[:600], "perturbation"] = "positive control"
    (record,) = records_of({"mine": AnnData(rng.normal(size=(n, 4)).astype("f4"), obs=many)})
    n_rows = record.n_rows
    assert 1900 < n_rows <= 2000
    assert n_rows % replicates in (0, 100 % replicates)  # with or without 100 wells of the control
    assert record.neighbours == replicates - 1
    assert record.biology_score.n_units in (n_rows // replicates, (n_rows - 100) // replicates + 1)
