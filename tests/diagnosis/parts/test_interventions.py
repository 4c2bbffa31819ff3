"""Retention on answers and vectors whose truth is known, and on images."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from numpy.testing import assert_allclose

from phenolens.core.errors import ImageError
from phenolens.datasets import read_manifest
from phenolens.diagnosis.parts.interventions import compare_interventions
from phenolens.embedding import embed
from phenolens.evaluation import evaluate
from phenolens.simulation import simulate_cells
from phenolens.tasks import make_task

PROBE = make_task("ridge-probe", label="kind", group="movie")


def cells(signal: float, seed: int = 0) -> AnnData:
    rng = np.random.default_rng(seed)
    obs = pd.DataFrame(
        {"kind": np.tile(["a", "b"], 120), "movie": np.repeat([f"m{i}" for i in range(24)], 10)},
        index=[f"c{i}" for i in range(240)],
    )
    x = rng.normal(size=(240, 6))
    x[:, 0] += signal * (obs["kind"] == "a")
    return AnnData(x, obs=obs)


def by_intervention(found):
    return {record.intervention: record for record in found.records}


def test_retention_is_the_share_of_the_distance_from_chance():
    original = {"mine": cells(3.0)}
    before = evaluate(original, [PROBE])
    changed = {"flip": original, "blur:4": {"mine": cells(0.0, 1)}, "blur:1": {"mine": cells(1.0)}}
    left = by_intervention(compare_interventions(before, changed))
    assert_allclose([left["flip"].estimate.value, left["flip"].estimate.low, left["flip"].estimate.high], 1)
    assert left["blur:4"].estimate.low < 0.1
    assert abs(left["blur:4"].estimate.value) < 0.2
    blurred = left["blur:1"]
    assert_allclose(blurred.estimate.value, (blurred.after - 0.5) / (blurred.before - 0.5))
    assert blurred.estimate.low < blurred.estimate.value < blurred.estimate.high
    assert blurred.under_test


def test_a_score_at_chance_has_nothing_to_retain():
    before = evaluate({"mine": cells(0.0)}, [PROBE])
    (left,) = compare_interventions(before, {"flip": {"mine": cells(0.0)}}).records
    assert np.isnan([left.estimate.value, left.estimate.low, left.estimate.high, left.estimate.p]).all()
    assert left.estimate.n_units == 24


def test_shift_is_measured_by_the_distance_between_wells():
    original = cells(1.0)
    turned = AnnData(-original.X, obs=original.obs)
    changed = {"flip": {"mine": original}, "blur:4": {"mine": cells(1.0, seed=9)}, "turn": {"mine": turned}}
    found = by_intervention(compare_interventions(evaluate({"mine": original}, [PROBE]), changed))
    assert found["flip"].shift == pytest.approx(0)
    assert found["blur:4"].shift == pytest.approx(1, abs=0.1)  # as far as any other row
    assert found["turn"].shift > 1.2


def test_shift_is_the_mean_over_seeds():
    seeds = {f"untrained/resnet18@seed={seed}": cells(1.0, seed) for seed in range(2)}
    one, other = seeds
    moved = {one: seeds[one], other: cells(1.0, seed=9)}
    (found,) = compare_interventions(evaluate(seeds, [PROBE]), {"flip": moved}).records
    assert found.encoder == "untrained/resnet18"
    assert found.shift == pytest.approx(0.5, abs=0.1)
    assert not found.under_test


def test_what_cannot_be_scored_after_a_change_is_skipped():
    before = evaluate({"mine": cells(3.0)}, [PROBE])
    one_kind = cells(3.0)[before.profiles.embeddings["mine"].obs["kind"] == "a"].copy()
    found = compare_interventions(before, {"flip": {"mine": one_kind}})
    assert found.records == ()
    (skipped,) = found.skipped
    assert (skipped.part, skipped.what, skipped.task) == ("interventions", "flip", PROBE.id)
    assert skipped.reason


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    out = tmp_path_factory.mktemp("screen")
    simulate_cells(out, plates=1, wells=24, size=96, channels=["dna", "er"], seed=3)
    return read_manifest(out / "manifest.csv")


def test_images_are_changed_before_they_are_seen(manifest):
    plain = embed(manifest, ["pixel-statistics"]).embeddings["pixel-statistics"]
    dropped = embed(manifest, ["pixel-statistics"], intervention="drop-channel:er").embeddings["pixel-statistics"]
    dna = [name for name in plain.var_names if name.startswith("dna")]
    assert_allclose(dropped[:, dna].X, plain[:, dna].X)
    assert_allclose(dropped[:, ["er_sd"]].X, 0)
    assert dropped.uns["phenolens"]["intervention"] == "drop-channel:er"
    assert "intervention" not in plain.uns["phenolens"]


def test_nuclei_are_found_before_they_are_removed(manifest):
    count, contrast = {}, {}
    for name in (None, "nuclei-only", "positions-only", "no-nuclei"):
        found = embed(manifest, ["cell-count", "pixel-statistics"], intervention=name).embeddings
        count[name] = found["cell-count"].X.mean()
        contrast[name] = found["pixel-statistics"][:, ["dna_sd"]].X.mean()
    assert count[None] > 2
    assert count["nuclei-only"] == pytest.approx(count[None], rel=0.2)
    assert count["positions-only"] == pytest.approx(count[None], rel=0.2)
    assert contrast["nuclei-only"] == pytest.approx(contrast[None], rel=0.2)
    assert contrast["no-nuclei"] < 0.5 * contrast[None]


def test_workers_do_not_change_what_is_changed(manifest):
    one, two = (
        embed(manifest, ["pixel-statistics"], intervention="illuminate", workers=n).embeddings["pixel-statistics"].X
        for n in (0, 2)
    )
    assert_allclose(one, two)


def test_an_unknown_intervention_is_refused(manifest):
    with pytest.raises(ImageError, match="no intervention 'blur:3'"):
        embed(manifest, ["pixel-statistics"], intervention="blur:3")
