"""A masked U-Net, which reconstructs hidden patches by convolutions."""

import torch
from torch import nn
from torch.nn import functional as F

from phenolens.nets.mae import Reconstruction
from phenolens.nets.patches import patchify, random_mask, unpatchify


class MaskedUNet(nn.Module):
    """A U-Net that reconstructs hidden patches, a quarter of all by default (MU-Net; Kraus et al., CVPR 2024).

    Parameters
    ----------
    channels
        The number of channels of images.
    width
        The width of the first level, which doubles at each further level.
    depth
        The number of times that the image is halved.
    patch
        The side of a hidden patch in pixels.
    mask_ratio
        The share of patches that are hidden.
    """

    def __init__(
        self, channels: int, *, width: int = 32, depth: int = 4, patch: int = 16, mask_ratio: float = 0.25
    ) -> None:
        super().__init__()
        self.patch = patch
        self.mask_ratio = mask_ratio
        self.depth = depth
        widths = [width * 2**level for level in range(depth + 1)]
        self.num_features = widths[-1]
        self.down = nn.ModuleList(
            _Level(channels if level == 0 else widths[level - 1], widths[level]) for level in range(depth + 1)
        )
        self.up = nn.ModuleList(_Level(widths[level + 1] + widths[level], widths[level]) for level in range(depth))
        self.predict = nn.Conv2d(width, channels, 1)

    def encode(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Return the maps of every level for images (B, C, H, W), finest first.

        Raises
        ------
        ValueError
            If the image cannot be halved that many times.
        """
        if any(side % 2**self.depth for side in x.shape[-2:]):
            height, width = x.shape[-2:]
            raise ValueError(f"an image of {height} x {width} cannot be halved {self.depth} times; choose another crop")
        maps = []
        for index, level in enumerate(self.down):
            x = level(x if index == 0 else F.avg_pool2d(x, 2))
            maps.append(x)
        return maps

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the mean of the coarsest map (B, num_features) of standardised images (B, C, H, W)."""
        return self.encode(x)[-1].mean(dim=(2, 3))

    def reconstruct(self, x: torch.Tensor, generator: torch.Generator | None = None) -> Reconstruction:
        """Hide patches of all channels of standardised images (B, C, H, W), and reconstruct them."""
        target = patchify(x, self.patch, per_channel=False)
        b, _, n, _ = target.shape
        hidden = random_mask(b, n, self.mask_ratio, x.device, generator).hidden[:, None]
        shown = unpatchify(target.masked_fill(hidden[..., None], 0.0), self.patch, (x.shape[1], x.shape[2], x.shape[3]))
        *finer, y = self.encode(shown)
        for level, skip in zip(reversed(self.up), reversed(finer), strict=True):
            y = level(torch.cat([F.interpolate(y, scale_factor=2.0), skip], dim=1))
        return Reconstruction(patchify(self.predict(y), self.patch, per_channel=False), target, hidden, self.patch)


class _Level(nn.Module):
    """Two convolutions with a shortcut."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(n_in, n_out, 3, padding=1), nn.Conv2d(n_out, n_out, 3, padding=1)
        self.norms = nn.ModuleList(nn.GroupNorm(min(8, n_out), n_out) for _ in range(2))
        self.shortcut = nn.Conv2d(n_in, n_out, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = F.gelu(self.norms[0](self.first(x)))
        return self.shortcut(x) + F.gelu(self.norms[1](self.second(y)))
