"""The objective of weak supervision: predict the label of a site."""

from typing import Any

import torch
from torch.nn import functional as F

from phenolens.training.objective import Objective


class Classification(Objective):
    """A classifier of labels; see `Objective`."""

    def loss(self, x: torch.Tensor, batch: dict[str, Any], generator: torch.Generator) -> torch.Tensor:
        """Return the cross-entropy of the labels; see `Objective.loss`."""
        logits = self.model(x)
        label = batch["label"].to(logits.device)
        self.log("accuracy", (logits.argmax(1) == label).float().mean(), prog_bar=True)
        return F.cross_entropy(logits.float(), label)
