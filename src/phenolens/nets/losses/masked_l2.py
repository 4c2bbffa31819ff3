"""The squared error of what was hidden."""

import torch


def masked_l2(predicted: torch.Tensor, target: torch.Tensor, hidden: torch.Tensor | None = None) -> torch.Tensor:
    """Return the mean squared error over hidden patches, or over everything.

    Parameters
    ----------
    predicted, target
        Patches (B, G, N, P), or images (B, C, H, W) or (B, H, W).
    hidden
        (B, G, N) which patches were hidden; None counts all.
    """
    error = (predicted.float() - target.float()) ** 2
    return error.mean() if hidden is None else error[hidden].mean()
