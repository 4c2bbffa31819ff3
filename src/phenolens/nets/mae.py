"""Masked autoencoders: joint and channel-agnostic."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from phenolens.nets.decoders import ChannelDecoder, JointDecoder
from phenolens.nets.losses import fourier_magnitude, masked_l2
from phenolens.nets.patches import patchify, random_mask
from phenolens.nets.positions import sincos_positions
from phenolens.nets.vit import MicroscopyViT, Size

Decoding = Literal["joint", "per-channel", "shared"]


@dataclass(frozen=True, eq=False)
class Reconstruction:
    """A reconstruction by a masked autoencoder.

    Attributes
    ----------
    predicted, target
        Patches (B, G, N, P).
    hidden
        (B, G, N) mask of the patches that were hidden.
    patch
        The side of a patch in pixels.
    """

    predicted: torch.Tensor
    target: torch.Tensor
    hidden: torch.Tensor
    patch: int

    def loss(self, fourier_weight: float = 0.0) -> torch.Tensor:
        """Return the loss over hidden patches: squared error, and Fourier magnitudes with a weight."""
        squared = masked_l2(self.predicted, self.target, self.hidden)
        if fourier_weight == 0:
            return squared
        spectral = fourier_magnitude(self.predicted, self.target, self.hidden, patch=self.patch)
        return (1 - fourier_weight) * squared + fourier_weight * spectral


class MaskedAutoencoder(nn.Module):
    """A vision transformer that reconstructs hidden patches from visible ones (He et al., CVPR 2022).

    Parameters
    ----------
    size
        The size of the encoder.
    channels
        The number of channels of images; of training images, if the encoder is channel-agnostic.
    decoding
        ``joint``: one projection of all channels, one decoder. ``per-channel`` and ``shared``: channel-agnostic, with
        one decoder per training channel, or one for all.
    mask_ratio
        The share of patches that are hidden.
    decoder
        Width, depth and heads of the decoder; those of the publication if None.
    """

    def __init__(
        self,
        size: Size,
        channels: int,
        *,
        decoding: Decoding = "joint",
        mask_ratio: float = 0.75,
        decoder: tuple[int, int, int] | None = None,
    ) -> None:
        super().__init__()
        self.mask_ratio = mask_ratio
        area = size.patch**2
        self.decoder: JointDecoder | ChannelDecoder
        if decoding == "joint":
            self.encoder = MicroscopyViT(size, channels)
            width, depth, heads = decoder or (512, 8, 16)
            self.decoder = JointDecoder(size.width, channels * area, width=width, depth=depth, heads=heads)
        else:
            self.encoder = MicroscopyViT(size, None)
            width, depth, heads = decoder or (256, 2, 16)
            separate = channels if decoding == "per-channel" else None
            self.decoder = ChannelDecoder(size.width, area, separate, width=width, depth=depth, heads=heads)
        self.apply(_initialise)
        # The norm of the pooled vector is not used here; on several devices, all parameters need a gradient.
        self.encoder.backbone.fc_norm.requires_grad_(requires_grad=False)

    def forward(
        self,
        x: torch.Tensor,
        *,
        channels: torch.Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Reconstruction:
        """Hide patches of standardised images (B, C, H, W) and reconstruct them.

        Parameters
        ----------
        x
            The images.
        channels
            (C,) index among training channels, for separate decoders; all, in order, if None.
        generator
            The source of randomness of masks.
        """
        size = self.encoder.size
        h, w = x.shape[-2:]
        target = patchify(x, size.patch, per_channel=self.encoder.agnostic)
        b, groups, n, _ = target.shape
        mask = random_mask(b, groups * n, self.mask_ratio, x.device, generator)
        encoded = self.encoder.encode(x, mask.visible)
        places = sincos_positions(h // size.patch, w // size.patch, self.decoder.width).to(x.device)
        predicted = self.decoder(encoded, mask, places, channels)
        return Reconstruction(predicted, target, mask.hidden.reshape(b, groups, n), size.patch)


def _initialise(module: nn.Module) -> None:
    """Draw weights as usual for masked autoencoders: Glorot uniform, with patch projections as linear layers."""
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Conv2d):
        nn.init.xavier_uniform_(module.weight.flatten(1))
