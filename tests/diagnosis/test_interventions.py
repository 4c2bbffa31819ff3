"""Retention on answers and vectors whose truth is known, and on images."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from numpy.testing import assert_allclose

from phenolens.core.errors import ImageError
from phenolens.datasets import read_manifest
from phenolens.diagnosis import compare_interventions, embedding_shift
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


def test_retention_is_the_share_of_the_distance_from_chance():
    original = {"mine": cells(3.0)}
    before = evaluate(original, [PROBE])
    changed = {"flip": original, "blur:4": {"mine": cells(0.0, 1)}, "blur:1": {"mine": cells(1.0)}}
    table = compare_interventions(before, changed, [PROBE]).set_index("intervention")
    assert_allclose(table.loc["flip", ["retention", "low", "high"]].astype(float), 1)
    assert table.loc["blur:4", "low"] < 0.1
    assert abs(table.loc["blur:4", "retention"]) < 0.2
    row = table.loc["blur:1"]
    assert_allclose(row["retention"], (row["value"] - 0.5) / (row["before"] - 0.5))
    assert row["low"] < row["retention"] < row["high"]


def test_a_score_at_chance_has_nothing_to_retain():
    before = evaluate({"mine": cells(0.0)}, [PROBE])
    table = compare_interventions(before, {"flip": {"mine": cells(0.0)}}, [PROBE])
    assert np.isnan(table["retention"]).all()


def test_shift_is_measured_by_the_distance_between_wells():
    own = cells(1.0)
    shifted = embedding_shift(
        {"mine": own},
        {"flip": {"mine": own}, "blur:4": {"mine": cells(1.0, seed=9)}, "turn": {"mine": AnnData(-own.X, obs=own.obs)}},
    ).set_index("intervention")["shift"]
    assert shifted["flip"] == pytest.approx(0)
    assert shifted["blur:4"] == pytest.approx(1, abs=0.1)  # as far as any other row
    assert shifted["turn"] > 1.2


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
