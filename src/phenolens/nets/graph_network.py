"""A small graph network, which combines each node with its neighbours."""

import torch
from torch import nn


class GraphNetwork(nn.Module):
    """Layers that add to each node the mean of its neighbours (Hamilton et al., GraphSAGE, NeurIPS 2017).

    Parameters
    ----------
    n_in
        The number of features of a node.
    width, depth
        The size of the layers.
    """

    def __init__(self, n_in: int, width: int = 64, depth: int = 3) -> None:
        super().__init__()
        self.hidden = nn.Parameter(torch.zeros(n_in))
        self.of_node = nn.ModuleList(nn.Linear(n_in if layer == 0 else width, width) for layer in range(depth))
        self.of_neighbours = nn.ModuleList(
            nn.Linear(n_in if layer == 0 else width, width, bias=False) for layer in range(depth)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(depth))
        self.predict = nn.Linear(width, n_in)
        self.num_features = 2 * width * depth

    def forward(self, x: torch.Tensor, links: torch.Tensor) -> list[torch.Tensor]:
        """Return the nodes (n, width) after each layer.

        Parameters
        ----------
        x
            (n, n_in) nodes.
        links
            (2, m) pairs of a node and one of its neighbours, in both directions.
        """
        node, neighbour = links
        share = 1 / torch.bincount(node, minlength=len(x)).clamp(min=1)[:, None]
        layers = []
        for of_node, of_neighbours, norm in zip(self.of_node, self.of_neighbours, self.norms, strict=True):
            mean = torch.zeros_like(x).index_add(0, node, x[neighbour]) * share
            x = torch.relu(norm(of_node(x) + of_neighbours(mean)))
            layers.append(x)
        return layers

    def pool(self, x: torch.Tensor, links: torch.Tensor) -> torch.Tensor:
        """Return mean and standard deviation over the nodes of every layer (num_features,)."""
        layers = self(x, links)
        return torch.cat([part for layer in layers for part in (layer.mean(0), layer.std(0, unbiased=False))])

    def masked_loss(self, x: torch.Tensor, links: torch.Tensor, masked: torch.Tensor) -> torch.Tensor:
        """Return the mean squared error of predicting masked nodes (n,) from their neighbours."""
        shown = torch.where(masked[:, None], self.hidden, x)
        predicted = self.predict(self(shown, links)[-1])
        return ((predicted - x)[masked] ** 2).mean()
