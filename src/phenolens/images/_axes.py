"""Axes of the arrays in image files: rows, columns and channels, by their kind and their position."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from phenolens.core.errors import ImageError

Kind = Literal["y", "x", "channel", "z", "time", "other"]


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis of an array, as its file describes it.

    Attributes
    ----------
    kind
        Rows (`y`), columns (`x`), channels, z-planes, time points, or another stack.
    name
        Its name in the file, for messages.
    """

    kind: Kind
    name: str


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the planes of a site are in an array.

    Attributes
    ----------
    order
        The axes in the order that puts rows and columns last.
    channel
        The axis of the channels; None if there is one channel.
    """

    order: tuple[int, ...]
    channel: int | None

    def channels_first(self, samples: NDArray[Any]) -> NDArray[Any]:
        """Return an array of any order of axes as a contiguous (C, H, W)."""
        ordered = samples.transpose(self.order)
        return np.ascontiguousarray(ordered.reshape(-1, *ordered.shape[-2:]))


def find_layout(path: Path, shape: tuple[int, ...], axes: Sequence[Axis]) -> Layout:
    """Return where rows, columns and channels are; axes of length 1 may be anywhere and of any kind.

    Names of axes may repeat: the last axes of rows and of columns are those of the image.

    Raises
    ------
    ImageError
        If there are no rows or columns, or a further axis is longer than 1, such as a z-stack.
    """
    kinds = [axis.kind for axis in axes]
    if len(axes) != len(shape) or "y" not in kinds or "x" not in kinds:
        names = ", ".join(axis.name for axis in axes)
        raise ImageError(f"{path}: the axes ({names}) do not fit an array of {len(shape)} dimensions; export it again")
    row, column = (len(kinds) - 1 - kinds[::-1].index(kind) for kind in ("y", "x"))
    rest = [at for at in range(len(shape)) if at not in (row, column)]
    long = [at for at in rest if shape[at] > 1]
    for at in long:
        if kinds[at] != "channel":
            raise ImageError(f"{path}: {shape[at]} {_planes(axes[at])} where a site has one; {_advice(axes[at])}")
    if len(long) > 1:
        names = " and ".join(axes[at].name for at in long)
        raise ImageError(f"{path}: both axes {names} hold channels; save one gray page per channel")
    return Layout((*rest, row, column), long[0] if long else None)


def _planes(axis: Axis) -> str:
    return {"z": "z-planes", "time": "time points"}.get(axis.kind, f"planes along axis {axis.name}")


def _advice(axis: Axis) -> str:
    return "project the z-stack first" if axis.kind == "z" else "save one of them on its own"
