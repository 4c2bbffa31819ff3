"""Names of wells, formats of plates, and distances to their edge."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phenolens.datasets.wells import (
    PLATE_FORMATS,
    known_positions,
    parse_well,
    plate_formats,
    position_features,
    spell_well,
)


def wells(n_rows, n_columns, first_row=0, first_column=0):
    rows = range(first_row, first_row + n_rows)
    columns = range(first_column, first_column + n_columns)
    return [spell_well(f"r{row + 1}c{column + 1}") for row in rows for column in columns]


def at(names):
    return known_positions(pd.DataFrame({"well": names}))


@given(st.integers(0, 31), st.integers(0, 47))
def test_every_spelling_of_a_well_is_one_name(row, column):
    letters = chr(65 + row) if row < 26 else "A" + chr(65 + row - 26)
    name = f"{letters}{column + 1:02d}"
    spellings = [
        *(name, name.lower(), name.capitalize(), f"{letters}{column + 1}", f"{letters}{column + 1:03d}"),
        *(
            f"{letters}-{column + 1}",
            f"{letters} {column + 1:02d}",
            f"{letters} - {column + 1}",
            f"{letters}_{column + 1}",
            f" {name} ",
        ),
        *(f"r{row + 1:02d}c{column + 1:02d}", f"R{row + 1}C{column + 1}", f"row {row + 1} col {column + 1}"),
    ]
    assert {spell_well(each) for each in spellings} == {name}
    assert {parse_well(each) for each in spellings} == {(row, column)}


@pytest.mark.parametrize(
    "name", ["A01.a1", "well 7", "A00", "A49", "AG1", "r33c1", "12", "A", "", "AAA1", "B3x", "nan"]
)
def test_what_is_no_position_is_left(name):
    assert parse_well(name) is None
    assert spell_well(name) == name


@pytest.mark.parametrize("size", PLATE_FORMATS)
def test_a_full_plate_has_its_format(size):
    n_rows, n_columns = size
    places = at(wells(*size))
    edges = (places["edge"] == 0).to_numpy().reshape(size)
    assert edges.sum() == 2 * (n_rows + n_columns) - 4
    assert places["outermost"].sum() == edges.sum()
    assert places["edge"].max() == (min(size) - 1) // 2


@pytest.mark.parametrize("size", [(6, 8), (8, 12), (16, 24), (32, 48)])
def test_of_a_plate_with_an_empty_rim_the_wells_beside_it_are_outermost(size):
    n_rows, n_columns = size[0] - 2, size[1] - 2
    places = at(wells(n_rows, n_columns, 1, 1))
    assert places["edge"].min() == 1
    assert places["outermost"].sum() == 2 * (n_rows + n_columns) - 4


def test_a_plate_in_part_used_keeps_the_sides_of_its_format():
    places = at(wells(16, 6, 0, 0))  # the first columns of 384 wells
    assert places["edge"].max() == 5
    by_well = dict(zip(wells(16, 6), places["edge"], strict=True))
    assert (by_well["H06"], by_well["H01"], by_well["P06"]) == (5, 0, 0)


def test_each_plate_has_a_format_of_its_own():
    names = [*wells(8, 12), *wells(16, 24), *wells(2, 3)]
    plates = np.repeat(["small", "large", "tiny"], [96, 384, 6])
    order = np.random.default_rng(0).permutation(len(names))
    obs = pd.DataFrame({"well": names, "plate": plates}).iloc[order]
    places = known_positions(obs)
    on_edge = (places["edge"] == 0).groupby(obs["plate"]).sum()
    assert on_edge.to_dict() == {"small": 36, "large": 76, "tiny": 6}


def plates_of(**formats):
    """Return the metadata of plates of which the wells A01 to H12 (96) or all of 384 are used."""
    parts = {plate: wells(*((8, 12) if n == 96 else (16, 24))) for plate, n in formats.items()}
    return pd.concat([pd.DataFrame({"plate": plate, "well": names}) for plate, names in parts.items()])


def on_edge(obs):
    return (known_positions(obs)["edge"] == 0).groupby(obs["plate"].to_numpy()).sum().to_dict()


def test_a_quarter_of_a_large_plate_is_one_where_other_plates_of_its_batch_show_it():
    obs = plates_of(p1=96, p2=384, p3=96)
    assert on_edge(obs) == {"p1": 36, "p2": 76, "p3": 36}
    obs["batch"] = obs["plate"].map({"p1": "b1", "p2": "b1", "p3": "b2"})
    assert on_edge(obs) == {"p1": 19, "p2": 76, "p3": 36}  # row A and column 1 of 8 x 12 wells
    assert (
        "plate 'p1' is taken for one of 384 wells, like others of batch 'b1', although 96" in plate_formats(obs).doubt
    )


def test_a_stated_format_holds_and_leaves_no_doubt():
    obs = plates_of(p1=96, p2=384).assign(batch="b")
    obs["plate_format"] = obs["plate"].map({"p1": "96"})
    assert on_edge(obs) == {"p1": 36, "p2": 76}
    assert plate_formats(obs).doubt == ""
    obs["plate_format"] = "384"
    assert on_edge(obs) == {"p1": 19, "p2": 76}
    assert plate_formats(obs.drop(columns="batch")).doubt == ""
    alone = plates_of(p1=96).assign(plate_format="384")
    assert on_edge(alone) == {"p1": 19}


def test_doubtful_formats_are_named_and_plates_of_one_format_are_not():
    assert plate_formats(plates_of(p1=96, p2=96)).doubt == ""
    doubt = plate_formats(plates_of(p1=384, p2=96)).doubt
    assert doubt.startswith("plate 'p2' is taken for one of 96 wells, which hold all of its wells, and plate 'p1' for")
    assert "column plate_format" in doubt


def test_wells_without_a_position_are_unknown_and_the_others_are_not():
    obs = pd.DataFrame({"well": ["A01", "well 2", None, "H12"]}, index=list("abcd"))
    places = known_positions(obs)
    assert places["row"].isna().tolist() == [False, True, True, False]
    assert np.isfinite(position_features(places)).all()
    assert known_positions(obs.iloc[1:3]) is None
    assert known_positions(pd.DataFrame({"plate": ["p"]})) is None
