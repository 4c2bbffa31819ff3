"""Class folders, also below folders of a split into training and test images."""

from collections import Counter
from pathlib import PurePosixPath

import pandas as pd

from phenolens.core.numbers import listed
from phenolens.datasets.layouts.image_files import ImageFiles
from phenolens.datasets.layouts.layout import Layout, Notes
from phenolens.datasets.schema import IMAGE_COLUMN

NAME = "class-folders"

_SPLITS = frozenset({"train", "training", "test", "testing", "val", "valid", "validation", "dev", "eval", "holdout"})

_NO_CLASSES = frozenset({"images", "image", "masks", "mask", "labels", "label", "annotations", "segmentation"})


def find_class_folders(files: ImageFiles) -> Layout | None:
    """Return images whose folders are their classes, or None if fewer than two folders hold images.

    Folders that all images share, such as ``images/``, are no classes; nor are ``train`` and ``test``.
    """
    parts = {image: PurePosixPath(image).parts[:-1] for image in files.images}
    shared = 0
    while len({each[shared : shared + 1] for each in parts.values()}) == 1 and all(
        len(each) > shared for each in parts.values()
    ):
        shared += 1
    below = {image: each[shared:] for image, each in parts.items() if len(each) > shared}
    if not below:
        return None
    has_splits = all(each[0].lower() in _SPLITS for each in below.values())
    level = 1 if has_splits else 0
    rows = [
        (image, image, each[level], each[0] if has_splits else None)
        for image, each in below.items()
        if len(each) > level
    ]
    table = pd.DataFrame(rows, columns=["site_id", IMAGE_COLUMN, "label", "split"])
    counts = Counter(table["label"])
    if len(counts) < 2 or {label.lower() for label in counts} <= _NO_CLASSES:
        return None
    notes = Notes()
    described = [f"{label} ({n})" for label, n in sorted(counts.items())]
    notes.guess(f"folders are the labels: {listed(described, 8)}")
    deeper = {each[level] for each in below.values() if len(each) > level + 1}
    if deeper == set(counts):
        notes.guess(
            "each of these has folders of its own, which are not the labels; if they are, name one folder alone"
        )
    if has_splits:
        notes.guess(
            "folders such as train and test are the column 'split', which scores do not use: they are cross-validated"
        )
    else:
        table = table.drop(columns="split")
    return Layout(NAME, "class folders", frozenset(table[IMAGE_COLUMN]), table, notes)
