"""The reconstruction error of hidden patches in the frequency domain."""

import torch


def fourier_magnitude(
    predicted: torch.Tensor,
    target: torch.Tensor,
    hidden: torch.Tensor | None = None,
    *,
    patch: int | None = None,
) -> torch.Tensor:
    """Return the mean absolute error of Fourier magnitudes, over hidden patches or over whole images.

    Squared error favours blurred reconstructions; the spectrum also penalises missing detail at each scale (Kraus et
    al., CVPR 2024).

    Parameters
    ----------
    predicted, target
        Patches (B, G, N, P), where P holds one or more squares of pixels, channel by channel; or images (B, C, H, W) or
        (B, H, W).
    hidden
        (B, G, N) mask of hidden patches; all if None.
    patch
        The side of a patch; None for images.
    """
    predicted, target = predicted.float(), target.float()
    if hidden is not None:
        predicted, target = predicted[hidden], target[hidden]
    if patch is not None:
        predicted, target = (each.unflatten(-1, (-1, patch, patch)) for each in (predicted, target))
    one, other = (torch.fft.fft2(each, norm="ortho").abs() for each in (predicted, target))
    return (one - other).abs().mean()
