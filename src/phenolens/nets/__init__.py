"""Torch modules alone: nothing of ours is imported, so that they run wherever torch and timm do."""

from phenolens.nets.classifier import Classifier, adapt_batch_norm
from phenolens.nets.graph_network import GraphNetwork
from phenolens.nets.initialise import INITIALISATIONS, Initialisation, initialise
from phenolens.nets.mae import MaskedAutoencoder, Reconstruction
from phenolens.nets.munet import MaskedUNet
from phenolens.nets.positions import sincos_positions
from phenolens.nets.random_convolutions import RandomConvolutions
from phenolens.nets.vit import SIZES, MicroscopyViT, Size

__all__ = [
    "INITIALISATIONS",
    "SIZES",
    "Classifier",
    "GraphNetwork",
    "Initialisation",
    "MaskedAutoencoder",
    "MaskedUNet",
    "MicroscopyViT",
    "RandomConvolutions",
    "Reconstruction",
    "Size",
    "adapt_batch_norm",
    "initialise",
    "sincos_positions",
]
