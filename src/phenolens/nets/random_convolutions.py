"""A bank of random convolution kernels of many scales."""

import torch
from torch import nn
from torch.nn import functional as F

_SHAPES = ((3, 1), (3, 2), (3, 4), (5, 2), (7, 1), (7, 2), (9, 1), (9, 3))  # size and dilation of a kernel


class RandomConvolutions(nn.Module):
    """Random zero-mean kernels, whose responses are pooled over the image.

    The image counterpart of random kernels for time series (ROCKET: Dempster et al., 2020): each kernel has a random
    threshold, and its response is pooled to the share above the threshold, the maximum, and the standard deviation.

    Parameters
    ----------
    channels
        The number of channels of images.
    kernels
        The number of kernels of each shape.
    """

    def __init__(self, channels: int, kernels: int = 8) -> None:
        super().__init__()
        self.banks = nn.ModuleList()
        for side, dilation in _SHAPES:
            # Kernels of coarse scales are applied at every other pixel, without loss.
            bank = nn.Conv2d(channels, kernels, side, stride=1 if dilation == 1 else 2, dilation=dilation)
            weight = torch.randn_like(bank.weight)
            weight -= weight.mean(dim=(2, 3), keepdim=True)  # independent of the brightness of each channel
            bank.weight.data = weight / weight.flatten(1).norm(dim=1)[:, None, None, None]
            bank.bias = nn.Parameter(0.5 * torch.randn(kernels))
            self.banks.append(bank)
        self.num_features = 3 * kernels * len(_SHAPES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the pooled responses (B, num_features) to standardised images (B, C, H, W) of any size."""
        pooled = []
        for bank, (side, dilation) in zip(self.banks, _SHAPES, strict=True):
            reach = dilation * (side - 1)
            short = [max(0, reach + 1 - length) for length in x.shape[-2:]]
            responses = bank(F.pad(x, (0, short[1], 0, short[0])) if any(short) else x).flatten(2)
            above = (responses > 0).to(responses.dtype).mean(dim=2)
            pooled += [above, responses.amax(dim=2), responses.std(dim=2, unbiased=False)]
        return torch.cat(pooled, dim=1)
