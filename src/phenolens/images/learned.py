"""Segmentation by learned models of other packages, which are imported if they are used."""

from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phenolens.core.errors import ImageError
from phenolens.images.channels import RGB
from phenolens.images.site import Site


def cellpose(site: Site) -> NDArray[Any]:
    """Label nuclei with Cellpose, version 4 or later: its default model, Cellpose-SAM.

    Parameters
    ----------
    site
        The nuclear channel, or red, green and blue.

    Returns
    -------
    (H, W) labels.

    Raises
    ------
    ImageError
        If Cellpose is not installed.
    """
    model = _cellpose_model()
    if site.channels == RGB:
        return model.eval(np.moveaxis(site.pixels, 0, -1), channel_axis=-1)[0]
    return model.eval(site.pixels[0])[0]


def instanseg(site: Site) -> NDArray[Any]:
    """Label nuclei with InstanSeg: its model of stained sections for colour images, else that of fluorescence.

    Parameters
    ----------
    site
        The nuclear channel, or red, green and blue; where the microns per pixel are known, the model sees the image at
        the resolution that it was trained for.

    Returns
    -------
    (H, W) labels.

    Raises
    ------
    ImageError
        If InstanSeg is not installed.
    """
    model = _instanseg_model("brightfield_nuclei" if site.channels == RGB else "fluorescence_nuclei_and_cells")
    image = np.moveaxis(site.pixels, 0, -1) if site.channels == RGB else site.pixels
    found = model.eval_small_image(image, site.mpp, normalise=True, return_image_tensor=False, target="nuclei")
    labels: NDArray[Any] = np.asarray(found)
    return labels.reshape(labels.shape[-2:])


@cache  # one per process
def _cellpose_model() -> Any:
    import torch

    models = _imported("cellpose.models", "Cellpose", "cellpose>=4")
    return models.CellposeModel(gpu=torch.cuda.is_available())


@cache
def _instanseg_model(name: str) -> Any:
    return _imported("instanseg", "InstanSeg", "instanseg-torch[full]").InstanSeg(name, verbosity=0)


def _imported(module: str, title: str, package: str) -> Any:
    if find_spec(module.partition(".")[0]) is None:
        raise ImageError(
            f"{title} is not installed; install it (pip install '{package}'), or leave out nuclei.segmentation"
        )
    return import_module(module)


def require_installed(name: str) -> None:
    """Fail if a segmentation needs a package that is not installed: now, and not at each of thousands of images.

    Raises
    ------
    ImageError
        If so.
    """
    if name == "cellpose":
        _imported("cellpose", "Cellpose", "cellpose>=4")
    if name == "instanseg":
        _imported("instanseg", "InstanSeg", "instanseg-torch[full]")
