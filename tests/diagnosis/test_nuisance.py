"""Biology beside nuisance on rows whose truth is known."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from made_up import profiles_of
from numpy.testing import assert_allclose

from phenolens.diagnosis.nuisance import COLUMNS, compare_nuisance
from phenolens.evaluation import evaluate, tabulate_scores
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
    return {name: reader(obs, *own) for name, own in strengths.items()}


def on(found, nuisance):
    table = found.table
    return table[table["nuisance"] == nuisance].set_index("family")


def test_what_knows_biology_is_told_from_what_knows_plates(encoders):
    found = compare_nuisance(profiles_of(encoders))
    assert found.missing == {}
    assert list(found.table.columns) == list(COLUMNS)
    assert found.table["nuisance"].unique().tolist() == ["plate", "batch"]
    table = on(found, "plate")
    assert set(table["biology"]) == {"perturbation"}
    assert set(table["n_rows"]) == {N_PLATES * N_PERTURBATIONS}  # controls are left out
    assert set(table["n_units"]) == {N_PERTURBATIONS}
    assert set(table["neighbours"]) == {N_PLATES - 1}  # as many others as a perturbation has

    biology, plates = table.loc["biology"], table.loc["plates"]
    assert min(biology["biology_score"], biology["robustness"]) > 0.95
    # Neither is at the chance of a random order: what they know comes first, and that lies on other plates.
    assert biology["nuisance_score"] == pytest.approx(biology["nuisance_by_biology"], abs=0.01)
    assert plates["nuisance_score"] > 0.95
    assert plates["biology_score"] == pytest.approx(plates["biology_by_nuisance"], abs=0.01)
    assert max(plates["biology_score"], biology["nuisance_score"] - 0.2) < 0.1
    assert max(plates["robustness"], plates["robustness_chance"]) < 0.1
    assert biology["lisi"] > 0.8
    assert plates["lisi"] < 0.4

    order = table.loc[["biology", "both", "batch", "plates"]]
    assert order["robustness"].is_monotonic_decreasing
    assert order["biology_score"].is_monotonic_decreasing
    assert 0.1 < table.loc["both", "robustness"] < 0.9


def test_chance_is_what_random_vectors_score(obs):
    seeds = {f"random-convolutions@seed={seed}": reader(obs, 0, 0, seed) for seed in range(20)}
    table = compare_nuisance(profiles_of(seeds)).table
    assert len(table) == 2
    for score, chance in (
        ("biology_score", "biology_chance"),
        ("nuisance_score", "nuisance_chance"),
        ("robustness", "robustness_chance"),
    ):
        assert_allclose(table[score], table[chance], atol=0.02)


def test_limits_hold_the_scores(encoders):
    table = compare_nuisance(profiles_of(encoders)).table
    for score, stem in (("biology_score", "biology"), ("nuisance_score", "nuisance"), ("robustness", "robustness")):
        assert (table[f"{stem}_low"] <= table[score]).all()
        assert (table[score] <= table[f"{stem}_high"]).all()
    both = table[table["family"] == "both"]
    assert (both["biology_low"] < both["biology_high"]).all()


def test_scores_are_those_of_brute_force(encoders, obs):
    row = on(compare_nuisance(profiles_of(encoders)), "batch").loc["both"]
    x, own = encoders["both"].X[TREATED], obs[TREATED]
    for column, score in (("perturbation", "biology_score"), ("batch", "nuisance_score")):
        same = own[column].to_numpy() == own[column].to_numpy()[:, None]
        np.fill_diagonal(same, False)
        other = ~same & ~np.eye(len(x), dtype=bool)
        assert_allclose(row[score], average_precision(cosine_similarity(x), same, other).mean(), atol=1e-6)
    near = nearest_neighbours(x, N_PLATES - 1)[0]
    assert_allclose(row["robustness"], robustness_index(near, own["perturbation"], own["batch"]))


def test_biology_is_what_replicate_retrieval_says_after_any_post_processing(encoders):
    ways = ["raw", "robust-z", "tvn"]
    retrieval = make_task("replicate-retrieval", against="others", n_permutations=20)
    scores = tabulate_scores(evaluate(encoders, [retrieval], profilings=ways)).set_index(["family", "profiling"])
    table = compare_nuisance(profiles_of(encoders), profilings=ways).table
    table = table[table["nuisance"] == "plate"].set_index(["family", "profiling"])
    assert len(table) == len(scores) == 15
    assert_allclose(table["biology_score"], scores.loc[table.index, "value"], atol=1e-6)
    assert table.loc[("both", "robust-z"), "nuisance_score"] < table.loc[("both", "raw"), "nuisance_score"] - 0.2


def test_sites_are_averaged_and_the_order_of_rows_does_not_matter(encoders, obs):
    one = compare_nuisance(profiles_of({"both": encoders["both"]})).table
    noise = np.random.default_rng(1).normal(size=encoders["both"].shape).astype("f4")
    x = np.concatenate([encoders["both"].X + noise, encoders["both"].X - noise])
    sites = pd.concat([obs, obs]).set_axis([f"t{i}" for i in range(2 * len(obs))])
    shuffled = AnnData(x, obs=sites)[np.random.default_rng(2).permutation(2 * len(obs))].copy()
    scores = ["biology_score", "nuisance_score", "robustness", "lisi", "n_rows", "n_units"]
    assert_allclose(compare_nuisance(profiles_of({"both": shuffled})).table[scores], one[scores], rtol=1e-4)


def test_the_seeds_of_a_family_are_averaged(obs):
    seeds = {f"twin/timm/vit@seed={i}": reader(obs, 0.3 * i, 1, seed=i) for i in range(3)}
    found = on(compare_nuisance(profiles_of(seeds)), "plate")
    alone = [on(compare_nuisance(profiles_of({name: own})), "plate") for name, own in seeds.items()]
    assert found.index.tolist() == ["twin/timm/vit"]
    for score in ("biology_score", "nuisance_score", "lisi"):
        assert_allclose(found[score], np.mean([table[score] for table in alone]))


def test_the_same_seed_gives_the_same_table(encoders):
    one, again, other = (compare_nuisance(profiles_of(encoders), seed=seed).table for seed in (0, 0, 1))
    pd.testing.assert_frame_equal(one, again)
    assert not np.array_equal(one["biology_low"], other["biology_low"])
    assert_allclose(one["biology_score"], other["biology_score"])


def test_constant_vectors_score_chance(obs):
    table = compare_nuisance(profiles_of({"constant": AnnData(np.ones((len(obs), 3), "f4"), obs=obs)})).table
    assert_allclose(table["biology_score"], table["biology_chance"])
    assert_allclose(table["nuisance_score"], table["nuisance_chance"])


def test_a_perturbation_on_one_plate_cannot_be_told_from_it(obs):
    confounded = obs.assign(perturbation="on " + obs["plate"] + (np.arange(len(obs)) % 2).astype(str))
    table = on(compare_nuisance(profiles_of({"both": reader(confounded, 1, 1)})), "plate")
    assert table.loc["both", "caveat"] == "every perturbation goes with one plate only: the two cannot be told apart"
    assert table.loc["both", ["robustness", "robustness_low", "robustness_high"]].isna().all()
    some = obs.assign(perturbation=obs["perturbation"].where(obs["perturbation"] != "c0", "c0 on " + obs["plate"]))
    some.loc[(some["perturbation"] == "c1") & some["plate"].isin(["p2", "p3"]), "batch"] = "b0"
    row = on(compare_nuisance(profiles_of({"both": reader(some, 1, 1)})), "batch").loc["both"]
    assert row["caveat"] == "the perturbation of 4 of 116 rows goes with one batch only"  # c1; c0 has no others
    assert np.isfinite(row["robustness"])


def test_where_the_two_go_together_each_is_scored_by_vectors_that_know_the_other(obs):
    half = obs["plate"].isin(["p0", "p1"])
    together = obs.assign(perturbation=obs["perturbation"].where(half | ~TREATED, obs["perturbation"] + "'"))
    encoders = {"biology": reader(together, 3, 0), "batch": reader(together, 0, 3, columns=("perturbation", "batch"))}
    table = on(compare_nuisance(profiles_of(encoders)), "batch")
    batch, biology = table.loc["batch"], table.loc["biology"]
    assert batch["biology_score"] == pytest.approx(batch["biology_by_nuisance"], abs=0.02)
    assert batch["biology_by_nuisance"] > batch["biology_chance"] + 0.01
    assert biology["nuisance_score"] == pytest.approx(biology["nuisance_by_biology"], abs=0.02)
    assert biology["nuisance_by_biology"] > biology["nuisance_chance"] + 0.005


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


def test_tiles_are_asked_for_their_label_and_patients_are_resampled():
    columns = ("label", "patient")
    encoders = {
        "labels": reader(tissue(), 1, 0, columns=columns),
        "patients": reader(tissue(), 0, 1, columns=columns),
    }
    found = compare_nuisance(profiles_of(encoders))
    assert found.missing == {"nuisance slide": "slide tells the same rows apart as patient"}
    table = on(found, "patient")
    assert set(table["biology"]) == {"label"}
    assert set(table["n_rows"]) == {240}
    assert set(table["n_units"]) == {12}
    assert set(table["neighbours"]) == {20}
    labels, patients = table.loc["labels"], table.loc["patients"]
    assert min(labels["biology_score"], patients["nuisance_score"]) > 0.95
    assert patients["biology_score"] == pytest.approx(patients["biology_chance"], abs=0.05)
    assert labels["nuisance_score"] == pytest.approx(labels["nuisance_chance"], abs=0.05)
    assert labels["robustness"] > 0.9
    assert patients["robustness"] < 0.2


def test_cells_of_a_well_keep_their_own_labels():
    cells = tissue().assign(plate=lambda own: "plate " + own["patient"], well="A01").drop(columns=["patient", "slide"])
    (row,) = compare_nuisance(profiles_of({"mine": reader(cells, 1, 1, columns=("label", "plate"))})).table.itertuples()
    assert (row.biology, row.nuisance, row.n_rows) == ("label", "plate", len(cells))


def test_patients_of_one_label_each_cannot_be_told_from_it():
    nested = tissue().assign(label=lambda own: own["patient"].isin([f"p{i}" for i in range(6)]).map(str))
    nested_profiles = profiles_of({"mine": reader(nested, 1, 1, columns=("label", "patient"))})
    (row,) = compare_nuisance(nested_profiles).table.itertuples()
    assert row.caveat == "every patient goes with one label only: the two cannot be told apart"
    assert np.isnan(row.robustness)


@pytest.mark.filterwarnings("ignore:Observation names are not unique")
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda obs: obs.drop(columns=["plate", "well", "batch"]), "rows have none of patient, slide, plate, batch, s"),
        (lambda obs: obs.assign(plate="p", batch="b", well=range(len(obs))), "all rows have one plate; all rows have"),
        (lambda obs: obs.drop(columns="perturbation"), "there are no two perturbations, nor two labels"),
        (lambda obs: obs.assign(perturbation=[f"c{i}" for i in range(len(obs))]), "no row has another of its pertur"),
        (lambda obs: obs.assign(role="negative_control"), "there are no two perturbations, nor two labels"),
        (lambda obs: obs.set_axis(["s"] * len(obs)).drop(columns="well"), "rows have no names of their own"),
        (lambda obs: obs.assign(plate=[None, *obs["plate"][1:]]), "no value in column 'plate'"),
    ],
)
def test_what_cannot_be_asked_is_said(obs, change, said):
    changed = change(obs)
    found = compare_nuisance(profiles_of({"mine": AnnData(np.ones((len(obs), 3), "f4"), obs=changed)}))
    assert found.table.empty
    assert list(found.table.columns) == list(COLUMNS)
    assert said in found.missing["nuisance"]


def test_what_is_missing_of_several_is_said_and_the_rest_is_asked(obs, encoders):
    gaps = obs.assign(batch=[None, *obs["batch"][1:]], source="lab")
    data = {"mine": AnnData(encoders["both"].X, obs=gaps)}
    found = compare_nuisance(profiles_of(data))
    assert found.table["nuisance"].tolist() == ["plate"]
    assert found.missing == {
        "nuisance batch": f"1 of {TREATED.sum()} rows have no batch",
        "nuisance source": "all rows have one source",
    }
    alone = {"mine": AnnData(encoders["both"].X[TREATED], obs=obs[TREATED])}
    found = compare_nuisance(profiles_of(alone), profilings=["tvn", "raw"])
    assert set(found.table["profiling"]) == {"raw"}
    assert "fitted on negative controls" in found.missing["nuisance after tvn, mine"]


def test_an_encoder_without_profiles_is_skipped_alone(obs, encoders):
    """Whitening needs a dimension in which controls vary; the others keep their evidence."""
    flat = AnnData(np.ones((len(obs), 3), "f4"), obs=obs)
    alone = compare_nuisance(profiles_of({"both": encoders["both"]}), profilings=["tvn"]).table
    found = compare_nuisance(profiles_of({"both": encoders["both"], "flat": flat}), profilings=["tvn"])
    pd.testing.assert_frame_equal(found.table, alone)
    assert list(found.missing) == ["nuisance after tvn, flat"]


def test_only_rows_that_all_encoders_have_are_asked(encoders):
    kept = np.ones(len(TREATED), dtype=bool)
    kept[:5] = False
    profiles = profiles_of({"biology": encoders["biology"], "plates": encoders["plates"][kept].copy()})
    found = compare_nuisance(profiles).table
    assert set(found["n_rows"]) == {TREATED.sum() - 5}


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
    table = compare_nuisance(profiles_of({"mine": AnnData(rng.normal(size=(n, 4)).astype("f4"), obs=many)})).table
    (row,) = table.itertuples()
    assert 1900 < row.n_rows <= 2000
    assert row.n_rows % replicates in (0, 100 % replicates)  # with or without 100 wells of the control
    assert row.neighbours == replicates - 1
    assert row.n_units in (row.n_rows // replicates, (row.n_rows - 100) // replicates + 1)
