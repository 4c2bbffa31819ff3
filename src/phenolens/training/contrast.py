"""The contrastive objective: two views of a well are more similar than views of different wells."""

from typing import Any

import torch

from phenolens.training.objective import Objective


class ContrastOfViews(Objective):
    """SimCLR with two sites of a well as views; see `Objective`."""

    def loss(self, x: torch.Tensor, batch: dict[str, Any], generator: torch.Generator) -> torch.Tensor:
        """Return the contrastive loss of pairs (B, 2, C, H, W); see `Objective.loss`."""
        return self.model(x)
