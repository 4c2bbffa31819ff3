"""Files that are replaced whole: a reader sees the old content or the new, never half of it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replaced_whole(path: Path) -> Iterator[Path]:
    """Yield a temporary file beside `path`, which takes its place once the block has ended well.

    For writers that want a path. If the block raises, as on a full disk, what lay at `path` stays and the temporary
    file goes. Its name ends in ``.tmp``, so that no pattern such as ``*.h5ad`` takes what a killed process has left.

    Parameters
    ----------
    path
        The file to write or replace; its folder must be there.

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
    # The process number keeps two runs that write to one folder from writing to one file.
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_whole(path: Path, content: bytes) -> None:
    """Write `content` to `path` so that a reader sees the old file or the new one, never half of it.

    Parameters
    ----------
    path
        The file to write or replace; its folder must be there.
    content
        Its bytes.
    """
    with replaced_whole(path) as temporary:
        temporary.write_bytes(content)
