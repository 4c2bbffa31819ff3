"""The objective of contrast: two views of a well are more alike than views of others."""

from typing import Any

import torch

from phenolens.training.objective import Objective


class ContrastOfViews(Objective):
    """SimCLR on wells; see `Objective`."""

    def loss(self, x: torch.Tensor, batch: dict[str, Any], generator: torch.Generator) -> torch.Tensor:
        """Return the contrastive loss of pairs (B, 2, C, H, W); see `Objective.loss`."""
        return self.model(x)
