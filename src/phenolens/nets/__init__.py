"""Torch modules alone: nothing of ours is imported, so that they run wherever torch and timm do."""

from phenolens.nets.channel_vit import CHANNEL_VITS, ChannelViT
from phenolens.nets.graph_network import GraphNetwork
from phenolens.nets.initialise import INITIALISATIONS, Initialisation, initialise
from phenolens.nets.positions import sincos_positions
from phenolens.nets.random_convolutions import RandomConvolutions

__all__ = [
    "CHANNEL_VITS",
    "INITIALISATIONS",
    "ChannelViT",
    "GraphNetwork",
    "Initialisation",
    "RandomConvolutions",
    "initialise",
    "sincos_positions",
]
