"""What the headers of all images of a manifest show, before any pixel is read."""

from concurrent.futures import ThreadPoolExecutor

from phenolens.core.errors import ImageError, ManifestError
from phenolens.core.progress import progress_bar
from phenolens.datasets.manifest import Manifest
from phenolens.images import check_crop, check_mask_size, image_size, site_size

_THREADS = 8  # enough where files are far away; where they are near, more only wait for each other
_BLOCK = 256  # sites


def unfit_sites(manifest: Manifest, crop: int | None, *, progress: bool = False) -> dict[str, str]:
    """Return which sites cannot be used, as far as the headers of their files show: site_id -> the reason.

    Parameters
    ----------
    manifest
        The sites, with their masks if these are used.
    crop
        Height and width of the patches to take of each; None for the whole of it.
    progress
        Whether to draw a progress bar on stderr.
    """
    if not manifest.image_columns:
        return {}
    starts = range(0, len(manifest), _BLOCK)
    found: dict[str, str] = {}
    with (
        progress_bar("headers", len(manifest), shown=progress) as show,
        ThreadPoolExecutor(_THREADS) as pool,
    ):
        for start, unfit in zip(starts, pool.map(lambda start: _unfit(manifest, start, crop), starts), strict=True):
            found |= unfit
            show(min(start + _BLOCK, len(manifest)))
    return found


def _unfit(manifest: Manifest, start: int, crop: int | None) -> dict[str, str]:
    """Return the sites of one block that cannot be used."""
    found = {}
    for row in range(start, min(start + _BLOCK, len(manifest))):
        site_id = str(manifest.table.index[row])
        try:
            shape = site_size(manifest.images(row))
            check_crop(site_id, shape, crop)
            mask = manifest.mask(row)
            if mask is not None:
                check_mask_size(mask, image_size(mask), shape)
        except (ImageError, ManifestError) as error:
            found[site_id] = str(error)
    return found
