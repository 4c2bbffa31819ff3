"""Atomic replacement of files: readers see the old or the new content, never a part."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replaced_whole(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`, which replaces it when the block has succeeded.

    If the block raises, as on a full disk, the old file stays and the temporary one is removed. Its name ends in
    ``.tmp``, so that patterns such as ``*.h5ad`` do not match the remains of a killed process.

    Parameters
    ----------
    path
        The file to write or replace; its folder must exist.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "scores.csv"
    ...     with replaced_whole(path) as temporary:
    ...         written = temporary.write_text("score")
    ...     path.read_text()
    'score'
    """
    # With the process number, two runs in the same folder use different temporary files.
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_whole(path: Path, content: bytes) -> None:
    """Write `content` to `path` atomically: readers see the old or the new file, never a part.

    Parameters
    ----------
    path
        The file to write or replace; its folder must exist.
    content
        The content of the file.
    """
    with replaced_whole(path) as temporary:
        temporary.write_bytes(content)
