"""Figures of the report as axes of matplotlib, to look at in a notebook and to change for a paper."""

from typing import TYPE_CHECKING

from phenolens.core.lazy import import_lazily

if TYPE_CHECKING:
    from phenolens.plot.biology import biology_and_batch
    from phenolens.plot.concepts import concepts
    from phenolens.plot.doses import dose_response
    from phenolens.plot.gains import gains
    from phenolens.plot.maps import embedding_map
    from phenolens.plot.scores import scores
    from phenolens.plot.shortcuts import shortcuts

__all__ = ["biology_and_batch", "concepts", "dose_response", "embedding_map", "gains", "scores", "shortcuts"]

import_lazily(
    __name__,
    {
        "biology": ("biology_and_batch",),
        "concepts": ("concepts",),
        "doses": ("dose_response",),
        "gains": ("gains",),
        "maps": ("embedding_map",),
        "scores": ("scores",),
        "shortcuts": ("shortcuts",),
    },
)
