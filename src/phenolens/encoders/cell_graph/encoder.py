"""Cell graphs as encoders, of nuclei in images or of a table of cells."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from skimage.measure import regionprops_table

from phenolens.core.cpu import available_cores
from phenolens.core.errors import EncoderError, did_you_mean
from phenolens.datasets import Cells, Manifest
from phenolens.encoders.base import Pixels, RowEncoder, hash_text
from phenolens.encoders.cell_graph import marks, positions
from phenolens.encoders.cell_graph.graph import Edges, build_graph
from phenolens.encoders.cell_graph.pairs import close_pairs
from phenolens.encoders.nuclei import ALGORITHM, NucleiMeasurement, Segmentation

STEPS = ("density", "positions", "morphology", "composition", "neighbourhoods")
_NUCLEAR = ("area", "axis_major_length", "axis_minor_length", "perimeter", "solidity")
_SHAPE = ("area", "length", "elongation", "roundness", "solidity")


@dataclass(frozen=True)
class Structure:
    """The features of a cell graph and its parameters.

    Attributes
    ----------
    steps
        A selection of `STEPS`, in their order.
    edges, cap, k, radius
        As in `build_graph`.
    morphology, types
        The names of the measurements of a cell, and of cell types.
    """

    steps: tuple[str, ...]
    edges: Edges
    cap: float
    k: int
    radius: float | None
    morphology: tuple[str, ...]
    types: tuple[str, ...]

    def measure(self, cells: Cells) -> dict[str, float]:
        """Return feature name -> value; the names are the same for any number of cells."""
        features: dict[str, float] = {}
        if self.steps == ("density",):
            return positions.density(cells)
        graph = build_graph(cells.positions, self.edges, cap=self.cap, k=self.k, radius=self.radius)
        pairs = close_pairs(cells)
        measures: dict[str, Callable[[], dict[str, float]]] = {
            "density": lambda: positions.density(cells),
            "positions": lambda: positions.arrangement(cells, graph, pairs),
            "morphology": lambda: marks.morphology(cells, graph, self.morphology),
            "composition": lambda: marks.composition(cells, self.types),
            "neighbourhoods": lambda: marks.neighbourhoods(cells, graph, pairs, self.types),
        }
        for step in self.steps:
            features |= measures[step]()
        return features

    def vector(self, cells: Cells) -> NDArray[np.float32]:
        """Return the features (D,)."""
        return np.fromiter(self.measure(cells).values(), dtype=np.float32)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The names of the features."""
        none = Cells(np.empty((0, 2)), (1.0, 1.0), np.empty((0, len(self.morphology))), np.empty(0, np.intp))
        return tuple(self.measure(none))


def cell_graph(
    name: str,
    step: str,
    channels: Sequence[str],
    *,
    alone: bool = False,
    edges: Edges = "delaunay",
    cap: float = 4.0,
    k: int = 6,
    radius: float | None = None,
    nucleus: str | None = None,
    diameter: float | None = None,
    manifest: Manifest | None = None,
) -> "ImageCellGraph | TableCellGraph":
    """Return an encoder of the spatial arrangement of cells, up to one of nested steps.

    Cells are those of the manifest's table of cells; without one, nuclei from masks or classical segmentation.

    Parameters
    ----------
    step
        ``density``: the number of cells, and per area. ``positions``: adds their spatial arrangement. ``morphology``:
        adds the shapes of nuclei. ``composition``: adds the shares of cell types. ``neighbourhoods``: adds which types
        are neighbours. Each step includes the earlier steps for which there are data.
    alone
        Whether to leave out earlier steps.
    edges, cap, k, radius
        As in `build_graph`.
    nucleus, diameter
        As in `CellCount`.
    manifest
        The sites.

    Raises
    ------
    EncoderError
        If there is no such step, these data lack what it needs, or the nuclear channel cannot be determined.
    """
    if step not in STEPS:
        raise EncoderError(f"'{name}': no step '{step}' of cell graphs{did_you_mean(step, STEPS)}")
    if (edges == "radius") != (radius is not None) or (radius is not None and not radius > 0) or k < 1 or not cap > 0:
        raise EncoderError(
            f"'{name}': edges=radius needs a positive radius, other edges none; k and cap must be positive"
        )
    table = manifest.cells if manifest is not None else None
    morphology = _SHAPE if table is None else table.morphology_names
    types = () if table is None else table.type_names
    needs = {"morphology": morphology, "composition": types, "neighbourhoods": types}
    possible = tuple(each for each in STEPS if needs.get(each, True))
    if step not in possible:
        what = "measurements" if step == "morphology" else "types"
        where = "these images" if table is None else str(table.source)
        raise EncoderError(
            f"'{name}': needs {what} of cells, which are missing in {where}; give a table of cells with {what}"
        )
    before = [] if alone else [each for each in possible if STEPS.index(each) < STEPS.index(step)]
    structure = Structure((*before, step), edges, cap, k, radius, morphology, types)
    if table is not None and manifest is not None:
        return TableCellGraph(name, structure, replace(structure, steps=possible), manifest)
    return ImageCellGraph(name, structure, Segmentation.choose(name.partition("@")[0], channels, nucleus, diameter))


class ImageCellGraph(NucleiMeasurement):
    """A cell graph of the nuclei of images.

    Parameters
    ----------
    structure
        The features.
    segmentation
        The segmentation for images without masks.
    """

    def __init__(self, name: str, structure: Structure, segmentation: Segmentation) -> None:
        self.name = name
        self.structure = structure
        self.segmentation = segmentation
        self.channels = segmentation.channels
        self.feature_names = structure.feature_names
        self.weights_hash = hash_text(structure, segmentation.diameter, ALGORITHM)

    def embed(
        self, pixels: Pixels, channels: Sequence[str], nuclei: NDArray[np.int32] | None = None
    ) -> NDArray[np.float32]:
        """Return the features (B, D); see `NucleiMeasurement.embed`."""
        nuclei = self.segmentation.find(pixels, channels) if nuclei is None else nuclei
        needs_shape = "morphology" in self.structure.steps
        return np.stack([self.structure.vector(cells_of(labels, shape=needs_shape)) for labels in nuclei])


def cells_of(labels: NDArray[np.int32], *, shape: bool) -> Cells:
    """Return the labelled objects of an image (H, W) as cells, with their shapes if `shape`."""
    height, width = labels.shape
    found = regionprops_table(labels, properties=("label", "centroid", *(_NUCLEAR if shape else ())))
    place = np.stack([found["centroid-1"], found["centroid-0"]], axis=1) + 0.5
    if not shape:
        return Cells(place, (float(width), float(height)))
    area, major, minor, perimeter, solidity = (found[what].astype(float) for what in _NUCLEAR)
    # An object of one or two pixels has no measurable axes and outline, and counts as round.
    elongation = np.divide(major, minor, out=np.ones_like(major), where=minor > 0)
    roundness = np.divide(4 * np.pi * area, perimeter**2, out=np.ones_like(area), where=perimeter > 0)
    return Cells(
        place, (float(width), float(height)), np.stack([area, major, elongation, np.minimum(roundness, 1), solidity], 1)
    )


class TableCellGraph(RowEncoder):
    """A cell graph of the sites of a table of cells.

    Parameters
    ----------
    structure
        The features.
    every
        All features that these cells allow, including those of `structure`.
    manifest
        The sites with their cells; its columns ``width`` and ``height``, if any, are the sizes of sites.
    """

    def __init__(self, name: str, structure: Structure, every: Structure, manifest: Manifest) -> None:
        self.name = name
        self._every = every
        self.feature_names = structure.feature_names
        self.weights_hash = hash_text(structure)
        self._manifest = manifest

    def embed_rows(self) -> NDArray[np.float32]:
        """Return the features (n, D).

        Raises
        ------
        ManifestError
            If cells are outside their site.
        """
        counts, every = _measure_sites(self._manifest, self._every)
        self.note = "; ".join(
            f"{(counts == few).sum()} of {len(counts)} sites have {what}"
            for few, what in ((0, "no cells"), (1, "a single cell"))
            if (counts == few).any()
        )
        return every[list(self.feature_names)].to_numpy(np.float32)


@lru_cache(maxsize=1)
def _measure_sites(manifest: Manifest, structure: Structure) -> tuple[NDArray[np.intp], pd.DataFrame]:
    """Return the number of cells of each site, and all features; cached, because all steps use the same graphs."""
    cells = list(_cells(manifest))
    counts = np.array([len(each) for each in cells])
    # The largest first, so that none of them is left for a single core at the end.
    order = np.argsort(-counts, kind="stable")
    vectors = np.empty((len(cells), len(structure.feature_names)), np.float32)
    with ProcessPoolExecutor(min(available_cores(), len(cells))) as pool:
        vectors[order] = list(pool.map(structure.vector, [cells[row] for row in order]))
    return counts, pd.DataFrame(vectors, columns=list(structure.feature_names))


def _cells(manifest: Manifest) -> Iterator[Cells]:
    table, sites = manifest.table, manifest.cells
    assert sites is not None  # noqa: S101 - called for manifests that have them
    sized = {"width", "height"} <= set(table)
    sizes = table[["width", "height"]].astype(float).to_numpy() if sized else None
    for row, site_id in enumerate(table.index):
        yield sites.of(str(site_id), None if sizes is None else (float(sizes[row, 0]), float(sizes[row, 1])))
