"""Contrastive learning: two views of a well are more similar than views of different wells."""

import torch
from torch import nn
from torch.nn import functional as F


class Contrastive(nn.Module):
    """A network with a projection in which views are compared (SimCLR; Chen et al., ICML 2020).

    Parameters
    ----------
    backbone
        (B, C, H, W) -> (B, num_features).
    width
        The width of the projection.
    temperature
        The temperature; a smaller one gives more weight to the nearest negatives.
    """

    def __init__(self, backbone: nn.Module, *, width: int = 128, temperature: float = 0.2) -> None:
        super().__init__()
        self.backbone = backbone
        self.temperature = temperature
        self.num_features: int = backbone.num_features  # type: ignore[assignment]
        self.project = nn.Sequential(
            nn.Linear(self.num_features, self.num_features), nn.GELU(), nn.Linear(self.num_features, width)
        )

    def forward(self, views: torch.Tensor) -> torch.Tensor:
        """Return the loss of pairs of views (B, 2, C, H, W)."""
        z = F.normalize(self.project(self.backbone(views.flatten(0, 1))).float(), dim=1)
        similarity = z @ z.T / self.temperature
        similarity = similarity.masked_fill(torch.eye(len(z), dtype=torch.bool, device=z.device), float("-inf"))
        partner = torch.arange(len(z), device=z.device) ^ 1
        return F.cross_entropy(similarity, partner)
