"""Weakly supervised classifiers, which learn phenotypes by predicting the perturbation of a site."""

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
        The number of labels.
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
    """Replace the statistics of batch normalisation by those of the given images, in place (AdaBN; Li et al., 2018).

    Parameters
    ----------
    model
        A network, which is left in evaluation mode.
    batches
        Standardised images (B, C, H, W) of one plate or batch, which will be embedded with these statistics.

    Returns
    -------
    The number of adapted layers; 0 without batch normalisation.
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
