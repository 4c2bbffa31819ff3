"""Atomic replacement of files: readers see the old or the new content, never a part."""

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from phenolens.core.errors import PhenolensError

_SUFFIX = ".tmp"
_PATIENCE = 10.0  # seconds: the processes of a run that was killed end a little later, and keep its lock until then


@contextmanager
def replaced_whole(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`, which replaces it when the block has succeeded.

    If the block raises, as on a full disk, the old file stays and the temporary one is removed. Its name ends in
    ``.tmp``, so that patterns such as ``*.h5ad`` do not match the remains of a killed process.

    Parameters
    ----------
    path
        The file to write or replace; its folder must exist.

    Raises
    ------
    OSError
        If it cannot be written; the message names the file.

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
    # With a name of its own, no other run in the same folder writes to the temporary file, on whatever machine.
    temporary = path.with_name(f".{path.name}.{uuid4().hex[:12]}{_SUFFIX}")
    try:
        yield temporary
        _to_disk(temporary)
        os.replace(temporary, path)
    except OSError as error:
        if error.errno is not None and error.filename is None:
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


def _to_disk(path: Path) -> None:
    """Wait until the content is on the disk: a file that is renamed before it is empty after a power failure."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


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


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Be the only run that writes to a folder, and remove the temporary files of runs that were killed.

    The operating system ends the claim together with the process, however that ends. Where a file system knows no
    locks, nothing is claimed, and no temporary file removed.

    Parameters
    ----------
    folder
        The folder, which must exist.

    Raises
    ------
    PhenolensError
        If another run is writing to it.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        if _claim(handle, folder):
            for left in folder.glob(f".*{_SUFFIX}"):
                left.unlink(missing_ok=True)
        yield
    finally:
        os.close(handle)


def _claim(handle: int, folder: Path) -> bool:
    """Lock an open folder; return whether its file system knows locks."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                raise PhenolensError(
                    f"{folder}: another run is writing to this folder; wait for its end, or choose another folder"
                ) from error
            time.sleep(0.1)
        except OSError as error:
            if error.errno in (errno.EBADF, errno.ENOLCK, errno.ENOTSUP, errno.EINVAL):
                return False
            raise
        else:
            return True
