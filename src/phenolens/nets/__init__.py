"""Networks as torch modules; they do not import anything else of Phenolens, and run wherever torch and timm do."""

from phenolens.nets.build import build, build_shapes, embedder, is_agnostic
from phenolens.nets.checkpoint import Card, check_tensors, load_weights, read_card, save_checkpoint, tensor_shapes
from phenolens.nets.classifier import Classifier, adapt_batch_norm
from phenolens.nets.contrastive import Contrastive
from phenolens.nets.graph_network import GraphNetwork
from phenolens.nets.initialise import INITIALISATIONS, Initialisation, draw, initialise, redraw
from phenolens.nets.layers import LayerVectors, Pool, layer_outputs, n_layers
from phenolens.nets.mae import MaskedAutoencoder, Reconstruction
from phenolens.nets.munet import MaskedUNet
from phenolens.nets.patches import patchify, random_mask, unpatchify
from phenolens.nets.positions import sincos_positions
from phenolens.nets.random_convolutions import RandomConvolutions
from phenolens.nets.vit import SIZES, MicroscopyViT, Size

__all__ = [
    "INITIALISATIONS",
    "SIZES",
    "Card",
    "Classifier",
    "Contrastive",
    "GraphNetwork",
    "Initialisation",
    "LayerVectors",
    "MaskedAutoencoder",
    "MaskedUNet",
    "MicroscopyViT",
    "Pool",
    "RandomConvolutions",
    "Reconstruction",
    "Size",
    "adapt_batch_norm",
    "build",
    "build_shapes",
    "check_tensors",
    "draw",
    "embedder",
    "initialise",
    "is_agnostic",
    "layer_outputs",
    "load_weights",
    "n_layers",
    "patchify",
    "random_mask",
    "read_card",
    "redraw",
    "save_checkpoint",
    "sincos_positions",
    "tensor_shapes",
    "unpatchify",
]
