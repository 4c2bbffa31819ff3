"""What an HDF5 file must not contain; also a script that reads all of a file, to see whether that ends well.

HDF5 believes what a file says: it opens other files that one names, and allocates what one claims to hold. At some
damaged blocks it never returns, or ends the process. As a script, which imports none of our packages so that it starts
quickly, this module therefore reads a file under limits of memory and time.
"""

import os
import resource
import sys
from collections.abc import Iterator
from math import prod
from typing import Any

import h5py
import numpy as np

_FREE = 2**26  # bytes that a file may claim in any case; as in `parquet_file`, which this script does not import
_MOST_EXPANDED = 1100  # times that filters can expand what is stored, at most
_FILTERS = {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32, h5py.h5z.FILTER_LZF}

_BLOCK = 2**22  # bytes that are read at once
_FREE_MEMORY = 2**30  # bytes, besides twice what the file claims
_FREE_SECONDS = 3  # of a processor
_BYTES_PER_SECOND = 25e6


def check_content(file: h5py.File, size: int) -> int:
    """Refuse what must not be read, without reading values.

    Parameters
    ----------
    file
        An open file.
    size
        Its size in bytes.

    Returns
    -------
    The memory in bytes that its values take.

    Raises
    ------
    ValueError
        If it refers to other files, links to itself, uses unusual filters, or claims more than it can hold.
    """
    claimed = stored = 0
    datasets = (each for each in _objects(file) if isinstance(each, h5py.Dataset))
    for each in datasets:
        claimed += max(prod(each.shape or ()), prod(each.chunks or ())) * each.dtype.itemsize
        stored += each.id.get_storage_size()
    most = _FREE + _MOST_EXPANDED * min(stored, size)
    # A sparse matrix becomes dense.
    matrix = file["X"].attrs.get("shape", file["X"].attrs.get("h5sparse_shape")) if "X" in file else None
    if matrix is not None:
        claimed += 8 * prod(int(side) for side in np.ravel(matrix))
    if claimed > most:
        raise ValueError(f"it claims to hold {claimed:.2g} bytes, and is a file of {size} bytes")
    return claimed


def _objects(file: h5py.File) -> Iterator[h5py.Group | h5py.Dataset]:
    """Yield all groups and datasets, which must lie in the file itself, and under one name."""
    groups: list[h5py.Group] = [file]
    seen = set()
    while groups:
        group = groups.pop()
        for name in group:
            link = group.get(name, getlink=True)
            if not isinstance(link, h5py.HardLink):
                raise ValueError(f"'{name}' is a link to another place; copy what it names into the file")
            each = group[name]
            place = h5py.h5o.get_info(each.id).addr
            if place in seen:
                raise ValueError(f"'{each.name}' is also stored under another name; store it once")
            seen.add(place)
            if isinstance(each, h5py.Group):
                groups.append(each)
            elif isinstance(each, h5py.Dataset):
                _check_storage(each)
            else:
                continue
            yield each


def _check_storage(dataset: h5py.Dataset) -> None:
    settings = dataset.id.get_create_plist()
    if dataset.is_virtual or settings.get_external_count():
        raise ValueError(f"the values of '{dataset.name}' lie in another file; copy them into this one")
    filters = {settings.get_filter(number)[0] for number in range(settings.get_nfilters())}
    if not filters <= _FILTERS:
        raise ValueError(f"'{dataset.name}' is compressed in an unusual way; write it with compression='gzip'")


def read_everything(file: h5py.File, most: int) -> None:
    """Read all values and attributes, and refuse texts that are longer than `most` bytes together."""
    texts = 0
    for each in (file, *_objects(file)):
        texts += sum(_text_bytes(value) for value in each.attrs.values())
        if isinstance(each, h5py.Dataset):
            texts += sum(_text_bytes(block) for block in _blocks(each))
        if texts > most:
            raise ValueError("it holds the same text too often")


def _blocks(dataset: h5py.Dataset) -> Iterator[Any]:
    if not dataset.shape:
        yield dataset[()]
        return
    row = prod(dataset.shape[1:]) * dataset.dtype.itemsize
    step = max(1, _BLOCK // max(row, 1))
    if dataset.chunks:
        step += -step % dataset.chunks[0]
    for start in range(0, dataset.shape[0], step):
        yield dataset[start : start + step]


def _text_bytes(values: Any) -> int:
    """Return the length of texts, which are not part of what a file claims."""
    if isinstance(values, str | bytes):
        return len(values)
    if isinstance(values, np.ndarray) and values.dtype.hasobject:
        return sum(len(value) for value in np.ravel(values) if isinstance(value, str | bytes | np.ndarray))
    return 0


def _main(path: str) -> None:
    size = os.stat(path).st_size
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_AS, _FREE_MEMORY)
    _limit(resource.RLIMIT_CPU, _FREE_SECONDS)
    with h5py.File(path, "r") as file:
        claimed = check_content(file, size)
        _limit(resource.RLIMIT_AS, _FREE_MEMORY + 2 * claimed)
        _limit(resource.RLIMIT_CPU, _FREE_SECONDS + int(claimed / _BYTES_PER_SECOND))
        read_everything(file, _FREE + _MOST_EXPANDED * size)


def _limit(what: int, value: int) -> None:
    _, most = resource.getrlimit(what)
    resource.setrlimit(what, (value if most == resource.RLIM_INFINITY else min(value, most), most))


if __name__ == "__main__":
    try:
        _main(sys.argv[1])
    except Exception as error:  # whatever a damaged file leads to
        sys.exit((str(error).splitlines() or [type(error).__name__])[0])
