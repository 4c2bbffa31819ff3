"""The squared reconstruction error of hidden patches."""

import torch
from torch.nn import functional as F


def masked_l2(predicted: torch.Tensor, target: torch.Tensor, hidden: torch.Tensor | None = None) -> torch.Tensor:
    """Return the mean squared error over hidden patches, or over all.

    Parameters
    ----------
    predicted, target
        Patches (B, G, N, P), or images (B, C, H, W) or (B, H, W).
    hidden
        (B, G, N) mask of hidden patches; all if None.
    """
    if hidden is not None:  # selected first, so that nothing is computed for other patches
        predicted, target = predicted[hidden], target[hidden]
    return F.mse_loss(predicted.float(), target.float())
