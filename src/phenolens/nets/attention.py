"""Attention, and versions of timm's blocks that use it."""

from typing import Any

import torch
from timm.layers.attention import Attention
from timm.models.vision_transformer import ParallelScalingBlock
from torch.nn import functional as F


def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """Return attention outputs (B, heads, N, d), computed by the fastest available kernel.

    On a CPU the backward pass in bfloat16 takes two to four times as long as in single precision, so that autocast is
    disabled for this step (`benchmarks/training_loop.py`).
    """
    if q.device.type == "cpu" and torch.is_autocast_enabled("cpu") and torch.is_grad_enabled():
        with torch.autocast("cpu", enabled=False):
            return F.scaled_dot_product_attention(q.float(), k.float(), v.float())
    return F.scaled_dot_product_attention(q, k, v)


class ParallelBlock(ParallelScalingBlock):
    """timm's block of parallel attention and perceptron, without query bias, masks and dropout; same weights."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        """Return tokens (B, N, width)."""
        wide, *qkv = self.in_proj(self.in_norm(x)).split(self.in_split, dim=-1)
        q, k, v = (part.unflatten(-1, (self.num_heads, self.head_dim)) for part in qkv)
        q, k, v = (part.transpose(1, 2) for part in (self.q_norm(q), self.k_norm(k), v))
        attended = self.attn_out_proj(attend(q, k, v).transpose(1, 2).flatten(2))  # type: ignore[misc]
        perceived = self.mlp_out_proj(self.mlp_act(wide + self.mlp_bias))  # type: ignore[misc]
        return x + self.drop_path(self.ls(attended + perceived))


class SelfAttention(Attention):
    """timm's attention, with the same weights, without masks, gates and dropout."""

    def forward(self, x: torch.Tensor, attn_mask: Any = None, is_causal: bool = False) -> torch.Tensor:
        """Return tokens (B, N, width); masks are ignored."""
        q, k, v = self.qkv(x).unflatten(-1, (3, self.num_heads, self.head_dim)).permute(2, 0, 3, 1, 4)
        attended: torch.Tensor = self.proj(attend(self.q_norm(q), self.k_norm(k), v).transpose(1, 2).flatten(2))
        return attended
