"""The columns of metadata that Phenolens knows, in manifests and in tables of vectors."""

from typing import Annotated, Literal, get_args

import numpy as np
import pandas as pd
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

NEGATIVE_CONTROL = "negative_control"
IMAGE_COLUMN = "image"
IMAGE_PREFIX = "image_"

Role = Literal["treatment", "negative_control", "positive_control", "empty"]
PerturbationType = Literal["crispr", "orf", "compound", "sirna", "none"]

VOCABULARIES = {"role": get_args(Role), "perturbation_type": get_args(PerturbationType)}
"""Column -> the only values that it may have."""


def _missing_to_none(value: object) -> object:
    """Return None for the empty cells of any table format."""
    if value is None or value is pd.NA or value is pd.NaT or value == "":
        return None
    return None if isinstance(value, float) and np.isnan(value) else value


Text = Annotated[str, BeforeValidator(_missing_to_none), Field(min_length=1)]
OptionalText = Annotated[str | None, BeforeValidator(_missing_to_none)]
OptionalNumber = Annotated[float | None, BeforeValidator(_missing_to_none)]


class ManifestRow(BaseModel):
    """One row of a manifest: the columns that Phenolens knows; other columns are kept.

    A row also has `image` (one file with all channels) or `image_<channel>` (one file per channel), with paths
    relative to the folder of the manifest.
    """

    model_config = ConfigDict(extra="allow")

    site_id: Text
    plate: OptionalText = None
    well: OptionalText = None
    plate_format: OptionalText = None
    site: OptionalText = None
    batch: OptionalText = None
    perturbation: OptionalText = None
    perturbation_type: Annotated[PerturbationType | None, BeforeValidator(_missing_to_none)] = None
    dose: Annotated[Annotated[float, Field(ge=0)] | None, BeforeValidator(_missing_to_none)] = None
    dose_unit: OptionalText = None
    role: Annotated[Role | None, BeforeValidator(_missing_to_none)] = None
    slide: OptionalText = None
    patient: OptionalText = None
    label: OptionalText = None
    x: OptionalNumber = None
    y: OptionalNumber = None
    mask: OptionalText = None
    mpp: Annotated[Annotated[float, Field(gt=0)] | None, BeforeValidator(_missing_to_none)] = None


COLUMNS = tuple(ManifestRow.model_fields)
NUMBERS = ("dose", "x", "y", "mpp")
NAMES = tuple(column for column in COLUMNS if column not in NUMBERS)
"""The columns whose values are names: text, also where they look like numbers."""
