"""Reading of instance masks from segmentation tools."""

from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from phenolens.core.errors import ImageError
from phenolens.images.read import decode, named_channels

_MOST_LABELS = np.iinfo(np.int32).max
_SPECK = 0.05  # of the area of the largest part of the same label; smaller parts are no objects of their own
_PARTS_PER_LABEL = 1.5  # on average; labels of objects have hardly more than 1


Masks = Literal["objects", "classes"]


def read_mask(path: str | Path, shape: tuple[int, int], masks: Masks = "objects") -> NDArray[np.int32]:
    """Read an image of labels: 0 is background.

    Of ``objects``, every other number is one object, which may consist of several parts, such as fragments of a
    nucleus. If labels have several parts on average, however, they are classes, such as 0 and 255 of a binary mask,
    and are refused. Of ``classes``, every connected part of a class is an object: nuclei that touch become one. Chunks,
    tiles and strips that a file leaves out have no objects.

    Parameters
    ----------
    path
        An image of one channel, in any lossless format of `read_image`.
    shape
        Height and width of the corresponding image.
    masks
        What the numbers stand for.

    Returns
    -------
    (H, W) labels; of objects, as in the file, not necessarily consecutive.

    Raises
    ------
    ImageError
        If it cannot be read, has several channels, another shape, a lossy compression, or values that are not labels
        of single objects.
    """
    path = Path(path)
    decoded = decode(path)
    if decoded.lossy:
        raise ImageError(f"{path}: {decoded.lossy} changes values and cannot hold labels; save the mask as PNG or TIFF")
    if decoded.absent is not None and decoded.absent.fill != 0:
        raise ImageError(
            f"{path}: {decoded.absent.count} of {decoded.absent.total} {decoded.absent.parts} are left out, and do not "
            f"stand for background; write all {decoded.absent.parts}"
        )
    labels, channels = named_channels(path, decoded)
    if len(channels) != 1:
        raise ImageError(
            f"{path}: a mask must have one channel with the number of the object at each pixel, found {len(channels)}"
        )
    check_mask_size(path, labels.shape[1:], shape)
    if labels.min() < 0 or labels.max() > _MOST_LABELS or (labels.dtype.kind == "f" and (labels % 1).any()):
        raise ImageError(
            f"{path}: labels must be whole numbers from 0, found values from {labels.min()} to {labels.max()}"
        )
    found = labels[0].astype(np.int32)
    if masks == "classes":
        return _number_parts(found)
    _refuse_classes(path, found)
    return found


def check_mask_size(path: Path, found: tuple[int, int], shape: tuple[int, int]) -> None:
    """Refuse a mask of another height and width than its image.

    Parameters
    ----------
    path
        The mask.
    found, shape
        Height and width of the mask and of the image.

    Raises
    ------
    ImageError
        If they differ.
    """
    if found != shape:
        raise ImageError(
            f"{path}: the mask is {found[0]}x{found[1]} but its image {shape[0]}x{shape[1]}; save it at the image's "
            "size"
        )


def _number_parts(classes: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return a number for each connected part (H, W) of each class."""
    from skimage.measure import label

    return np.asarray(label(classes, connectivity=2), np.int32)


def _refuse_classes(path: Path, labels: NDArray[np.int32]) -> None:
    """Refuse masks whose numbers are classes of pixels, each with many separate objects."""
    n_labels, n_parts = _count_parts(labels)
    if n_labels == 0 or n_parts < _PARTS_PER_LABEL * n_labels:
        return
    kind = "a binary mask" if n_labels == 1 else "a mask of classes"
    raise ImageError(
        f"{path}: is {kind}, not of objects: {n_parts} separate parts share {n_labels} "
        f"number{'s' * (n_labels > 1)}; number the objects first, or take each connected part as one (nuclei: "
        "{masks: classes} in a recipe)"
    )


def _count_parts(labels: NDArray[np.int32]) -> tuple[int, int]:
    """Return the number of labels in (H, W), and of their parts that do not touch, not counting specks."""
    from skimage.measure import label

    parts, n_parts = label(labels, connectivity=2, return_num=True)  # 0 is background in both
    label_of_part = np.zeros(n_parts + 1, np.int32)
    label_of_part[parts.ravel()] = labels.ravel()
    found, group = np.unique(label_of_part[1:], return_inverse=True)
    areas = np.bincount(parts.ravel(), minlength=n_parts + 1)[1:]
    largest = np.zeros(len(found), np.int64)
    np.maximum.at(largest, group, areas)
    return len(found), int((areas >= _SPECK * largest[group]).sum())


def drop_objects(labels: NDArray[np.int32], dropped: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Return labels (H, W), numbered anew from 1, without the objects whose number is True in `dropped` (n + 1,)."""
    from skimage.segmentation import relabel_sequential

    return relabel_sequential(np.where(dropped[labels], 0, labels))[0].astype(np.int32)


def on_border(labels: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return the numbers of the objects in (H, W) that touch the image's border, which may cut them."""
    rim = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    return np.unique(rim[rim > 0])
