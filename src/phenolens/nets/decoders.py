"""Decoders of masked autoencoders, from visible patches to all patches."""

import math

import torch
from timm.models.vision_transformer import Block
from torch import nn
from torch.nn import functional as F

from phenolens.nets.attention import SelfAttention, attend
from phenolens.nets.patches import Mask


class _Restore(nn.Module):
    """The base class of decoders: narrow the tokens, and fill in mask tokens for hidden ones."""

    def __init__(self, width_in: int, width: int) -> None:
        super().__init__()
        self.width = width
        self.narrow = nn.Linear(width_in, width)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, width))
        nn.init.normal_(self.mask_token, std=0.02)

    def restore(self, encoded: torch.Tensor, mask: Mask) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the class token (B, 1, width) and all T tokens (B, T, width) in their order."""
        x = self.narrow(encoded)
        missing = mask.restore.shape[1] - mask.visible.shape[1]
        every = torch.cat([x[:, 1:], self.mask_token.to(x.dtype).expand(len(x), missing, -1)], dim=1)
        return x[:, :1], every.gather(1, mask.restore[..., None].expand(-1, -1, self.width))


class JointDecoder(_Restore):
    """A transformer over patches of all channels together.

    Parameters
    ----------
    width_in
        The width of the encoder's tokens.
    values
        The number of values of a patch: channels times its area.
    width, depth, heads
        The size of the decoder's blocks.
    """

    def __init__(self, width_in: int, values: int, *, width: int = 512, depth: int = 8, heads: int = 16) -> None:
        super().__init__(width_in, width)
        blocks = (Block(width, heads, qkv_bias=True, attn_layer=SelfAttention) for _ in range(depth))
        self.blocks = nn.Sequential(*blocks)
        self.norm = nn.LayerNorm(width)
        self.predict = nn.Linear(width, values)

    def forward(
        self, encoded: torch.Tensor, mask: Mask, positions: torch.Tensor, channels: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return the patches (B, 1, N, values).

        Parameters
        ----------
        encoded
            (B, 1 + M, width_in) class token and visible patches.
        mask
            The mask of patches.
        positions
            (N, width) positions of patches.
        channels
            Ignored, since every patch has all channels.
        """
        first, every = self.restore(encoded, mask)
        x = self.blocks(torch.cat([first, every + positions.to(every.dtype)], dim=1))
        return self.predict(self.norm(x[:, 1:]))[:, None]


class ChannelDecoder(_Restore):
    """Decoders of single channels, which attend once to the patches of all channels, then to those of their channel.

    Parameters
    ----------
    width_in
        The width of the encoder's tokens.
    values
        The number of values of a patch: its area.
    n_channels
        The number of channels with separate decoders; None for one shared decoder, which takes any channels (Campfire,
        arXiv 2503.19149).
    width, depth, heads
        The size of the decoder's blocks.
    """

    def __init__(
        self,
        width_in: int,
        values: int,
        n_channels: int | None,
        *,
        width: int = 256,
        depth: int = 2,
        heads: int = 16,
    ) -> None:
        super().__init__(width_in, width)
        self.n_channels = n_channels
        self.heads = heads
        n = n_channels or 1
        self.channel_tokens = nn.Parameter(torch.zeros(n, width))
        nn.init.normal_(self.channel_tokens, std=0.02)
        self.query_norm, self.context_norm, self.out_norm = (nn.LayerNorm(width) for _ in range(3))
        self.query, self.context = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.attended = nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.blocks = nn.ModuleList(StackedBlock(n, width, heads) for _ in range(depth))
        self.predict = nn.Linear(width, values)

    def forward(
        self, encoded: torch.Tensor, mask: Mask, positions: torch.Tensor, channels: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return the patches (B, C, N, values) of C channels.

        Parameters
        ----------
        encoded, mask, positions
            As in `JointDecoder.forward`.
        channels
            (C,) index of the decoder of each channel; 0 to C - 1 if None.
        """
        _, every = self.restore(encoded, mask)
        c = every.shape[1] // len(positions)
        if self.n_channels is None:
            channels = torch.zeros(c, dtype=torch.long, device=every.device)
        elif channels is None:
            channels = torch.arange(c, device=every.device)
        if c > len(channels) or (self.n_channels is not None and c > self.n_channels):
            raise ValueError(f"{c} channels, but only {self.n_channels} have a decoder; share one decoder instead")
        x = every.unflatten(1, (c, -1)) + positions.to(every.dtype)
        x = (x + self.channel_tokens[channels][:, None].to(x.dtype)).flatten(1, 2)
        x = self._look_around(x)
        x = x + self.mlp(self.out_norm(x))
        x = x.unflatten(1, (c, -1))
        for block in self.blocks:
            x = block(x, channels)
        return self.predict(x)

    def _look_around(self, x: torch.Tensor) -> torch.Tensor:
        q = self.query(self.query_norm(x)).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        k, v = self.context(self.context_norm(x)).unflatten(-1, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return self.attended(attend(q, k, v).transpose(1, 2).flatten(2))


class StackedLinear(nn.Module):
    """Linear layers of n channels, applied together."""

    def __init__(self, n: int, n_in: int, n_out: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(n_in)
        self.weight = nn.Parameter(torch.empty(n, n_in, n_out).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(n, n_out))

    def forward(self, x: torch.Tensor, channels: torch.Tensor) -> torch.Tensor:
        """Map tokens (B, C, N, n_in) to (B, C, N, n_out), with a separate layer per channel."""
        if len(self.weight) == 1:
            return x @ self.weight[0] + self.bias[0]
        weight, bias = self.weight[channels], self.bias[channels]
        return torch.einsum("bcni,cio->bcno", x, weight.to(x.dtype)) + bias[:, None].to(x.dtype)


class StackedBlock(nn.Module):
    """Transformer blocks of n channels: attention within each channel, with separate weights."""

    def __init__(self, n: int, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.first_norm, self.second_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = StackedLinear(n, width, 3 * width), StackedLinear(n, width, width)
        self.wide, self.narrow = StackedLinear(n, width, 4 * width), StackedLinear(n, 4 * width, width)

    def forward(self, x: torch.Tensor, channels: torch.Tensor) -> torch.Tensor:
        """Return tokens (B, C, N, width)."""
        b, c = x.shape[:2]
        qkv = self.qkv(self.first_norm(x), channels).flatten(0, 1).unflatten(-1, (3, self.heads, -1))
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        attended = attend(q, k, v).transpose(1, 2).flatten(2).unflatten(0, (b, c))
        x = x + self.out(attended, channels)
        return x + self.narrow(F.gelu(self.wide(self.second_norm(x), channels)), channels)
