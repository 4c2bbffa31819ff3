"""The same screen in files as people have them is scored the same, or what differs is said."""

import json

import numpy as np
import pandas as pd
import pytest

from phenolens.cli import main

WELLS = [f"{row}{column:02d}" for row in "ABCDEF" for column in range(1, 11)]
FEATURES = [f"f{index}" for index in range(6)]


@pytest.fixture
def ask(capsys):
    """Run `evaluate`; return its scores, or the error, and what was said besides."""

    def run(*arguments):
        try:
            main(["evaluate", *map(str, arguments), "--json"])
        except SystemExit as stop:
            if stop.code:
                return capsys.readouterr().err, ""
        captured = capsys.readouterr()
        return json.loads(captured.out)["scores"], captured.err

    return run


@pytest.fixture
def screen():
    """Ten compounds and controls on three plates, four wells of each, controls twenty."""
    rng = np.random.default_rng(0)
    names = ["DMSO"] * 20 + [f"cpd{index}" for index in range(10) for _ in range(4)]
    rows = [
        (plate, well, name)
        for plate in ("p1", "p2", "p3")
        for well, name in zip(rng.permutation(WELLS), names, strict=True)
    ]
    table = pd.DataFrame(rows, columns=["plate", "well", "perturbation"])
    centre = {name: rng.normal(size=6) * (name != "DMSO") for name in dict.fromkeys(names)}
    vectors = np.stack([centre[name] for name in table["perturbation"]]) + rng.normal(size=(180, 6))
    table[FEATURES] = vectors.round(4)
    return table


RETRIEVAL = ("--task", "replicate-retrieval", "--option", "n_permutations=59", "--negative-control", "DMSO")


def values(scores):
    assert not isinstance(scores, str), scores
    assert scores
    return [(score["value"], score["chance"], score["n_units"]) for score in scores]


@pytest.mark.parametrize(
    "write",
    [
        lambda t, path: t.rename(columns={"plate": "Metadata_Plate", "well": "Metadata_Well"}).to_csv(
            path, index=False
        ),
        lambda t, path: t.assign(well=t["well"].str.lower().str.replace(r"^([a-z])0", r"\1", regex=True)).to_csv(path),
        lambda t, path: t.to_csv(path, sep=";", decimal=",", index=False, encoding="utf-16"),
        lambda t, path: t.assign(perturbation=t["perturbation"] + " ").to_csv(path, sep="\t", index=False),
        lambda t, path: t.assign(comment="#DIV/0!").to_csv(path, index=False),
    ],
)
def test_other_dialects_give_the_same_score(ask, screen, tmp_path, write):
    screen.to_parquet(tmp_path / "reference.parquet")
    write(screen, tmp_path / "t.csv")
    reference, _ = ask(tmp_path / "reference.parquet", *RETRIEVAL)
    found, _ = ask(tmp_path / "t.csv", *RETRIEVAL)
    assert values(found) == values(reference)


def test_plates_of_one_name_in_two_batches(ask, screen, tmp_path):
    screen = screen[screen["plate"] != "p3"]
    screen.to_csv(tmp_path / "reference.csv", index=False)
    screen.assign(batch=screen["plate"].map({"p1": "A", "p2": "B"}), plate=7).to_csv(tmp_path / "t.csv", index=False)
    reference, _ = ask(tmp_path / "reference.csv", *RETRIEVAL)
    with pytest.warns(UserWarning, match="plate '7' is in the batches 'A', 'B'"):
        found, _ = ask(tmp_path / "t.csv", *RETRIEVAL)
    assert values(found) == values(reference)


@pytest.mark.parametrize("odd", ["A01.a1", "well 5", "Z99"])
def test_one_odd_well_leaves_the_layout_known(ask, screen, tmp_path, odd):
    rim = screen["well"].str[0].isin(["A", "F"])
    names = np.where(rim, "DMSO", "cpd" + (screen.groupby("plate").cumcount() % 10).astype(str))
    screen = screen.assign(perturbation=names)
    screen.loc[(screen["well"] == "C05") & (screen["plate"] == "p1"), "well"] = odd
    screen.to_csv(tmp_path / "t.csv", index=False)
    with pytest.warns(UserWarning, match=f"the first is '{odd}', are no positions"):
        (score,), _ = ask(tmp_path / "t.csv", *RETRIEVAL)
    assert "controls stand apart" in " ".join(score["notes"])


def test_doses_in_several_units(ask, screen, tmp_path):
    doses = dict(zip((f"cpd{index}" for index in range(10)), [0.03, 0.1, 0.3, 1, 3] * 2, strict=True))
    screen["dose"] = screen["perturbation"].map(doses)
    screen["perturbation"] = screen["perturbation"].map(
        lambda name: name if name == "DMSO" else f"c{int(name[3:]) // 5}"
    )
    screen["role"] = np.where(screen["perturbation"] == "DMSO", "negative_control", "treatment")
    screen["dose_unit"] = "uM"
    screen.to_csv(tmp_path / "reference.csv", index=False)
    small = screen["dose"] < 1
    mixed = screen.assign(
        dose=np.where(small, 1000 * screen["dose"], screen["dose"]), dose_unit=np.where(small, "nM", "µmol/L")
    )
    mixed.to_csv(tmp_path / "t.csv", index=False)
    together = mixed.assign(dose=mixed["dose"].round(6).astype(str) + " " + mixed["dose_unit"]).drop(
        columns="dose_unit"
    )
    together["dose"] = together["dose"].where(together["role"] == "treatment")
    together.to_csv(tmp_path / "together.csv", index=False)
    reference, _ = ask(tmp_path / "reference.csv", "--task", "dose-response")
    for file in ("t.csv", "together.csv"):
        found, _ = ask(tmp_path / file, "--task", "dose-response")
        assert values(found) == values(reference)
    screen.assign(dose_unit=np.where(small, "%", "uM")).to_csv(tmp_path / "t.csv", index=False)
    error, _ = ask(tmp_path / "t.csv", "--task", "dose-response")
    assert "'c0' has doses in % and uM, which cannot be converted; give its doses in one unit" in error


@pytest.mark.parametrize(
    ("spelled", "said"),
    [
        ("CPD0", "'CPD0' ('cpd0') differ from perturbations by case, blanks or hyphens alone"),
        ("1-Mar", "'1-Mar' look like names that a spreadsheet has turned into dates"),
        ("other", ""),
    ],
)
def test_relations_that_spell_a_name_otherwise_say_so(ask, screen, tmp_path, spelled, said):
    screen["role"] = np.where(screen["perturbation"] == "DMSO", "negative_control", "treatment")
    screen.to_csv(tmp_path / "t.csv", index=False)
    pairs = [(f"cpd{one}", f"cpd{other}") for one in range(10) for other in range(one) if (one + other) % 3 == 0]
    known = pd.DataFrame([*pairs, (spelled, "cpd1")], columns=["a", "b"])
    known.to_csv(tmp_path / "known.txt", sep="\t", index=False)
    (score,), _ = ask(tmp_path / "t.csv", "--task", "relationship-recall", "--relations", tmp_path / "known.txt")
    assert said in " ".join(score["notes"])
    assert bool(said) == ("names of relations" in " ".join(score["notes"]))


def test_a_column_of_numbers_that_was_not_chosen_can_be_regressed_out(ask, screen, tmp_path):
    screen["cell_count"] = np.random.default_rng(1).poisson(100, len(screen))
    screen.to_csv(tmp_path / "t.csv", index=False)
    screen.rename(columns={"cell_count": "Metadata_cell_count"}).to_csv(tmp_path / "reference.csv", index=False)
    asked = ("--features", "f*", "--profiling", "regress-out@covariates=cell_count", *RETRIEVAL)
    assert values(ask(tmp_path / "t.csv", *asked)[0]) == values(ask(tmp_path / "reference.csv", *asked)[0])


def test_a_cell_beyond_all_numbers_does_not_end_the_process(ask, screen, tmp_path):
    text = screen["f0"].astype(str)
    text[7] = "1e10745244367"
    screen.assign(f0=text).to_csv(tmp_path / "t.csv", index=False)
    error, _ = ask(tmp_path / "t.csv", *RETRIEVAL)
    assert "1 of 180 rows, 1 of 6 features have NaN or infinite values, the first is row '7', feature 'f0'" in error
