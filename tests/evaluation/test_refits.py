"""Nulls that are post-processed as the score is: what a profiler imprints is no finding."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from numpy.testing import assert_array_equal

import phenolens
from phenolens.evaluation import evaluate
from phenolens.tasks import make_task

CONTROLS, TREATED = 16, 4


def plates(seed, *, offset=0.0, n_plates=4, batches=None, d=12):
    """Return noise on plates, of which each is so much unlike the others."""
    rng = np.random.default_rng(seed)
    per_plate = CONTROLS + TREATED
    names = ["dmso"] * CONTROLS + [f"t{i}" for i in range(TREATED)]
    obs = pd.DataFrame(
        {
            "plate": np.repeat([f"p{i}" for i in range(n_plates)], per_plate),
            "well": [f"A{i + 1:02d}" for i in range(per_plate)] * n_plates,
            "perturbation": names * n_plates,
        },
        index=[f"w{i}" for i in range(n_plates * per_plate)],
    )
    obs["role"] = np.where(obs["perturbation"] == "dmso", "negative_control", "treatment")
    if batches is not None:
        obs["batch"] = np.repeat(batches, per_plate)
    codes = np.repeat(np.arange(n_plates), per_plate)
    x = rng.normal(size=(len(obs), d)) + offset * rng.normal(size=(n_plates, d))[codes]
    return AnnData(x.astype("f4"), obs=obs)


def read_out(wells, profilings, task, **options):
    """Return profiling -> score, and profiling -> what the card says."""
    found = evaluate({"mine": wells}, [task], profilings=profilings, **options)
    card = phenolens.diagnose(found)
    said = {each.profiling: each.claim for each in card.verdicts if each.kind == "nuisance"}
    return {each.profiling: each for each in found.scores}, said


def test_what_post_processing_imprints_is_not_said_to_be_the_plate():
    scores, said = read_out(plates(0), ("raw", "batch-centre"), make_task("leakage"))
    assert scores["raw"].score.chance == 0.25
    assert np.isnan(scores["raw"].estimate.p)
    assert scores["batch-centre"].estimate.low > 0.3  # one over the number of classes would be surpassed
    assert scores["batch-centre"].score.chance > 0.4
    assert scores["batch-centre"].estimate.p > 0.05
    assert "cannot be shown to be predicted" in said["batch-centre"]


def test_a_plate_that_is_left_is_said():
    scores, said = read_out(plates(1, offset=1.5), ("sphering",), make_task("leakage"))
    assert scores["sphering"].estimate.p == 1 / 20
    assert scores["sphering"].score.chance == pytest.approx(0.25, abs=0.06)
    assert "the plate can be predicted from mine better than post-processing itself" in said["sphering"]


def test_what_cannot_be_imprinted_is_not_permuted():
    wells = plates(2, batches=list("aabb"))
    batch = make_task("leakage", nuisance="batch")
    assert batch.n_refits(wells.obs, ("plate",)) == 0
    assert batch.n_refits(wells.obs, ("batch",)) == 19
    assert make_task("leakage").n_refits(wells.obs, ("batch",)) == 19
    assert make_task("leakage", nuisance="edge").n_refits(wells.obs, ("batch",)) == 0
    assert make_task("leakage", refits=0).n_refits(wells.obs, ("plate",)) == 0
    assert make_task("leakage").without_p().n_refits(wells.obs, ("plate",)) == 0


def test_vectors_change_places_with_those_that_are_treated_alike_and_batches_among_plates():
    wells, rng = plates(3, batches=list("aabb")), np.random.default_rng(0)
    permuted = make_task("leakage").permuted(wells, rng)
    assert permuted.obs.equals(wells.obs)
    former = {row.tobytes(): name for row, name in zip(wells.X, wells.obs["perturbation"], strict=True)}
    assert [former[row.tobytes()] for row in permuted.X] == wells.obs["perturbation"].tolist()
    assert (permuted.X != wells.X).any()
    dealt = make_task("leakage", nuisance="batch").permuted(wells, np.random.default_rng(1))
    assert_array_equal(dealt.X, wells.X)
    of_plate = dealt.obs.groupby("plate")["batch"].unique()
    assert sorted(batch for batches in of_plate for batch in batches) == list("aabb")


def test_encoders_share_permutations_and_the_best_of_baselines_is_held_against_the_best():
    wells = plates(4)
    found = evaluate({"one": wells, "two": wells}, [make_task("leakage")], profilings=("batch-centre",))
    one, two = (each.score for each in found.scores)
    assert one.null == two.null
    assert len(one.null) == 19
    assert one.chance == pytest.approx(np.mean(one.null))


@pytest.mark.simulation
def test_noise_is_rarely_said_to_reveal_its_plate():
    said = {"tvn": 0, "pca-centre-scale": 0}
    for seed in range(20):
        claims = read_out(plates(seed), tuple(said), make_task("leakage", folds=2))[1]  # as fast as folds are few
        for profiling, claim in claims.items():
            said[profiling] += "the plate can be predicted" in claim
    assert max(said.values()) <= 4  # of 20 at a rate of 5 %: with a probability of 0.997
