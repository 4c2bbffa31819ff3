"""`phenolens diagnose` on vectors as people have them."""

import json

import numpy as np
import pandas as pd
import pytest

from phenolens.cli import main

pytestmark = pytest.mark.integration

N_PERTURBATIONS = 24


@pytest.fixture
def profiles(tmp_path):
    """Write two models of the same wells by pycytominer's convention, of which one sees less; return their files."""
    rng = np.random.default_rng(0)
    names = np.repeat([*(f"g{i}" for i in range(N_PERTURBATIONS)), *["dmso"] * 4], 4)
    effect = np.vstack([rng.normal(size=(N_PERTURBATIONS, 6)), np.zeros((4, 6))])
    truth = np.repeat(effect, 4, axis=0) + 0.5 * rng.normal(size=(len(names), 6))
    # Neighbours are not treated alike, or positions would tell as much.
    wells = [f"{'ABCDEFGHIJKLMNOP'[i // 12]}{i % 12 + 1:02d}" for i in rng.permutation(len(names))]
    files = []
    for name, noise in (("mine", 0.2), ("yours", 3.0)):
        frame = pd.DataFrame(truth + noise * rng.normal(size=truth.shape)).add_prefix("f")
        frame.insert(0, "Metadata_gene", names)
        frame.insert(1, "Metadata_Plate", np.tile(["p1", "p1", "p2", "p2"], len(names) // 4))
        frame.insert(2, "Metadata_Well", wells)
        frame.to_parquet(tmp_path / f"{name}.parquet")
        files.append(tmp_path / f"{name}.parquet")
    return files


def call(capsys, *arguments):
    try:
        main(["diagnose", *map(str, arguments)])
        code = 0
    except SystemExit as stop:
        code = stop.code or 0
    captured = capsys.readouterr()
    return code, captured.out, captured.err


COLUMNS = ("--perturbation", "gene", "--plate", "Plate", "--well", "Well", "--negative-control", "dmso")


def test_two_models_are_held_against_each_other(capsys, profiles, tmp_path):
    code, out, _ = call(capsys, *profiles, *COLUMNS, "--out", tmp_path / "out", "--json")
    assert code == 0
    answer = json.loads(out)
    pairs = [v for v in answer["verdicts"] if v["kind"] == "difference"]
    assert {v["task"] for v in pairs} == {"replicate-retrieval:controls", "replicate-retrieval:others"}
    assert all("mine beats yours" in v["claim"] and v["p_adjusted"] <= 0.05 < v["effect"] for v in pairs)
    assert {row["encoder"] for row in answer["scores"]} >= {"mine", "yours", "metadata"}
    skipped = {each["part"]: each["reason"] for each in answer["evidence"]["skipped"]}
    assert "no baseline that measures a concept" in skipped["concepts"]
    assert "no image was changed" in skipped["interventions"]
    card = (tmp_path / "out" / "card.md").read_text()
    headings = [line for line in card.splitlines() if line.startswith("## ")]
    assert headings[-5:-1] == ["## `mine`", "## `yours`", "## Differences between encoders", "## Evidence"]
    differences = answer["evidence"]["records"]["encoder_difference"]
    assert differences
    for estimate in (each["estimate"] for each in differences):
        assert estimate["low"] < estimate["value"] < estimate["high"]


def test_it_writes_a_card_and_a_report(capsys, profiles, tmp_path):
    code, out, _ = call(capsys, profiles[0], *COLUMNS, "--out", tmp_path / "out")
    assert code == 0
    assert out.splitlines()[-1].startswith("card: ")
    card = (tmp_path / "out" / "card.md").read_text()
    # Vectors are scored raw and after TVN, where plates have controls.
    gains = [line for line in out.splitlines() if "beats the best baseline" in line and ":controls" in line]
    assert gains
    for gain in gains:
        assert gain.split(": ", 1)[1] in card
    for heading in ("# mine", "## `mine`", "### Scores", "### Range and resolution of the metrics", "## Skipped"):
        assert f"{heading}\n" in card
    assert (tmp_path / "out" / "report.html").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--perturbation", "gene", "--negative-control", "water"), "no row has perturbation water"),
        ((), "no perturbation has two rows and there are no labels to predict; name their columns"),
        (
            ("--perturbation", "gen"),
            "column 'perturbation' is mapped from 'gen', which is missing; did you mean 'gene'",
        ),
    ],
)
def test_what_cannot_be_asked_is_one_line(capsys, profiles, tmp_path, arguments, message):
    code, out, err = call(capsys, profiles[0], *arguments, "--out", tmp_path / "out")
    assert (code, out) == (1, "")
    assert message in err
    assert len(err.strip().splitlines()) == 1


def test_the_same_encoder_twice_is_refused(capsys, profiles, tmp_path):
    (tmp_path / "copy").mkdir()
    copy = tmp_path / "copy" / profiles[0].name
    copy.write_bytes(profiles[0].read_bytes())
    code, _, err = call(capsys, profiles[0], copy, *COLUMNS, "--out", tmp_path / "out")
    assert code == 1
    assert "both hold embeddings of mine" in err
