"""A package that adds to Phenolens: a baseline, an encoder, a task, a profiler, a data set and a segmentation."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd
import tifffile
from anndata import AnnData
from numpy.typing import NDArray
from pydantic import Field
from skimage.measure import label
from torch.nn.functional import adaptive_avg_pool2d

from phenolens.core.errors import TaskNotApplicable
from phenolens.datasets import DatasetEntry, Manifest, read_manifest
from phenolens.encoders import EncoderEntry, Measurement, Pixels, hash_text, take_channels
from phenolens.images import Site
from phenolens.profiling import ControlProfiler
from phenolens.tasks import Contract, Score, WellTask, required_column, unit_table


class CoarseImage(Measurement):
    """The image itself at a resolution of a few pixels."""

    def __init__(self, name: str, channels: Sequence[str], *, side: int = 4) -> None:
        self.name = name
        self.channels = tuple(channels)
        self.side = side
        self.feature_names = tuple(f"{channel}_{index}" for channel in channels for index in range(side**2))
        self.weights_hash = hash_text("coarse-image", self.feature_names)

    def embed(self, pixels: Pixels, channels: Sequence[str]) -> NDArray[np.float32]:
        """Return the pixels (B, D) of images (B, C, H, W)."""
        images = take_channels(pixels, channels, self.channels).float()
        return adaptive_avg_pool2d(images, self.side).flatten(1).numpy()


class BorderBrightness(Measurement):
    """How bright the outermost pixels of each channel are: what illumination alone tells."""

    def __init__(self, name: str, channels: Sequence[str]) -> None:
        self.name = name
        self.channels = tuple(channels)
        self.feature_names = tuple(f"{channel}_border" for channel in channels)
        self.weights_hash = hash_text("border-brightness", self.feature_names)

    def embed(self, pixels: Pixels, channels: Sequence[str]) -> NDArray[np.float32]:
        """Return the brightness (B, C) of images (B, C, H, W)."""
        images = take_channels(pixels, channels, self.channels).numpy().astype(np.float32)
        images[:, :, 1:-1, 1:-1] = np.nan
        return np.nanmean(images, axis=(2, 3))


BORDER_BRIGHTNESS = EncoderEntry(
    "brightness of the outermost pixels of each channel",
    "phenolens_example:BorderBrightness",
    role="baseline",
    feature_type="quantities",
)


class NearestWell(WellTask):
    """Share of treated wells whose nearest treated well has the same perturbation."""

    contract: ClassVar[Contract] = Contract(
        question="Is the well that resembles a well most one of the same perturbation?",
        match="another well of the same perturbation",
        non_match="any other treated well",
        chance="the share of wells of the same perturbation among the others",
        controls="positive: a perturbation plain to the eye; negative: perturbations permuted",
        least_data="two perturbations of two wells each",
    )

    task: Literal["nearest-well"] = "nearest-well"
    least_wells: int = Field(4, ge=4)

    @property
    def id(self) -> str:
        """The name of the task; its options tell no two of them apart."""
        return self.task

    @property
    def columns(self) -> tuple[str, ...]:
        """The metadata columns it reads."""
        return ("perturbation", "role")

    def score(self, profiles: AnnData, rng: np.random.Generator) -> Score:
        """Return the share, with one unit per perturbation."""
        treated = profiles[(profiles.obs["role"] == "treatment").to_numpy()]
        if treated.n_obs < self.least_wells:
            raise TaskNotApplicable(f"{self.id}: {treated.n_obs} treated wells; at least {self.least_wells} are needed")
        names = required_column(treated, "perturbation", self.id).to_numpy()
        distance = np.linalg.norm(treated.X[:, None] - treated.X[None], axis=2)
        np.fill_diagonal(distance, np.inf)
        hits = pd.Series(names[distance.argmin(axis=1)] == names).groupby(names).mean()
        wells = pd.Series(names).value_counts()[hits.index]
        chance = (wells - 1) / (len(names) - 1)
        units = unit_table(hits.index, hits.to_numpy(), chance=chance.to_numpy())
        return Score("share of wells", "perturbation", units)


class ControlCentre(ControlProfiler):
    """Subtract the mean of all negative controls."""

    def _fit(self, x: NDArray[Any], controls: NDArray[np.bool_], batches: Any) -> None:
        self.mean_ = x[controls].mean(axis=0)

    def _transform(self, x: NDArray[Any], batches: Any) -> NDArray[Any]:
        return x - self.mean_


def open_squares(folder: Path, *, wells: int = 24, seed: int = 0) -> Manifest:
    """Return a plate of noise, on which the wells of two perturbations show a bright square, here or there."""
    manifest = folder / "manifest.csv"
    if manifest.is_file():
        return read_manifest(manifest)
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    rows = []
    for index in range(wells):
        name = ("dmso", "left", "right", "dmso")[index % 4]
        pixels = rng.poisson(100, (1, 32, 32)).astype(np.uint16)
        if name != "dmso":
            start = 4 if name == "left" else 20
            pixels[0, 8:24, start : start + 8] += 50
        tifffile.imwrite(folder / f"{index}.tif", pixels, photometric="minisblack")
        role = "negative_control" if name == "dmso" else "treatment"
        well = f"{'ABCDEFGH'[index // 12]}{index % 12 + 1:02d}"
        rows.append({"site_id": f"s{index}", "plate": "p1", "well": well, "image_dna": f"{index}.tif"})
        rows[-1] |= {"perturbation": name, "role": role}
    pd.DataFrame(rows).to_csv(manifest, index=False)
    return read_manifest(manifest)


def bright_parts(site: Site) -> NDArray[Any]:
    """Label the parts of the nuclear channel brighter than half of its range."""
    dna = site.pixels[0].astype(float)
    return label(dna > (dna.min() + dna.max()) / 2)


SQUARES = DatasetEntry("a plate of noise and squares, to try things on", open_squares)
