"""The squared error of what was hidden."""

import torch
from torch.nn import functional as F


def masked_l2(predicted: torch.Tensor, target: torch.Tensor, hidden: torch.Tensor | None = None) -> torch.Tensor:
    """Return the mean squared error over hidden patches, or over everything.

    Parameters
    ----------
    predicted, target
        Patches (B, G, N, P), or images (B, C, H, W) or (B, H, W).
    hidden
        (B, G, N) which patches were hidden; None counts all.
    """
    if hidden is not None:  # chosen first: nothing is computed for the others
        predicted, target = predicted[hidden], target[hidden]
    return F.mse_loss(predicted.float(), target.float())
