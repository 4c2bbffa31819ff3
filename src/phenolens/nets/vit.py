"""The vision transformer of masked autoencoders for microscopy, with joint channels or channel-agnostic."""

from dataclasses import dataclass

import torch
from timm.models import checkpoint_seq
from timm.models.vision_transformer import VisionTransformer
from torch import nn

from phenolens.nets.attention import ParallelBlock
from phenolens.nets.positions import sincos_positions


@dataclass(frozen=True)
class Size:
    """The size of a vision transformer.

    Attributes
    ----------
    width, depth, heads
        The size of its blocks.
    patch
        The side of a patch in pixels.
    drop_path
        The rate at which whole branches are dropped in training, at the last block; lower at earlier blocks.
    """

    width: int
    depth: int
    heads: int
    patch: int
    drop_path: float = 0.0


SIZES = {
    "micro_patch8": Size(96, 4, 3, 8),
    "tiny_patch16": Size(192, 12, 3, 16),
    "small_patch16": Size(384, 12, 6, 16, 0.1),
    "base_patch16": Size(768, 12, 12, 16, 0.1),
    "base_patch8": Size(768, 12, 12, 8, 0.1),
    "large_patch16": Size(1024, 24, 16, 16, 0.3),
    "large_patch8": Size(1024, 24, 16, 8, 0.3),
}


class MicroscopyViT(nn.Module):
    """A vision transformer with parallel blocks, normalised queries and keys, LayerScale, and fixed positions.

    The architecture of Kraus et al. (CVPR 2024), from parts of timm. With joint channels, one projection takes all
    channels of a patch. Channel-agnostic, one projection takes single-channel patches, whose positions are the same in
    each channel, so that number and order of channels are free.

    Parameters
    ----------
    size
        One of `SIZES`, or another size.
    channels
        The number of joint channels; None to be channel-agnostic.
    """

    def __init__(self, size: Size, channels: int | None) -> None:
        super().__init__()
        self.size = size
        self.agnostic = channels is None
        self.num_features = size.width
        self.backbone = VisionTransformer(
            patch_size=size.patch,
            in_chans=channels or 1,
            num_classes=0,
            global_pool="avg",
            embed_dim=size.width,
            depth=size.depth,
            num_heads=size.heads,
            qkv_bias=False,
            qk_norm=True,
            init_values=1e-4,
            pos_embed="none",
            drop_path_rate=size.drop_path,
            block_fn=ParallelBlock,
            dynamic_img_size=True,
        )
        self._positions: dict[tuple[int, int, torch.device], torch.Tensor] = {}

    def positions(self, height: int, width: int, device: torch.device) -> torch.Tensor:
        """Return the positions (N, width) of the patches of an image."""
        key = (height // self.size.patch, width // self.size.patch, device)
        if key not in self._positions:
            self._positions[key] = sincos_positions(key[0], key[1], self.size.width).to(device)
        return self._positions[key]

    def tokens(self, x: torch.Tensor) -> torch.Tensor:
        """Return the patches (B, G, N, width) of images (B, C, H, W), in G groups: C channels, or one if joint."""
        b, c, h, w = x.shape
        if h % self.size.patch or w % self.size.patch:
            raise ValueError(f"patches of {self.size.patch} pixels do not divide an image of {h} x {w}")
        folded = x.reshape(b * c, 1, h, w) if self.agnostic else x
        patches = self.backbone.patch_embed.proj(folded).flatten(2).transpose(1, 2)
        patches = patches + self.positions(h, w, x.device).to(patches.dtype)
        return patches.unflatten(0, (b, -1)) if self.agnostic else patches[:, None]

    def blocks(self, x: torch.Tensor, layers: list[int]) -> list[torch.Tensor]:
        """Return the class token and all patches (B, 1 + G N, width) after chosen blocks, counted from 1."""
        tokens = self._with_class_token(self.tokens(x).flatten(1, 2))
        found = {}
        for number, block in enumerate(self.backbone.blocks, start=1):
            tokens = block(tokens)
            found[number] = tokens
            if number == max(layers):
                break
        return [found[layer] for layer in layers]

    def encode(self, x: torch.Tensor, visible: torch.Tensor | None = None) -> torch.Tensor:
        """Return the class token and the patches (B, 1 + M, width) after the last block.

        Parameters
        ----------
        x
            (B, C, H, W) images.
        visible
            (B, M) indices of the G N patches, group by group; all if None.
        """
        tokens = self.tokens(x).flatten(1, 2)
        if visible is not None:
            tokens = tokens.gather(1, visible[..., None].expand(-1, -1, tokens.shape[-1]))
        tokens = self._with_class_token(tokens)
        if self.backbone.grad_checkpointing and self.training:
            return checkpoint_seq(self.backbone.blocks, tokens)
        return self.backbone.blocks(tokens)

    def _with_class_token(self, tokens: torch.Tensor) -> torch.Tensor:
        first: torch.Tensor = self.backbone.cls_token  # type: ignore[assignment]
        return torch.cat([first.to(tokens.dtype).expand(len(tokens), -1, -1), tokens], dim=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the normalised mean (B, width) of the patches of images (B, C, H, W)."""
        return self.backbone.fc_norm(self.encode(x)[:, 1:].mean(dim=1))
