"""Folders of class folders, as usual for natural images: ``folder/class/image.jpg``."""

from pathlib import Path

import pandas as pd
from PIL import Image

from phenolens.core.errors import ManifestError


def list_class_folders(folder: Path) -> pd.DataFrame:
    """List the images of a folder of class folders as the rows of a manifest.

    An image is a file with a suffix that Pillow knows, at any depth below its class folder; hidden files and folders
    are ignored. Images in formats that Phenolens cannot read are listed too, so that they are reported by name.

    Parameters
    ----------
    folder
        A folder with one folder per class; other files in it are ignored.

    Returns
    -------
    One row per image, sorted by class and path: ``site_id`` and ``image``, its path relative to the folder, and
    ``label``, the name of its class folder.

    Raises
    ------
    ManifestError
        If there are fewer than two class folders, or one of them holds no images.
    """
    suffixes = Image.registered_extensions()
    classes = sorted(each.name for each in folder.iterdir() if each.is_dir() and not each.name.startswith("."))
    if len(classes) < 2:
        found = f"only '{classes[0]}'" if classes else "none"
        raise ManifestError(f"{folder}: a folder as manifest needs at least two class folders, found {found}")
    rows: list[tuple[str, str]] = []
    for label in classes:
        paths = (path.relative_to(folder) for path in (folder / label).rglob("*") if path.suffix.lower() in suffixes)
        images = sorted(path.as_posix() for path in paths if not any(part.startswith(".") for part in path.parts))
        if not images:
            raise ManifestError(f"{folder}: the class folder '{label}' holds no images")
        rows += [(image, label) for image in images]
    table = pd.DataFrame(rows, columns=["image", "label"])
    return table.assign(site_id=table["image"])
