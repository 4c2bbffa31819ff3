"""A bank of random kernels: one convolution deep, many scales."""

import torch
from torch import nn
from torch.nn import functional as F

_SHAPES = ((3, 1), (3, 2), (3, 4), (5, 2), (7, 1), (7, 2), (9, 1), (9, 3))  # side of a kernel, distance of its taps


class RandomConvolutions(nn.Module):
    """Random kernels without a mean, and what share of the image answers each, how strongly, and how unequally.

    The image counterpart of random kernels for time series (ROCKET: Dempster et al., 2020): each kernel has a random
    threshold, and each of its maps is pooled into the share above it, the maximum, and the standard deviation.

    Parameters
    ----------
    channels
        Channels of the images.
    kernels
        Kernels of each shape.
    """

    def __init__(self, channels: int, kernels: int = 8) -> None:
        super().__init__()
        self.banks = nn.ModuleList()
        for side, dilation in _SHAPES:
            # Kernels of coarse scales see as much at every other pixel.
            bank = nn.Conv2d(channels, kernels, side, stride=1 if dilation == 1 else 2, dilation=dilation)
            weight = torch.randn_like(bank.weight)
            weight -= weight.mean(dim=(2, 3), keepdim=True)  # blind to brightness, channel by channel
            bank.weight.data = weight / weight.flatten(1).norm(dim=1)[:, None, None, None]
            bank.bias = nn.Parameter(0.5 * torch.randn(kernels))
            self.banks.append(bank)
        self.num_features = 3 * kernels * len(_SHAPES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the pooled answers (B, num_features) of standardised images (B, C, H, W) of any size."""
        pooled = []
        for bank, (side, dilation) in zip(self.banks, _SHAPES, strict=True):
            reach = dilation * (side - 1)
            short = [max(0, reach + 1 - length) for length in x.shape[-2:]]
            answers = bank(F.pad(x, (0, short[1], 0, short[0])) if any(short) else x).flatten(2)
            above = (answers > 0).to(answers.dtype).mean(dim=2)
            pooled += [above, answers.amax(dim=2), answers.std(dim=2, unbiased=False)]
        return torch.cat(pooled, dim=1)
