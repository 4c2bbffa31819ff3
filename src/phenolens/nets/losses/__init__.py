"""Losses of masked autoencoders, one per file."""

from phenolens.nets.losses.fourier import fourier_magnitude
from phenolens.nets.losses.masked_l2 import masked_l2

__all__ = ["fourier_magnitude", "masked_l2"]
