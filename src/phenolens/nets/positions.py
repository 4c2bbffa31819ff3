"""Fixed positions of patches."""

import torch


def sincos_positions(height: int, width: int, dim: int) -> torch.Tensor:
    """Return two-dimensional sine-cosine positions (height * width, dim) of a grid of patches, in reading order.

    A quarter of the numbers each are the sine and cosine of the row and of the column, at frequencies that decrease
    geometrically from 1 to 1 / 10,000.

    Raises
    ------
    ValueError
        If `dim` is not a multiple of 4.
    """
    if dim % 4:
        raise ValueError(f"positions need a multiple of 4 numbers, found {dim}")
    frequency = 10_000.0 ** -(torch.arange(dim // 4, dtype=torch.float64) / (dim // 4))
    parts = []
    for place in torch.meshgrid(
        torch.arange(height, dtype=torch.float64), torch.arange(width, dtype=torch.float64), indexing="ij"
    ):
        angle = place.reshape(-1, 1) * frequency
        parts += [angle.sin(), angle.cos()]
    return torch.cat(parts, dim=1).float()
