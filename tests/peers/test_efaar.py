"""Recall, consistency and magnitude against efaar-benchmarking."""

import numpy as np
import pandas as pd
from efaar_benchmarking.benchmarking import (
    cluster_benchmark,
    known_relationship_benchmark,
    pert_signal_consistency_metric,
    pert_signal_magnitude_metric,
)
from efaar_benchmarking.efaar import centerscale_on_controls, tvn_on_controls
from numpy.testing import assert_allclose
from sklearn.utils import Bunch

from phenolens.metrics import (
    PairNull,
    distances,
    distinct_pairs,
    mean_pairwise_cosine,
    set_similarity,
    two_sample_statistic,
)
from phenolens.profiling import TVN
from phenolens.profiling.batches import Batches
from phenolens.profiling.controls import ControlScaler


def test_recall_is_equal(tmp_path):
    rng = np.random.default_rng(0)
    names = np.array([f"G{i}" for i in range(200)])
    x = rng.normal(size=(200, 12))
    pairs = rng.integers(200, size=(700, 2))
    pd.DataFrame(names[pairs], columns=["entity1", "entity2"]).to_csv(tmp_path / "Known.txt", index=False)
    table = Bunch(features=pd.DataFrame(x), metadata=pd.DataFrame({"gene": names}))
    expected = known_relationship_benchmark(table, "gene", ["Known"], [(0.05, 0.95)], benchmark_data_dir=str(tmp_path))
    found = PairNull(x).place(distinct_pairs(pairs))
    assert_allclose(found.lower.mean() + found.upper.mean(), expected["recall_0.05_0.95"].iloc[0])


def test_similarity_within_complexes_is_equal(tmp_path):
    rng = np.random.default_rng(0)
    names = np.array([f"G{i}" for i in range(80)])
    x = rng.normal(size=(80, 6))
    members = {f"C{i}": rng.choice(80, 12, replace=False) for i in range(3)}
    lines = [f"{name}\t{' '.join(names[rows])}" for name, rows in members.items()]
    (tmp_path / "CORUM_clusters.tsv").write_text("\n".join(lines) + "\n")
    table = Bunch(features=pd.DataFrame(x), metadata=pd.DataFrame({"gene": names}))
    expected = cluster_benchmark(table, "gene", "CORUM", benchmark_data_dir=str(tmp_path)).set_index("cluster")
    for name, rows in members.items():
        found = set_similarity(x, rows)
        row = expected.loc[name]
        assert_allclose(found, [row["within_cossim_mean"], row["between_cossim_mean"], row["ks_stat"]], atol=1e-6)


def test_consistency_is_equal():
    x = np.random.default_rng(1).normal(size=(9, 4))
    assert_allclose(mean_pairwise_cosine(x), pert_signal_consistency_metric(x))


def test_magnitude_differs_by_the_distances_of_rows_to_themselves():
    """EFAAR averages over all n^2 pairs, zeros on the diagonal included, so that it is above 0 without an effect."""
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(8, 3)), rng.normal(1, size=(11, 3))
    expected = pert_signal_magnitude_metric(x, y)
    d = distances(np.vstack([x, y]))
    within_x, within_y = d[:8, :8].mean(), d[8:, 8:].mean()
    assert_allclose(2 * d[:8, 8:].mean() - within_x - within_y, expected, rtol=1e-4)
    found = two_sample_statistic(d, np.arange(8)[None], np.arange(19))[0]
    assert_allclose(found, expected - within_x / 7 - within_y / 10, rtol=1e-3)


def screen(n=3000, d=5):
    rng = np.random.default_rng(3)
    meta = pd.DataFrame({"gene": np.where(np.arange(n) % 3 == 0, "ctrl", "x"), "batch": np.arange(n) % 4})
    x = rng.normal(size=(n, d)) @ rng.normal(size=(d, d))
    x[meta["batch"] == 1] = x[meta["batch"] == 1] @ rng.normal(size=(d, d))
    return x, meta, (meta["gene"] == "ctrl").to_numpy(), meta["batch"].to_numpy()


def cosines(x):
    unit = x[:200] / np.linalg.norm(x[:200], axis=1, keepdims=True)
    return unit @ unit.T


def test_tvn_has_the_same_cosines():
    """Ours whitens by ZCA instead of PCA, a rotation, which no cosine can see."""
    x, meta, controls, _ = screen()
    expected = tvn_on_controls(x, meta, "gene", "ctrl")
    assert_allclose(cosines(TVN(shrinkage=0.0).fit_transform(x, controls=controls)), cosines(expected), atol=1e-8)


def test_tvn_with_coral_has_the_same_cosines_where_batches_share_location_and_scale():
    """EFAAR centres and scales on all controls, ours on those of each batch; done beforehand, both do the same."""
    x, meta, controls, batch = screen()
    x = TVN(shrinkage=1.0).fit(x, controls=controls, batch=batch).scaler_.transform(x, Batches(batch))
    expected = tvn_on_controls(x, meta, "gene", "ctrl", "batch")
    found = TVN(shrinkage=0.0, coral=0.5).fit_transform(x, controls=controls, batch=batch)
    assert_allclose(cosines(found), cosines(expected), atol=2e-3)


def test_centre_scale_on_controls_is_equal_up_to_the_sample_correction():
    rng = np.random.default_rng(4)
    x = rng.normal(size=(40, 3)) * 4 + 2
    meta = pd.DataFrame({"gene": ["ctrl"] * 15 + ["x"] * 25})
    expected = centerscale_on_controls(x, meta, "gene", "ctrl")
    scaler = ControlScaler().fit(x, np.arange(40) < 15, Batches(np.zeros(40)))
    assert_allclose(scaler.transform(x, Batches(np.zeros(40))) * np.sqrt(15 / 14), expected)
