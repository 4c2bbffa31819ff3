"""Vectors from intermediate layers of a network, the best of which is often not the last."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from phenolens.nets.vit import MicroscopyViT

Pool = Literal["mean", "class", "channels"]


@dataclass(frozen=True, eq=False)
class LayerOutput:
    """The output of a layer.

    Attributes
    ----------
    first
        (B, D) class token; None for networks without one.
    patches
        (B, G, N, D) patches or positions, by channel if the network keeps channels separate, else G = 1.
    """

    first: torch.Tensor | None
    patches: torch.Tensor

    def pool(self, how: Pool) -> torch.Tensor:
        """Return one vector per image: the mean of patches, the class token, or the concatenated means of each channel.

        Raises
        ------
        ValueError
            If the network has no class token.
        """
        if how == "class":
            if self.first is None:
                raise ValueError("the network has no class token; pool by mean")
            return self.first
        means = self.patches.mean(dim=2)
        return means.flatten(1) if how == "channels" else means.mean(dim=1)


def n_layers(model: nn.Module) -> int:
    """Return the number of layers whose outputs can be read; 0 if there are none."""
    if isinstance(model, MicroscopyViT):
        return model.size.depth
    return len(getattr(model, "feature_info", ())) if hasattr(model, "forward_intermediates") else 0


def layer_outputs(model: nn.Module, x: torch.Tensor, layers: list[int]) -> list[LayerOutput]:
    """Return the outputs of chosen layers, counted from 1, for images (B, C, H, W), in one pass."""
    if isinstance(model, MicroscopyViT):
        groups = x.shape[1] if model.agnostic else 1
        return [
            LayerOutput(tokens[:, 0], tokens[:, 1:].unflatten(1, (groups, -1))) for tokens in model.blocks(x, layers)
        ]
    kept: list[LayerOutput] = []
    is_vit = hasattr(model, "num_prefix_tokens")
    options = {"output_fmt": "NLC", "return_prefix_tokens": True} if is_vit else {}
    found = model.forward_intermediates(  # type: ignore[operator]
        x, indices=[layer - 1 for layer in layers], intermediates_only=True, **options
    )
    for each in found:
        patches, prefix = each if isinstance(each, tuple) else (each.flatten(2).transpose(1, 2), None)
        first = prefix[:, 0] if prefix is not None and prefix.shape[1] else None
        kept.append(LayerOutput(first, patches[:, None]))
    return kept


class LayerVectors(nn.Module):
    """A network up to one layer, whose output is pooled to a vector.

    Parameters
    ----------
    model
        The network.
    layer
        The layer, counted from 1.
    pool
        As in `LayerOutput.pool`.
    channels
        The number of channels of images, which determines the length of the vectors.

    Raises
    ------
    ValueError
        If there is no such layer, or it cannot be pooled that way.
    """

    def __init__(self, model: nn.Module, layer: int, pool: Pool, channels: int) -> None:
        super().__init__()
        last = n_layers(model)
        if not 1 <= layer <= last:
            raise ValueError(
                f"there is no layer {layer}; layers run from 1 to {last}"
                if last
                else "the network has no layers to read"
            )
        self.model = model
        self.layer = layer
        self.pool: Pool = pool
        side = 4 * getattr(getattr(model, "size", None), "patch", 16)
        side = int(getattr(getattr(model, "patch_embed", None), "img_size", (max(side, 64),))[0])
        with torch.inference_mode():
            probe = torch.zeros(1, channels, side, side)
            self.num_features = layer_outputs(model.eval(), probe, [layer])[0].pool(pool).shape[1]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the vectors (B, num_features) of images (B, C, H, W)."""
        return layer_outputs(self.model, x, [self.layer])[0].pool(self.pool)
