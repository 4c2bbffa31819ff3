"""Files of the format .h5ad: written whole with a checksum, and read only after they have been checked."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from phenolens.core.errors import EmbeddingError, reason_of
from phenolens.core.files import replaced_whole

if TYPE_CHECKING:
    from anndata import AnnData

# Behind the end of the HDF5 data, where its readers do not look: this, and the checksum of all before it.
_SEAL = b"\nphenolens sha256 "
_SEAL_LENGTH = len(_SEAL) + hashlib.sha256().digest_size
_BLOCK = 2**24


def write_h5ad(embeddings: AnnData, path: Path) -> None:
    """Write embeddings to a .h5ad file with a checksum, whole or not at all."""
    content = as_h5ad(embeddings)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replaced_whole(path) as temporary, temporary.open("wb") as file:
        file.write(content)
        file.write(_SEAL + hashlib.sha256(content).digest())


def as_h5ad(embeddings: AnnData) -> memoryview:
    """Return the content of a .h5ad file, without a checksum.

    It is made in memory, since HDF5 ends the process if a disk is full, and not compressed, since vectors hardly become
    smaller.
    """
    import h5py
    from anndata.io import write_elem

    content = BytesIO()
    with h5py.File(content, "w") as file:
        write_elem(file, "/", embeddings)
        if embeddings.raw is None and "raw" in file:
            del file["raw"]  # which says that there is none, and is taken for one where files are read in parts
    return content.getbuffer()


def columns_in_h5ad(content: memoryview) -> list[str]:
    """Return the columns of metadata in the content of a .h5ad file that has been written here."""
    import h5py
    from anndata.io import read_elem

    with h5py.File(BytesIO(content), "r") as file:
        return list(read_elem(file["obs"]))


def read_h5ad(path: Path, *, own: bool = False) -> AnnData:
    """Read a .h5ad file that may be damaged, or made to do harm.

    Parameters
    ----------
    path
        The file.
    own
        Whether this run has written it, or has found it in its own folder: see `check_h5ad`.

    Raises
    ------
    EmbeddingError
        As in `check_h5ad`, or if it does not hold what a .h5ad file does.
    """
    import anndata

    check_h5ad(path, own=own)
    try:
        return anndata.read_h5ad(path)
    except Exception as error:  # what damaged content leads to is not limited to any type
        raise _refusal(path, reason_of(error)) from error


def check_h5ad(path: Path, *, own: bool = False) -> None:
    """Refuse a file that must not be read.

    It is first read by a process of its own, which may fail. A checksum shows that a file is undamaged, and not who
    wrote it: only of our own files it is enough.

    Raises
    ------
    EmbeddingError
        If it is no HDF5 file, is damaged, refers to other files, or claims to hold more than it can.
    """
    import h5py

    from phenolens.embedding import hdf5_check

    if not (is_sealed(path) and own):
        command = [sys.executable, "-P", hdf5_check.__file__, os.fspath(path)]
        alone = dict(os.environ, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")  # threads reserve memory
        done = subprocess.run(command, capture_output=True, check=False, text=True, errors="replace", env=alone)  # noqa: S603
        if done.returncode < 0:
            raise _refusal(path, "it is damaged, reading it does not end well")
        if done.returncode > 0:
            raise _refusal(path, (done.stderr.strip().splitlines() or ["it is damaged"])[-1])
        return
    try:
        with h5py.File(path, "r") as file:
            hdf5_check.check_content(file, path.stat().st_size)
    except Exception as error:  # as in `read_h5ad`
        raise _refusal(path, reason_of(error)) from error


def _refusal(path: Path, reason: str) -> EmbeddingError:
    return EmbeddingError(f"{path}: cannot be read as embeddings: {reason}")


def is_sealed(path: Path) -> bool:
    """Whether a file has a checksum, which shows that `write_h5ad` has written it to its end.

    Raises
    ------
    EmbeddingError
        If the checksum is that of other content.
    """
    with path.open("rb") as file:
        length = file.seek(0, os.SEEK_END) - _SEAL_LENGTH
        file.seek(max(length, 0))
        seal = file.read()
        if length < 0 or not seal.startswith(_SEAL):
            return False
        file.seek(0)
        digest = hashlib.sha256()
        while length > 0 and (block := file.read(min(length, _BLOCK))):
            digest.update(block)
            length -= len(block)
    if digest.digest() != seal[len(_SEAL) :]:
        raise _refusal(path, "it is damaged, its content is not what was written; embed again, or copy it again")
    return True
