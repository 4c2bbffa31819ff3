"""Average precision against copairs, on data without ties: with ties copairs ranks positives first."""

import numpy as np
import pandas as pd
import pytest
from copairs.map import average_precision, multilabel
from numpy.testing import assert_allclose

from phenolens.metrics import control_average_precision, label_average_precision, multilabel_average_precision


@pytest.fixture
def profiles():
    rng = np.random.default_rng(0)
    meta = pd.DataFrame({"plate": np.repeat(["p1", "p2", "p3"], 40), "label": rng.integers(12, size=120).astype(str)})
    meta["role"] = np.where(meta["label"].isin(["0", "1", "2"]), "control", "treated")
    meta.loc[meta["role"] == "control", "label"] = "dmso"
    return meta, rng.normal(size=(120, 6))


def ap(found):
    return found.sort_index()["average_precision"].to_numpy()


def test_all_others_as_negatives(profiles, clear_rows):
    meta, x = profiles
    expected = average_precision(meta, x, ["label"], [], [], ["label"], progress_bar=False)
    kept = clear_rows(x)
    assert_allclose(label_average_precision(x, meta["label"].to_numpy())[kept], ap(expected)[kept], atol=1e-6)


def test_controls_of_the_same_plate_as_negatives(profiles):
    meta, x = profiles
    expected = ap(average_precision(meta, x, ["label"], [], ["plate"], ["role"], progress_bar=False))
    treated = (meta["role"] == "treated").to_numpy()
    found = control_average_precision(x, meta["label"].to_numpy(), meta["plate"].to_numpy(), ~treated)
    assert_allclose(found[treated], expected[treated], atol=1e-6)


def test_several_labels_per_row(profiles):
    rng = np.random.default_rng(1)
    x = profiles[1][:40]
    carried = [sorted({f"t{i}" for i in rng.integers(8, size=rng.integers(1, 4))}) for _ in range(40)]
    meta = pd.DataFrame({"row": np.arange(40), "target": carried})
    expected = multilabel.average_precision(
        meta, x, ["target"], [], [], ["target"], multilabel_col="target", progress_bar=False
    )
    expected = expected.set_index(["row", "target"])["average_precision"]
    marks = [(row, label) for row, labels in enumerate(carried) for label in labels]
    found = multilabel_average_precision(x, np.array([m[0] for m in marks]), np.array([m[1] for m in marks]))
    found = pd.Series(found, index=pd.MultiIndex.from_tuples(marks)).dropna()
    assert_allclose(found.to_numpy(), expected.reindex(found.index).to_numpy(), atol=1e-6)


def test_ties_are_where_we_part(profiles):
    meta, x = profiles
    expected = average_precision(meta, np.ones_like(x), ["label"], [], [], ["label"], progress_bar=False)
    assert ap(expected).min() == 1.0
    assert label_average_precision(np.ones_like(x), meta["label"].to_numpy()).max() < 0.5
