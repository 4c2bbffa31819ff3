"""The memory that this process may still take."""

import resource
from pathlib import Path

_SYSTEM = Path("/proc/meminfo")
_PROCESS = Path("/proc/self/statm")
# Limits of containers, in both versions of control groups; copies of files in memory make room where it is needed.
_CONTAINERS = (
    (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.stat"), "anon"),
    (Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"), Path("/sys/fs/cgroup/memory/memory.stat"), "total_rss"),
)
_UNKNOWN = 2**33  # bytes, where the system does not say


def free_memory() -> int:
    """Return how many bytes this process may still take, as far as the system, its container and its limits say."""
    free = [_free_in_system(), *(_free_in_container(*files) for files in _CONTAINERS)]
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY:
        free.append(limit - _taken_by_process())
    return max(0, min(each for each in free if each is not None))


def check_memory(needed: int, what: str) -> None:
    """Refuse what does not fit into memory.

    Parameters
    ----------
    needed
        The bytes that it takes.
    what
        What takes them, as the beginning of a sentence.

    Raises
    ------
    ValueError
        If there are not so many.
    """
    free = free_memory()
    if needed > free:
        raise ValueError(
            f"{what} {needed / 2**30:.3g} GiB of memory, and {free / 2**30:.3g} GiB are free; split the table, or "
            "leave out columns"
        )


def _free_in_system() -> int:
    try:
        lines = dict(line.split(":", 1) for line in _SYSTEM.read_text().splitlines())
        return int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return _UNKNOWN


def _free_in_container(most: Path, state: Path, taken: str) -> int | None:
    try:
        counts = dict(line.split(" ", 1) for line in state.read_text().splitlines())
        return int(most.read_text()) - int(counts[taken])
    except (OSError, KeyError, ValueError):  # no container, or one without a limit
        return None


def _taken_by_process() -> int:
    try:
        return int(_PROCESS.read_text().split()[0]) * resource.getpagesize()
    except (OSError, ValueError):
        return 0
