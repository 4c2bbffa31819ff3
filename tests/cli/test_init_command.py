"""`phenolens init` on the command line: what it says, and errors in one line."""

import json

import numpy as np
import pandas as pd
import pytest
import tifffile
import yaml


@pytest.fixture
def screen(tmp_path):
    """Four wells of an Opera Phenix, two channels each, and their platemap."""
    folder = tmp_path / "screen"
    folder.mkdir()
    for column in range(1, 5):
        for channel in (1, 2):
            image = np.full((8, 8), column, np.uint16)
            tifffile.imwrite(folder / f"r01c{column:02}f01p01-ch{channel}sk1fk1fl1.tiff", image)
    (tmp_path / "plan.csv").write_text("well,gene\nA1,DMSO\nA2,DMSO\nA3,TP53\nA4,TP53\n")
    return folder


def test_it_says_what_it_found_guessed_misses_and_wrote(call, screen, tmp_path):
    code, out, _ = call("init", screen, "--platemap", tmp_path / "plan.csv", "--out", tmp_path / "out")
    assert code == 0
    assert [line.split(": ", 1) for line in out.splitlines()] == [
        ["found", f"8 images in {screen}: harmony, Opera Phenix or Operetta (Harmony), also JUMP-CP"],
        ["found", "1 plate, 4 wells, 4 sites, 2 perturbations; channels channel_1, channel_2"],
        ["guessed", "plates are called like their folders: screen"],
        ["guessed", "perturbation is the column 'gene'"],
        ["guessed", "negative controls are DMSO, by their names"],
        [
            "fill in",
            "what the channels 1 and 2 show, as in --channel 1=dna: baselines find nuclei in a channel called dna, "
            "dapi or hoechst",
        ],
        ["written", str(tmp_path / "out/manifest.csv")],
        ["written", str(tmp_path / "out/recipe.yaml")],
        ["next", f"phenolens validate {tmp_path / 'out/recipe.yaml'}"],
    ]


def test_the_same_in_json(call, screen, tmp_path):
    code, out, _ = call("init", screen, "--platemap", tmp_path / "plan.csv", "--channel", "1=dna", "--json")
    assert code == 0
    said = json.loads(out)
    assert said["written"] == [str(tmp_path / "manifest.csv"), str(tmp_path / "recipe.yaml")]
    assert "image_dna" in pd.read_csv(tmp_path / "manifest.csv")
    assert said["guesses"]


def test_the_next_step_is_a_command_that_works(call, screen, tmp_path):
    _, out, _ = call("init", screen, "--channel", "1=dna", "--channel", "2=actin", "--controls", "dmso")
    again = out.splitlines()[-1].removeprefix("next: phenolens ").split()
    template = pd.read_csv(tmp_path / "platemap.csv")
    template.assign(perturbation=["DMSO", "DMSO", "x", "x"]).to_csv(tmp_path / "platemap.csv", index=False)
    assert call(*again)[0] == 0
    assert {"image_dna", "image_actin"} <= set(pd.read_csv(tmp_path / "manifest.csv"))


def test_tables_are_listed_after_one_option(call, tmp_path):
    rows = pd.DataFrame({"gene": list("aabb"), "feature_0": [1.0, 2, 3, 4], "feature_1": [1.0, 3, 2, 4]})
    for name in ("mine", "yours"):
        rows.to_csv(tmp_path / f"{name}.csv", index=False)
    code, out, _ = call("init", "--tables", tmp_path / "mine.csv", tmp_path / "yours.csv")
    assert code == 0
    assert "found: " in out
    recipe = yaml.safe_load((tmp_path / "recipe.yaml").read_text())
    assert set(recipe["dataset"]["tables"]) == {"mine", "yours"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{screen}", "--pattern", "harmonie"], "did you mean 'harmony'"),
        (["{screen}", "--channel", "7=dna"], "--channel 7=dna: no such channel"),
        (["{screen}", "--platemap", "{tmp}/none.csv"], "none.csv"),
        (["{screen}", "--platemap", "{tmp}/plan.csv", "--controls", "water"], "no perturbation is called water"),
        (["{tmp}/gone"], "no such folder"),
        (["--tables", "{tmp}/gone.csv"], "no embeddings at"),
        (["--tables", "{tmp}/plan.csv"], "no columns of numbers"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(call, screen, tmp_path, arguments, message):
    before = sorted(tmp_path.rglob("*"))
    code, out, err = call("init", *(each.format(screen=screen, tmp=tmp_path) for each in arguments))
    assert (code, out) == (1, "")
    assert err.startswith("error: ")
    assert len(err.splitlines()) == 1
    assert message in err
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    "arguments", [[], ["a", "b"], ["--tables", "a.csv", "--platemap", "b.csv"], ["a", "--channel", "1"]]
)
def test_wrong_usage(call, arguments):
    assert call("init", *arguments)[0] != 0
