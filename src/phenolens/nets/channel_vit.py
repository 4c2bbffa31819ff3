"""The encoder of a channel-agnostic masked autoencoder: any number of channels, in any order."""

import torch
from timm.models.vision_transformer import Block
from torch import nn

from phenolens.nets.positions import sincos_positions

# name -> width, depth, heads, side of a patch
CHANNEL_VITS = {
    "channel_vit_tiny_patch16": (192, 12, 3, 16),
    "channel_vit_small_patch16": (384, 12, 6, 16),
    "channel_vit_base_patch16": (768, 12, 12, 16),
    "channel_vit_base_patch8": (768, 12, 12, 8),
}


class ChannelViT(nn.Module):
    """A vision transformer whose tokens are the patches of every channel by itself.

    One projection serves all channels, and the patches at one place have the same fixed position in each (Kraus et al.,
    CVPR 2024): nothing in the network tells channels apart, so that their number and order are free.

    Parameters
    ----------
    width, depth, heads
        Of the transformer.
    patch
        The side of a patch in pixels.
    """

    def __init__(self, width: int, depth: int, heads: int, patch: int) -> None:
        super().__init__()
        self.patch = patch
        self.num_features = width
        self.project = nn.Conv2d(1, width, patch, patch)
        self.class_token = nn.Parameter(torch.empty(1, 1, width))
        self.blocks = nn.Sequential(
            *(Block(width, heads, qkv_bias=False, qk_norm=True, init_values=1e-4) for _ in range(depth))
        )
        self.norm = nn.LayerNorm(width)
        nn.init.normal_(self.class_token, std=0.02)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the mean of patch tokens (B, width) of images (B, C, H, W)."""
        b, c, h, w = x.shape
        rows, columns = h // self.patch, w // self.patch
        tokens = self.project(x.reshape(b * c, 1, h, w)).flatten(2).transpose(1, 2)
        tokens = tokens + sincos_positions(rows, columns, self.num_features).to(tokens)
        tokens = tokens.reshape(b, c * rows * columns, self.num_features)
        tokens = torch.cat([self.class_token.expand(b, -1, -1), tokens], dim=1)
        return self.norm(self.blocks(tokens))[:, 1:].mean(dim=1)
