"""Damaged and hostile files of vectors end in one line, in seconds and in bounded memory."""

import os
import shutil
import subprocess
import sys
import time
import zlib
from hashlib import sha256

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from anndata import AnnData
from scipy.sparse import csr_matrix

from phenolens.core.errors import EmbeddingError
from phenolens.embedding import PROVENANCE, read_embeddings, write_embeddings

ROWS = 40


@pytest.fixture(scope="module")
def vectors():
    rng = np.random.default_rng(0)
    obs = pd.DataFrame(
        {
            "perturbation": pd.Categorical([f"c{row % 4}" for row in range(ROWS)]),
            "well": [f"A{row % 12 + 1:02d}" for row in range(ROWS)],
            "dose": rng.random(ROWS),
        },
        index=[f"s{row}" for row in range(ROWS)],
    )
    found = AnnData(rng.normal(size=(ROWS, 20)).astype(np.float32), obs=obs)
    found.uns[PROVENANCE] = {"encoder": "mine", "channels": ["dna", "er"], "versions": {"phenolens": "1"}}
    return found


def refused(path):
    """Return the one line by which a file is refused, in seconds."""
    began = time.monotonic()
    with pytest.raises(EmbeddingError) as caught:
        read_embeddings(path)
    assert time.monotonic() - began < 60  # on a machine that does much else, too
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


def zeroed(content, rng):
    start = int(rng.integers(len(content)))
    return content[:start] + bytes(min(512, len(content) - start)) + content[start + 512 :]


def flipped(content, rng):
    changed = bytearray(content)
    for place in rng.integers(len(content), size=8):
        changed[place] ^= int(rng.integers(1, 256))
    return bytes(changed)


def cut(content, rng):
    return content[: int(rng.integers(len(content)))]


@pytest.mark.parametrize("damage", [zeroed, flipped, cut])
@pytest.mark.parametrize("seed", range(8))
def test_what_we_wrote_is_not_read_when_it_is_damaged(tmp_path, vectors, damage, seed):
    path = tmp_path / "mine.h5ad"
    write_embeddings(vectors, path)
    whole = path.read_bytes()
    changed = damage(whole, np.random.default_rng(seed))
    if changed != whole:
        path.write_bytes(changed)
        refused(path)


@pytest.mark.parametrize("compression", [None, "gzip", "lzf"])
@pytest.mark.parametrize("damage", [zeroed, flipped, cut])
def test_damage_in_files_of_others_never_hangs_and_never_ends_the_process(tmp_path, vectors, damage, compression):
    path = tmp_path / "theirs.h5ad"
    vectors.copy().write_h5ad(path, compression=compression)
    whole = path.read_bytes()
    for seed in range(3):
        path.write_bytes(damage(whole, np.random.default_rng(seed)))
        try:
            assert read_embeddings(path).n_obs  # what is damaged may be a place that holds nothing
        except EmbeddingError as error:
            assert "\n" not in str(error)  # noqa: PT017 - either way is right


def test_a_global_heap_of_zeros_which_hdf5_reads_for_ever(tmp_path, vectors):
    """The names of rows and columns lie in global heaps; an object of no size in one is never passed."""
    path = tmp_path / "theirs.h5ad"
    vectors.copy().write_h5ad(path)
    content = bytearray(path.read_bytes())
    at = content.index(b"GCOL")
    content[at + 16 : at + 528] = bytes(512)
    path.write_bytes(content)
    assert "damaged" in refused(path) or "heap" in refused(path)


@pytest.mark.parametrize("compression", [None, "gzip", "lzf"])
def test_undamaged_files_of_others_are_read(tmp_path, vectors, compression):
    path = tmp_path / "theirs.h5ad"
    vectors.copy().write_h5ad(path, compression=compression)
    np.testing.assert_array_equal(read_embeddings(path).X, vectors.X)


def external_values(file, secret):
    attributes = dict(file["obs/perturbation/categories"].attrs)
    del file["obs/perturbation/categories"]
    place = [(str(secret), 0, 160)]
    made = file["obs/perturbation"].create_dataset("categories", shape=(4,), dtype="S40", external=place)
    made.attrs.update(attributes)


def external_matrix(file, secret):
    del file["X"]
    made = file.create_dataset("X", shape=(ROWS, 1), dtype="u1", external=[(str(secret), 0, ROWS)])
    made.attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})


def external_link(file, secret):
    with h5py.File(secret.with_suffix(".h5"), "w") as other:
        other["x"] = np.zeros((ROWS, 2), np.float32)
    del file["X"]
    file["X"] = h5py.ExternalLink(str(secret.with_suffix(".h5")), "x")


def virtual_dataset(file, secret):
    with h5py.File(secret.with_suffix(".h5"), "w") as other:
        other["x"] = np.zeros((ROWS, 2), np.float32)
    del file["X"]
    layout = h5py.VirtualLayout((ROWS, 2), np.float32)
    layout[:] = h5py.VirtualSource(secret.with_suffix(".h5"), "x", (ROWS, 2))
    file.create_virtual_dataset("X", layout)


def group_within_itself(file, secret):
    file["uns/again"] = file["uns"]


def names_without_end(file, secret):
    group = file.create_group("uns/start")
    for _ in range(20):
        inner = group.create_group("a")
        group["b"] = inner
        group = inner


def empty_terabytes(file, secret):
    del file["X"]
    made = file.create_dataset("X", shape=(ROWS, 2**35), dtype="f4", chunks=(1, 2**20))
    made.attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})


def expanding_chunk(file, secret):
    del file["X"]
    made = file.create_dataset("X", shape=(ROWS, 4), dtype="f4", chunks=(ROWS, 4), compression="gzip")
    made.attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})
    compressor = zlib.compressobj(1)
    start, again = [compressor.compress(bytes(2**24)) + compressor.flush(zlib.Z_FULL_FLUSH) for _ in range(2)]
    made.id.write_direct_chunk((0, 0), start + 255 * again)  # 4 GiB of zeros


HOSTILE = [
    external_values,
    external_matrix,
    external_link,
    virtual_dataset,
    group_within_itself,
    names_without_end,
    empty_terabytes,
    expanding_chunk,
]


@pytest.mark.parametrize("change", HOSTILE)
def test_nothing_but_the_file_itself_is_read_and_no_more_than_it_holds(tmp_path, vectors, change):
    secret = tmp_path / "secret.txt"
    secret.write_text("secret-token" * 100)
    path = tmp_path / "theirs.h5ad"
    vectors.copy().write_h5ad(path)
    with h5py.File(path, "a") as file:
        change(file, secret)
    assert "secret" not in refused(path).replace(str(path), "")
    content = path.read_bytes()
    path.write_bytes(content + b"\nphenolens sha256 " + sha256(content).digest())  # a checksum, which anyone can add
    assert "secret" not in refused(path).replace(str(path), "")


def test_a_sparse_matrix_that_claims_more_than_it_holds(tmp_path, vectors):
    path = tmp_path / "theirs.h5ad"
    AnnData(csr_matrix(np.eye(ROWS, dtype=np.float32)), obs=vectors.obs).write_h5ad(path)
    assert read_embeddings(path).shape == (ROWS, ROWS)
    with h5py.File(path, "a") as file:
        file["X"].attrs["shape"] = np.array([ROWS, 10**10])
    assert "claims" in refused(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("text", "delete this entry"),
        (np.arange(3), "delete this entry"),
        ({"info": "text"}, "delete this entry"),
        ({"info": {"name": "a", "model": "a", "seed": "x"}}, "not 'x'"),
        ({"encoder": "two\nlines"}, "no text in one line"),
        ({"encoder": "\x1b[2J"}, "no text in one line"),
    ],
)
def test_odd_provenance_is_refused(tmp_path, vectors, content, message):
    path = tmp_path / "theirs.h5ad"
    changed = vectors.copy()
    changed.uns[PROVENANCE] = content
    changed.write_h5ad(path)
    assert message in refused(path)


def test_a_matrix_of_texts_is_refused(tmp_path, vectors):
    path = tmp_path / "theirs.h5ad"
    vectors.copy().write_h5ad(path)
    with h5py.File(path, "a") as file:
        del file["X"]
        made = file.create_dataset("X", data=np.full((ROWS, 20), "a", dtype=object), dtype=h5py.string_dtype())
        made.attrs.update({"encoding-type": "string-array", "encoding-version": "0.2.0"})
    assert "not numbers" in refused(path)


@pytest.mark.parametrize("suffix", [".npz", ".parquet"])
@pytest.mark.parametrize("damage", [zeroed, flipped, cut])
def test_other_tables_that_are_damaged(tmp_path, vectors, damage, suffix):
    path = tmp_path / f"theirs{suffix}"
    if suffix == ".npz":
        np.savez_compressed(path, X=vectors.X, well=np.array(vectors.obs["well"], dtype=str))
    else:
        vectors.obs.assign(f0=vectors.X[:, 0], f1=vectors.X[:, 1]).to_parquet(path)
    whole = path.read_bytes()
    for seed in range(20):
        path.write_bytes(damage(whole, np.random.default_rng(seed)))
        try:
            assert read_embeddings(path).n_obs
        except EmbeddingError as error:
            assert "\n" not in str(error)  # noqa: PT017 - either way is right


def test_a_table_that_claims_more_rows_than_it_can_hold(tmp_path):
    path = tmp_path / "theirs.parquet"
    rows = 5 * 10**7
    table = pa.table({"f0": pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int8)), pa.array([1.0]))})
    pq.write_table(table, path)
    assert path.stat().st_size < 300_000
    assert "rows, more than it can" in refused(path)


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path, vectors):
    """A limit of the size of files acts as a full disk does, and needs no rights."""
    path = tmp_path / "mine.h5ad"
    write_embeddings(vectors, path)
    before = path.read_bytes()
    script = (
        "import resource, signal, sys\n"
        "from phenolens.embedding import read_embeddings, write_embeddings\n"
        "vectors = read_embeddings(sys.argv[1])\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10000, 10000))\n"
        "try:\n"
        "    write_embeddings(vectors, sys.argv[1])\n"
        "except OSError as error:\n"
        "    sys.exit(f'error: {error}')\n"
    )
    done = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    [line] = done.stderr.strip().splitlines()
    assert "mine.h5ad" in line
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["mine.h5ad"]


def test_a_copy_elsewhere_is_read(tmp_path, vectors):
    write_embeddings(vectors, tmp_path / "mine.h5ad")
    shutil.copy(tmp_path / "mine.h5ad", tmp_path / "copy.h5ad")
    np.testing.assert_array_equal(read_embeddings(tmp_path / "copy.h5ad").X, vectors.X)
