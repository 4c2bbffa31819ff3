"""Files before they are opened: only regular ones are read."""

import stat
from pathlib import Path

from phenolens.core.errors import ImageError

_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
    stat.S_IFDIR: "a folder",
}


def check_regular(path: Path) -> int:
    """Return the size of a regular file in bytes, and refuse everything else, which may block or never end.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ImageError
        If it is a named pipe, a device, a socket or a folder, or a link to one.
    """
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        kind = _KINDS.get(stat.S_IFMT(found.st_mode), "no file")
        raise ImageError(f"{path}: is {kind}, not a regular file; name an image file")
    return found.st_size


def check_not_empty(path: Path) -> int:
    """Return the size of a regular file in bytes, as `check_regular`, and refuse an empty one.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ImageError
        If it is no regular file, or has no content.
    """
    size = check_regular(path)
    if size == 0:
        raise ImageError(f"{path}: the file is empty (0 bytes); copy or export it again")
    return size
