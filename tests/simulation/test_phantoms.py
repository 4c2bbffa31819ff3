"""Phantoms as data sets by name: simulated once, found again, with options that are checked."""

import pytest

from phenolens.core.errors import ManifestError
from phenolens.datasets import open_dataset

SMALL = {"plates": 1, "wells": 24, "size": 64, "channels": ["dna"]}


def test_a_phantom_is_simulated_once_for_its_options(tmp_path):
    first = open_dataset("cells", tmp_path, preset="strong", **SMALL)
    written = first.source.stat().st_mtime_ns
    again = open_dataset("cells", tmp_path, preset="strong", **SMALL)
    assert len(first) == 24
    assert again.source == first.source
    assert again.source.stat().st_mtime_ns == written
    assert open_dataset("cells", tmp_path, preset="strong", **SMALL | {"seed": 1}).source != first.source


def test_tissue_is_one_too(tmp_path):
    slides = open_dataset("tissue", tmp_path, preset="stain", patients=2, slides=2, tiles=1, size=64)
    assert set(slides.table["label"]) == {"a", "b"}


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("cell", {}, "no data set 'cell'; did you mean 'cells'"),
        ("cells", {"plate": 2}, "data set 'cells' has no option 'plate'; did you mean 'plates'"),
        ("cells", {"preset": "strongest"}, "did you mean 'strong'"),
    ],
)
def test_what_is_not_there_is_told_in_one_line(tmp_path, name, options, message):
    with pytest.raises(ManifestError) as caught:
        open_dataset(name, tmp_path, **options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
