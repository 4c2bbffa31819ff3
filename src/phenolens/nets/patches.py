"""Patches of images, and random masks of patches."""

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
        Whether each channel has separate patches.

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
    """Assemble images (B, C, H, W) of `shape` (C, H, W) from the patches of `patchify`."""
    c, h, w = shape
    if patches.shape[1] == 1:
        patches = patches[:, 0].unflatten(-1, (c, patch * patch)).transpose(1, 2)
    x = patches.reshape(-1, c, h // patch, w // patch, patch, patch)
    return x.permute(0, 1, 2, 4, 3, 5).reshape(-1, c, h, w)


@dataclass(frozen=True, eq=False)
class Mask:
    """A mask of T tokens.

    Attributes
    ----------
    visible
        (B, M) indices of visible tokens.
    restore
        (B, T) position of each token if visible tokens come first and hidden ones follow.
    hidden
        (B, T) mask of hidden tokens.
    """

    visible: torch.Tensor
    restore: torch.Tensor
    hidden: torch.Tensor


def random_mask(
    batch: int, tokens: int, ratio: float, device: torch.device, generator: torch.Generator | None = None
) -> Mask:
    """Hide a share of the tokens of each image, at least one and not all."""
    n_visible = min(max(1, round(tokens * (1 - ratio))), tokens - 1)
    order = torch.rand(batch, tokens, device=device, generator=generator).argsort(dim=1)
    restore = order.argsort(dim=1)
    return Mask(order[:, :n_visible], restore, restore >= n_visible)
