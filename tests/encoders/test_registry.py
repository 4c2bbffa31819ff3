"""Names, options, and what a wrong one is told."""

import subprocess
import sys

import pytest

from phenolens.core.errors import EncoderError
from phenolens.encoders import (
    EncoderName,
    counterpart_of,
    create_encoder,
    default_panel,
    describe_encoder,
    find_encoder,
    quick_panel,
)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("pixel-statistic", "no encoder 'pixel-statistic'; did you mean 'pixel-statistics'"),
        ("untrained/resnet81", "timm has no model 'resnet81'; did you mean 'resnet18'"),
        ("untrained/", "no encoder 'untrained/'"),
        ("twin/timmm/resnet18", "no encoder 'timmm/resnet18'"),
        ("twin/cell-count", "'cell-count' has no untrained counterpart"),
        ("twin/timm/resnet18@weights=a.safetensors", "no option 'weights'"),
        ("timm/resnet18@untrained=true", "no option 'untrained'"),
        ("untrained/resnet18@seed=one", "option 'seed'"),
        ("untrained/resnet18@mixing=both", "option 'mixing'"),
        ("untrained/resnet18@sede=1", "option 'sede'"),
        ("untrained/resnet18@seed", "NAME@option=value"),
        ("cell-count@nucleus=dnna", "no nuclear channel 'dnna'; did you mean 'dna'"),
        ("timm/test_vit@weights=none.safetensors", "no weights at none.safetensors"),
        ("timm/test_vit@weights=model.pth", "pickles can run code"),
    ],
)
def test_wrong_names_are_told_what_is_right(name, message):
    with pytest.raises(EncoderError) as caught:
        create_encoder(name, ("dna", "er"))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_cell_count_asks_which_channel_shows_nuclei():
    with pytest.raises(EncoderError, match="cell-count@nucleus=gfp"):
        create_encoder("cell-count", ("gfp", "rfp"))
    assert create_encoder("cell-count", ("blue", "green", "red")).channels == ("red", "green", "blue")


def test_a_name_taken_apart_and_put_together():
    name = EncoderName.parse("untrained/resnet18@mixing=concat,seed=2")
    assert str(name) == "untrained/resnet18@mixing=concat,seed=2"
    assert name.without_seed == "untrained/resnet18@mixing=concat"
    assert "/" not in name.slug
    assert [str(one) for one in name.seeds(3)] == [str(name)]
    unseeded = EncoderName.parse("untrained/resnet18")
    assert [str(one) for one in unseeded.seeds(2)] == [
        "untrained/resnet18@seed=0",
        "untrained/resnet18@seed=1",
    ]
    assert EncoderName.parse("cell-count").seeds(3) == [EncoderName("cell-count")]


@pytest.mark.parametrize("kind", ["cells", "tissue"])
def test_the_default_panel_exists_and_is_made_of_baselines(kind, manifest):
    panel = default_panel(kind, 2)
    assert all(describe_encoder(name).is_baseline for name in panel)
    assert len(default_panel(kind, 1)) < len(panel) < len(default_panel(kind, 2, typed=True))
    for name in panel:
        create_encoder(name, ("dna", "er"), manifest=manifest)


@pytest.mark.parametrize("kind", ["cells", "tissue"])
@pytest.mark.parametrize("n_channels", [0, 1, 3])
def test_the_quick_panel_is_part_of_the_full_one_and_counts_cells(kind, n_channels):
    full = default_panel(kind, n_channels)
    quick = quick_panel(full)
    assert set(quick) < set(full)
    assert {"cell-count", "cell-graph/density"} & set(quick)
    assert ("untrained/resnet18@mixing=joint" in quick) == (n_channels > 0)


def test_a_trained_network_has_a_twin_of_the_same_input_path():
    assert counterpart_of("timm/resnet18@mixing=joint,weights=a.safetensors") == "twin/timm/resnet18@mixing=joint"
    assert counterpart_of("timm/resnet18@weights=a.safetensors") == "twin/timm/resnet18"
    assert counterpart_of("untrained/resnet18") == ""
    assert describe_encoder("twin/timm/resnet18@seed=1").is_baseline
    assert find_encoder("twin/checkpoint:out/run")[0] == "twin/checkpoint:"


def test_what_the_registry_does_not_know_is_no_baseline():
    assert not describe_encoder("my own embeddings").is_baseline
    assert not describe_encoder("timm/resnet18").is_baseline


def test_listing_imports_no_network_library():
    code = "import sys; import phenolens.encoders.registry as r; r.list_encoders(); print('timm' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"
