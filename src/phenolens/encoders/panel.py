"""The default panel of baselines, by the kind of images."""

from collections.abc import Sequence
from typing import Literal

from phenolens.datasets import Manifest
from phenolens.images import RGB

Kind = Literal["cells", "tissue"]
PanelSize = Literal["full", "quick"]

_LEAKS = ("metadata", "file-size")
_CONTENT = ("cell-count", "area-fraction", "pixel-statistics", "power-spectrum", "classical-features")
_NETWORKS = ("untrained/vit_small_patch16", "untrained/resnet18")
# The fastest baseline of each thing that a score may come from; density is the cell count where there are no images.
_QUICK = (
    "metadata",
    "well-position",
    "cell-count",
    "cell-graph/density",
    "pixel-statistics",
    "untrained/resnet18@mixing=joint",
)


def kind_of(manifest: Manifest, channels: Sequence[str]) -> Kind:
    """Return the kind of images: tissue if rows have slides, patients, cells or colour images, and no plates."""
    table = manifest.table
    if {"plate", "well"} & set(table):
        return "cells"
    is_tissue = {"slide", "patient"} & set(table) or manifest.cells is not None or set(RGB) <= set(channels)
    return "tissue" if is_tissue else "cells"


def default_panel(kind: Kind, n_channels: int, *, typed: bool = False) -> list[str]:
    """Return the baselines of the default panel, without their seeds.

    Parameters
    ----------
    kind
        ``cells``: plates of cultured cells. ``tissue``: slides of patients.
    n_channels
        The number of channels. With one, joint and separate mixing are the same, and only one is listed; with none,
        there are no images, and only baselines that read tables are listed.
    typed
        Whether cell types are known.
    """
    graphs = ["positions"] if kind == "cells" else ["positions", "morphology"]
    graphs += ["composition", "neighbourhoods"] if typed else []
    structure = [f"cell-graph/{step}" for step in graphs]
    if n_channels == 0:
        return ["metadata", "cell-graph/density", *structure]
    mixings = ["joint", "concat"] if n_channels > 1 else ["joint"]
    return [
        *_LEAKS,
        *(["well-position"] if kind == "cells" else []),
        *_CONTENT,
        *structure,
        "random-convolutions",
        *(f"{network}@mixing={mixing}" for network in _NETWORKS for mixing in mixings),
    ]


def quick_panel(panel: Sequence[str]) -> list[str]:
    """Return the part of a default panel that suffices for a first look."""
    return [name for name in panel if name in _QUICK]
