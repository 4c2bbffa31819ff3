"""Scaling of pixels as networks expect it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from phenolens.core.errors import ImageError

if TYPE_CHECKING:
    from torch import Tensor


def self_standardise(pixels: Tensor, eps: float = 1e-6) -> Tensor:
    """Standardise every channel of every image to mean 0 and standard deviation 1.

    Parameters
    ----------
    pixels
        Tensor of shape (B, C, H, W), of any real dtype; it is not changed.
    eps
        Added in quadrature to the standard deviation divided by, in the units of the pixels.

    Returns
    -------
    Tensor
        float32 tensor of shape (B, C, H, W). A constant channel becomes zeros.

    Raises
    ------
    ImageError
        If the tensor does not have four axes, or images have a single pixel.
    """
    import torch
    from torch.nn import functional as F

    _check_batch(pixels)
    if pixels.shape[-2:].numel() == 1:
        raise ImageError("an image of a single pixel has no contrast to standardise; leave it out")
    # Subtracting the first pixel keeps float32 exact if the offset is large and the contrast small; it also makes a
    # constant channel exactly zero.
    if pixels.dtype == torch.float64:
        shifted = (pixels - pixels[..., :1, :1]).to(torch.float32)
    else:
        shifted = pixels.to(torch.float32, copy=True)
        shifted -= shifted[..., :1, :1].clone()
    # With one group per channel, this is the standardisation, in one fused pass over the pixels.
    return F.group_norm(shifted, pixels.shape[1], eps=eps**2)


def scale_to_unit(pixels: Tensor) -> Tensor:
    """Divide integers by the full scale of their dtype; floats are unchanged.

    Parameters
    ----------
    pixels
        Tensor of shape (B, C, H, W): uint8, uint16 or floating point.

    Returns
    -------
    Tensor
        float32 tensor of the same shape; 0 to 1 for integers.

    Raises
    ------
    ImageError
        If the tensor does not have four axes, or is of another integer type.
    """
    import torch

    _check_batch(pixels)
    if pixels.is_floating_point():
        return pixels.to(torch.float32)
    full = {torch.uint8: 255.0, torch.uint16: 65535.0}.get(pixels.dtype)
    if full is None:
        raise ImageError(f"pixels of type {pixels.dtype} have no full scale; give uint8, uint16 or floats")
    return pixels.to(torch.float32).div_(full)


def standardise(pixels: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Subtract a mean and divide by a standard deviation per channel.

    Parameters
    ----------
    pixels
        Tensor of shape (B, C, H, W), of any real dtype.
    mean, std
        C numbers each, in the units of the pixels.

    Returns
    -------
    Tensor
        float32 tensor of shape (B, C, H, W).

    Raises
    ------
    ImageError
        If there are not C means and C positive standard deviations.
    """
    import torch

    _check_batch(pixels)
    n_channels = pixels.shape[1]
    if len(mean) != n_channels or len(std) != n_channels:
        raise ImageError(f"pixels of {n_channels} channels but {len(mean)} means and {len(std)} standard deviations")
    if min(std) <= 0:
        raise ImageError(f"standard deviations must be positive, found {min(std)}")
    shape = (1, n_channels, 1, 1)
    centre = torch.tensor(mean, dtype=torch.float32, device=pixels.device).view(shape)
    scale = torch.tensor(std, dtype=torch.float32, device=pixels.device).view(shape)
    return (pixels.to(torch.float32) - centre).div_(scale)


def _check_batch(pixels: Tensor) -> None:
    if pixels.ndim != 4:
        raise ImageError(f"pixels must be (B, C, H, W), found shape {tuple(pixels.shape)}")
