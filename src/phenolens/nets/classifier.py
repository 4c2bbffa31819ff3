"""Weakly supervised classifiers: told which perturbation a site was given, they learn what it looks like."""

from collections.abc import Iterable

import torch
from torch import nn


class Classifier(nn.Module):
    """A network with a linear head over its features.

    Parameters
    ----------
    backbone
        (B, C, H, W) -> (B, num_features).
    n_classes
        How many labels there are.
    """

    def __init__(self, backbone: nn.Module, n_classes: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.num_features: int = backbone.num_features  # type: ignore[assignment]
        self.head = nn.Linear(self.num_features, n_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits (B, n_classes)."""
        return self.head(self.backbone(x))


@torch.no_grad()
def adapt_batch_norm(model: nn.Module, batches: Iterable[torch.Tensor]) -> int:
    """Replace the statistics of batch normalisation by those of the images given, in place (AdaBN; Li et al., 2018).

    Parameters
    ----------
    model
        A network; left in evaluation mode.
    batches
        Standardised images (B, C, H, W) of one plate or batch, which are to be embedded with these statistics.

    Returns
    -------
    How many layers were adapted; 0 for a network without batch normalisation.
    """
    layers = [module for module in model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    model.eval()
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # a plain mean over the batches
        layer.train()
    for batch in batches:
        model(batch)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
        layer.eval()
    return len(layers)
