"""A selection of sites as a manifest."""

from collections.abc import Sequence

import pandas as pd

from phenolens.datasets import with_plate_formats
from phenolens.view.study import Study


def as_manifest(study: Study, sites: Sequence[int]) -> str:
    """Return sites as a manifest in CSV, with absolute paths, so that it can lie anywhere.

    Names are written as they are, and read back the same. Plates state their format, which the wells of a selection do
    not show. Without images, it is a table of the metadata.

    Parameters
    ----------
    study
        The study.
    sites
        The numbers of the sites; those that the manifest of the images does not have are left out.
    """
    pictures = study.pictures
    if pictures is None:
        table = with_plate_formats(study.sites).iloc[list(sites)]
        if "site_id" not in table:
            table = table.assign(site_id=table.index)
    else:
        manifest = pictures.manifest
        rows = pictures.rows[list(sites)]
        table = with_plate_formats(manifest.table).iloc[rows[rows >= 0]]
        files = [column for column in (*manifest.image_columns, "mask") if column in table]
        root = manifest.root.absolute()
        table = table.assign(
            **{column: [None if pd.isna(name) else str(root / str(name)) for name in table[column]] for column in files}
        )
    first = [column for column in ("site_id",) if column in table]
    return table[first + [column for column in table if column not in first]].to_csv(index=False, lineterminator="\n")
