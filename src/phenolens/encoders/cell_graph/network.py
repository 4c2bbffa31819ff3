"""A small graph network over cells as a baseline, random or trained to predict masked cells."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from phenolens.core.errors import EncoderError
from phenolens.datasets import Cells, Manifest
from phenolens.encoders.base import RowEncoder, hash_text
from phenolens.encoders.cell_graph.graph import build_graph
from phenolens.nets import GraphNetwork

Training = Literal["none", "masked"]
_EPOCHS = 3
_MASKED = 0.3
_LEARNING_RATE = 1e-3


class GraphNetworkEncoder(RowEncoder):
    """Pooled nodes of a graph network over the cells of each site, for tables of cells.

    The features of a node are its type, its measurements, its number of neighbours, and its mean distance to them
    relative to the median of the site.

    Parameters
    ----------
    training
        ``none``: random weights. ``masked``: trained on the sites themselves, without labels, to predict masked cells
        from their neighbours.
    seed
        The seed of weights and masks.

    Raises
    ------
    EncoderError
        If there is no table of cells.
    """

    def __init__(
        self,
        name: str,
        channels: Sequence[str],
        *,
        training: Training = "masked",
        seed: int = 0,
        manifest: Manifest,
    ) -> None:
        if manifest.cells is None:
            raise EncoderError(f"'{name}' needs a table of cells, which the manifest lacks")
        self.name = name
        self.training = training
        self.seed = seed
        self._manifest = manifest
        self._n_types = len(manifest.cells.type_names)
        self._n_in = self._n_types + len(manifest.cells.morphology_names) + 2
        width = GraphNetwork(self._n_in).num_features
        self.feature_names = tuple(f"graph_{index}" for index in range(width))
        self.weights_hash = hash_text("cell-graph-network", training, seed, manifest.cells.type_names)

    def embed_rows(self) -> NDArray[np.float32]:
        """Return the pooled nodes (n, D); zeros for sites without cells."""
        sites = self._manifest.cells
        assert sites is not None  # noqa: S101 - created for a manifest that has them
        graphs = [self._nodes(sites.of(str(site_id))) for site_id in self._manifest.table.index]
        full = [x for x, _ in graphs if len(x)]
        mean = torch.cat([x.mean(0, keepdim=True) for x in full]).mean(0)
        sd = torch.cat([((x - mean) ** 2).mean(0, keepdim=True) for x in full]).mean(0).sqrt()
        graphs = [((x - mean) / torch.where(sd > 0, sd, 1.0), links) for x, links in graphs]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            model = GraphNetwork(self._n_in)
            if self.training == "masked":
                _train(model, [graph for graph in graphs if len(graph[0]) > 1])
        with torch.inference_mode():
            pooled = [model.pool(x, links) if len(x) else torch.zeros(model.num_features) for x, links in graphs]
        return torch.stack(pooled).numpy()

    def _nodes(self, cells: Cells) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the features of nodes (n, n_in), and links (2, m) between neighbours."""
        graph = build_graph(cells.positions)
        degree = graph.degree
        share = np.divide(1.0, degree, out=np.zeros(graph.n), where=degree > 0)
        unit = np.median(graph.lengths) if len(graph.lengths) else 1.0
        reach = graph.adjacency(graph.lengths).sum(axis=1) * share / (unit or 1.0)
        parts = [np.eye(self._n_types)[cells.types]] if cells.types is not None else []
        parts += [cells.morphology] if cells.morphology is not None else []
        x = np.column_stack([*parts, degree, reach])
        links = np.concatenate([graph.edges, graph.edges[:, ::-1]]).T
        return torch.from_numpy(x).float(), torch.from_numpy(np.ascontiguousarray(links))


def _train(model: GraphNetwork, graphs: Sequence[tuple[torch.Tensor, torch.Tensor]]) -> None:
    """Train a network to predict masked nodes, with one site per step."""
    optimiser = torch.optim.AdamW(model.parameters(), lr=_LEARNING_RATE)
    for _ in range(_EPOCHS):
        for index in torch.randperm(len(graphs)).tolist():
            x, links = graphs[index]
            masked = torch.rand(len(x)) < _MASKED
            if not masked.any():
                continue
            optimiser.zero_grad()
            model.masked_loss(x, links, masked).backward()
            optimiser.step()
