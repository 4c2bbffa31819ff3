"""Images as patches and back, and which of them are hidden."""

from dataclasses import dataclass

import torch


def patchify(x: torch.Tensor, patch: int, *, per_channel: bool) -> torch.Tensor:
    """Cut images into patches.

    Parameters
    ----------
    x
        (B, C, H, W), H and W multiples of `patch`.
    patch
        The side of a patch.
    per_channel
        Whether the patches of each channel stand by themselves.

    Returns
    -------
    (B, G, N, P): per channel, G = C groups of N patches of P = patch^2 values each; else one group, whose patches hold
    all channels, P = C patch^2, channel by channel.

    Raises
    ------
    ValueError
        If the patch does not divide the image.
    """
    b, c, h, w = x.shape
    if h % patch or w % patch:
        raise ValueError(f"patches of {patch} pixels do not divide an image of {h} x {w}; choose another crop")
    x = x.reshape(b, c, h // patch, patch, w // patch, patch).permute(0, 2, 4, 1, 3, 5)
    x = x.reshape(b, (h // patch) * (w // patch), c, patch * patch)
    return x.transpose(1, 2) if per_channel else x.flatten(2)[:, None]


def unpatchify(patches: torch.Tensor, patch: int, shape: tuple[int, int, int]) -> torch.Tensor:
    """Put images (B, C, H, W) of `shape` (C, H, W) together from patches as `patchify` cuts them."""
    c, h, w = shape
    if patches.shape[1] == 1:
        patches = patches[:, 0].unflatten(-1, (c, patch * patch)).transpose(1, 2)
    x = patches.reshape(-1, c, h // patch, w // patch, patch, patch)
    return x.permute(0, 1, 2, 4, 3, 5).reshape(-1, c, h, w)


@dataclass(frozen=True, eq=False)
class Mask:
    """Which of T tokens are hidden.

    Attributes
    ----------
    visible
        (B, M) indices of the tokens that are seen.
    restore
        (B, T) where each token stands if those seen come first and the hidden ones after them.
    hidden
        (B, T) booleans.
    """

    visible: torch.Tensor
    restore: torch.Tensor
    hidden: torch.Tensor


def random_mask(
    batch: int, tokens: int, ratio: float, device: torch.device, generator: torch.Generator | None = None
) -> Mask:
    """Hide a share of the tokens of each image, at least one of them and never all."""
    seen = min(max(1, round(tokens * (1 - ratio))), tokens - 1)
    order = torch.rand(batch, tokens, device=device, generator=generator).argsort(dim=1)
    restore = order.argsort(dim=1)
    return Mask(order[:, :seen], restore, restore >= seen)
