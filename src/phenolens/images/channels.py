"""Channels with a meaning, by their names."""

from collections.abc import Sequence

RGB = ("red", "green", "blue")

_NUCLEAR = ("dna", "dapi", "hoechst", "nuclei", "nucleus", "draq5", "h2b")


def nuclear_channel(channels: Sequence[str]) -> str | None:
    """Return the nuclear channel: one with a usual name, or the only channel; None if it is unclear.

    Examples
    --------
    >>> nuclear_channel(["gfp", "DAPI"])
    'DAPI'
    """
    named = [channel for channel in channels if channel.lower() in _NUCLEAR]
    if named:
        return named[0]
    return channels[0] if len(channels) == 1 else None
