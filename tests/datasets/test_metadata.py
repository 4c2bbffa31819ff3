"""One name for each thing, and one thing for each name; what is nearly the same is said."""

import warnings

import pandas as pd
import pytest

from phenolens.core.errors import ManifestError, PhenolensWarning
from phenolens.datasets.metadata import tidy_metadata
from phenolens.datasets.names import look_alikes, near_names


def tidy(**columns):
    return tidy_metadata(pd.DataFrame(columns), "t.csv")


@pytest.fixture
def silent():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.mark.usefixtures("silent")
def test_names_are_text_and_numbers_numbers():
    found = tidy(
        plate=[7.0, 8.0], batch=[1, 2], label=[True, False], patient=["007", None], x=[1, 2], dose=["0.5", None]
    )
    assert found["plate"].tolist() == ["7", "8"]
    assert found["batch"].tolist() == ["1", "2"]
    assert found["label"].tolist() == ["True", "False"]
    assert found["patient"].tolist() == ["007", None]
    assert found["dose"].tolist()[0] == 0.5
    assert "dose_unit" not in found


@pytest.mark.usefixtures("silent")
def test_closed_vocabularies_are_read_in_any_case():
    found = tidy(
        role=["Negative Control", "TREATMENT", "positive-control", "other"],
        perturbation_type=["CRISPR", "siRNA", "Compound", None],
    )
    assert found["role"].tolist() == ["negative_control", "treatment", "positive_control", "other"]
    assert found["perturbation_type"].tolist() == ["crispr", "sirna", "compound", None]


@pytest.mark.usefixtures("silent")
def test_wells_are_spelled_alike():
    assert tidy(well=["a1", "A01", "r01c01", "P-24", None])["well"].tolist() == ["A01", "A01", "A01", "P24", None]


@pytest.mark.parametrize(
    ("wells", "said"),
    [
        (
            ["A01", "A01.a1", "B02"],
            "1 of 3 names, the first is 'A01.a1', are no positions .*: positions of these wells",
        ),
        (["7", "8"], "2 of 2 names, the first is '7', are no positions .*: no position is known"),
        (["AZ99", "B02", "empty"], "2 of 3 names, the first is 'AZ99'"),
    ],
)
def test_wells_without_a_position_are_said(wells, said):
    with pytest.warns(PhenolensWarning, match=said):
        assert tidy(well=wells)["well"].tolist() == wells


def test_plates_of_one_name_in_several_batches_are_several_plates():
    with pytest.warns(PhenolensWarning, match="plate '1' is in the batches 'A', 'B'"):
        found = tidy(plate=[1, 1, 1, 2], batch=["A", "B", "A", "B"])
    assert found["plate"].tolist() == ["A_1", "B_1", "A_1", "2"]
    with pytest.warns(PhenolensWarning, match="plate 'p' is in the batches"):
        found = tidy(plate=["p", "p", "p"], batch=["2026-01-01", None, "2026-01-02"])
    assert found["plate"].tolist() == ["2026-01-01_p", "p", "2026-01-02_p"]


@pytest.mark.usefixtures("silent")
def test_plates_of_one_batch_keep_their_names():
    assert tidy(plate=["1", "1", "2"], batch=["A", "A", "B"])["plate"].tolist() == ["1", "1", "2"]
    once = tidy(plate=["A_1", "B_1"], batch=["A", "B"])
    assert tidy_metadata(once, "again")["plate"].tolist() == ["A_1", "B_1"]


@pytest.mark.parametrize(
    ("column", "names", "said"),
    [
        ("perturbation", ["DMSO", "dmso", "x"], "'DMSO', 'dmso' differ by case"),
        ("perturbation", ["non-targeting", "Non_Targeting"], "'non-targeting', 'Non_Targeting'"),
        ("perturbation", ["IL 6", "IL  6"], "'IL 6', 'IL  6'"),
        ("label", ["Tumour", "tumour"], "column 'label'"),
        ("patient", ["P-1", "p_1"], "column 'patient'"),
        ("perturbation", ["2-Sep", "x"], "'2-Sep' look like names that a spreadsheet has turned into dates"),
        ("perturbation", ["Mar-01", "DEC1"], "'Mar-01' look like names"),
        ("perturbation", ["2023-09-01", "x"], "'2023-09-01' look like"),
        ("perturbation", ["2.31E+13", "x"], r"'2.31E\+13' look like"),
    ],
)
def test_names_that_may_be_one_are_said(column, names, said):
    with pytest.warns(PhenolensWarning, match=said):
        assert tidy(**{column: names})[column].tolist() == names


@pytest.mark.usefixtures("silent")
def test_names_that_differ_are_not():
    tidy(
        perturbation=[
            "TP53",
            "TP63",
            "SEPT2",
            "MARCHF1",
            "cpd-1",
            "cpd-11",
            "1.5",
            "15",
            "2310009E13Rik",
            "p1-1",
            "p11",
        ]
    )


def test_look_alikes_are_those_of_known_names():
    assert look_alikes(["Brca1", "TP53", "none"], ["BRCA1", "TP53"]) == {"Brca1": "BRCA1"}
    assert near_names(["a", "A", "b"]) == [["a", "A"]]


@pytest.mark.usefixtures("silent")
@pytest.mark.parametrize("spelled", ["384", 384, 384.0, "384-well", "384 wells"])
def test_a_stated_format_is_a_number_of_wells_in_any_spelling(spelled):
    found = tidy(plate=["p", "p"], well=["A1", "H12"], plate_format=[spelled, None])
    assert found["plate_format"].tolist() == ["384", None]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"plate_format": ["100", None]}, "'100' is no format of plates; there is: 6, 12, 24, 48, 96, 384, 1536"),
        ({"plate_format": ["96", "384"]}, "plate 'p' has '96' and '384'; give it one format"),
        ({"plate_format": ["24", None], "well": ["H12", "A1"]}, "a plate of 24 wells has no well 'H12'"),
    ],
)
def test_a_format_that_cannot_be_is_refused(columns, message):
    with pytest.raises(ManifestError, match=f"^t.csv: column 'plate_format': .*{message}"):
        tidy(**({"plate": ["p", "p"], "well": ["A1", "A2"]} | columns))


def test_plates_of_doubtful_format_are_said():
    with pytest.warns(PhenolensWarning, match=r"t\.csv: plate 'p' is taken for one of 6 wells, .* 'q' for one of 384"):
        tidy(plate=["p", "q"], well=["A1", "P24"])
