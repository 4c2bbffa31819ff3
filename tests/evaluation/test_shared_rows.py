"""Rows of two encoders are matched by what tells them apart, and never by their number."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from numpy.testing import assert_array_equal

from phenolens.core.errors import EmbeddingError
from phenolens.embedding import FILE, PROVENANCE
from phenolens.evaluation import share_rows

N = 40


def table(file, rows=None, **columns):
    """Return a table of vectors that tell which well they are of; its rows have numbers for names."""
    rows = np.arange(N) if rows is None else np.asarray(rows)
    obs = pd.DataFrame({name: np.asarray(values, dtype=object)[rows] for name, values in columns.items()})
    obs.index = obs.index.astype(str)
    x = np.repeat(rows[:, None], 3, axis=1).astype("f4")
    return AnnData(x, obs=obs, uns={PROVENANCE: {FILE: file}})


def test_metadata_are_plain_text(tmp_path):
    """Each part that is taken of categories is compared with all of them, which took a third of the time of a card."""
    vectors = table("one", site_id=sites(N), **columns())
    plain = vectors.obs.copy()
    vectors.obs = vectors.obs.astype("category")
    shared = share_rows({"one": vectors, "two": vectors.copy()}).embeddings["one"]
    assert all(dtype.kind == "O" for dtype in shared.obs.dtypes)
    pd.testing.assert_frame_equal(shared.obs.reset_index(drop=True), plain.reset_index(drop=True))
    assert (vectors.obs.dtypes == "category").all()  # those given stay as they are


def columns(**more):
    rng = np.random.default_rng(0)
    treated = {"perturbation": rng.permutation([f"c{i // 4}" for i in range(N)])}
    return treated | {name: make(N) for name, make in more.items()}


def sites(n):
    return [f"s{i}" for i in range(n)]


def plates(n):
    return [f"p{i % 2}" for i in range(n)]


def wells(n):
    return [f"{'ABCD'[i // 12 % 4]}{i // 2 % 12 + 1:02d}" for i in range(n)]


SHUFFLED = np.random.default_rng(1).permutation(N)
HALF = SHUFFLED[: N // 2]


@pytest.mark.parametrize(
    ("known", "key"),
    [
        (columns(site_id=sites), None),
        (columns(plate=plates, well=lambda n: [f"w{i // 2}" for i in range(n)]), None),
        (columns(cell=lambda n: [f"cell {i}" for i in range(n)]), "cell"),
    ],
)
@pytest.mark.parametrize("rows", [SHUFFLED, HALF])
def test_rows_are_matched_by_site_by_well_or_by_a_named_key(known, key, rows):
    found = share_rows({"a": table("a.csv", **known), "b": table("b.csv", rows, **known)}, key=key)
    a, b = found.embeddings.values()
    assert a.obs_names.equals(b.obs_names)
    assert_array_equal(a.X, b.X)
    assert a.n_obs == len(rows)
    assert bool(found.note) == (len(rows) < N)


def test_tables_of_which_one_knows_sites_are_matched_by_what_both_know():
    by_well = columns(plate=plates, well=lambda n: [f"w{i // 2}" for i in range(n)])
    a, b = share_rows(
        {"a": table("a.csv", **by_well, site_id=sites(N)), "b": table("b.csv", HALF, **by_well)}
    ).embeddings.values()
    assert_array_equal(a.X, b.X)


def test_names_of_rows_are_a_key_unless_they_are_numbers():
    a, b = table("a.h5ad", **columns()), table("b.h5ad", HALF, **columns())
    with pytest.raises(EmbeddingError, match="cannot be matched"):
        share_rows({"a": a, "b": b})
    a.obs_names, b.obs_names = [f"r{i}" for i in range(N)], [f"r{i}" for i in HALF]
    assert_array_equal(*(each.X for each in share_rows({"a": a, "b": b}).embeddings.values()))


def test_numbers_of_rows_are_a_key_within_one_file():
    whole = table("a.csv", **columns())
    found = share_rows({"a": whole, "b": whole[np.sort(HALF)].copy()})
    assert_array_equal(*(each.X for each in found.embeddings.values()))


def test_without_a_key_only_the_same_rows_in_order_are_compared():
    known = columns()
    same = share_rows({"a": table("a.csv", **known), "b": table("b.csv", **known)})
    assert same.note == ""
    assert {each.n_obs for each in same.embeddings.values()} == {N}
    for rows in (HALF, SHUFFLED):
        with pytest.raises(EmbeddingError) as caught:
            share_rows({"a": table("a.csv", **known), "b": table("b.csv", rows, **known)})
        message = str(caught.value)
        assert f"a.csv ({N} rows) and b.csv ({len(rows)} rows): rows cannot be matched" in message
        assert "--key COLUMN" in message
        assert "\n" not in message


def test_several_rows_of_a_well_are_said_to_be_the_reason():
    known = columns(plate=plates, well=lambda n: [f"w{i // 4}" for i in range(n)])
    with pytest.raises(EmbeddingError, match=r"wells of a\.csv have several rows"):
        share_rows({"a": table("a.csv", **known), "b": table("b.csv", HALF, **known)})


def test_one_thing_has_one_spelling():
    known = columns(plate=lambda n: [7.0] * n, well=lambda n: [f"{'ABCD'[i // 12]}{i % 12 + 1}" for i in range(n)])
    other = dict(known) | {"plate": ["7"] * N, "well": [f"{'abcd'[i // 12]}{i % 12 + 1:02d}" for i in range(N)]}
    a, b = share_rows({"a": table("a.csv", **known), "b": table("b.csv", HALF, **other)}).embeddings.values()
    assert_array_equal(a.X, b.X)
    assert a.n_obs == len(HALF)


def test_rows_that_are_matched_and_differ_are_refused():
    known = columns(site_id=sites)
    wrong = dict(known) | {"perturbation": np.roll(known["perturbation"], 1)}
    with pytest.raises(EmbeddingError, match=r"a\.csv and b\.csv: row '.*' has perturbation 'c\d' in the one"):
        share_rows({"a": table("a.csv", **known), "b": table("b.csv", **wrong)})
    moa = dict(known) | {"moa": sites(N)}
    wrong = dict(moa) | {"moa": sites(N)[::-1]}
    with pytest.raises(EmbeddingError, match="has moa 's0' in the one and 's39' in the other"):
        share_rows({"a": table("a.csv", **moa), "b": table("b.csv", **wrong)}, columns=["moa"])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["x"] * N, "a.csv: 'x' is the cell of several rows"),
        ([None] * N, "a.csv: row '0' has no 'cell' to match it by"),
    ],
)
def test_a_named_key_that_does_not_tell_rows_apart_is_refused(values, message):
    known = columns() | {"cell": values}
    with pytest.raises(EmbeddingError, match=message):
        share_rows({"a": table("a.csv", **known), "b": table("b.csv", **known)}, key="cell")


def test_a_named_key_that_is_missing_or_shared_by_no_row_is_refused():
    known = columns(cell=sites)
    with pytest.raises(EmbeddingError, match=r"a\.csv: no column 'cel' to match rows by; did you mean 'cell'"):
        share_rows({"a": table("a.csv", **known)}, key="cel")
    other = dict(known) | {"cell": [f"t{i}" for i in range(N)]}
    with pytest.raises(EmbeddingError, match=r"a\.csv and b\.csv: no cell is in all of them"):
        share_rows({"a": table("a.csv", **known), "b": table("b.csv", **other)}, key="cell")
