"""Where controls stand, and what that allows to conclude."""

import numpy as np
import pandas as pd
import pytest

from phenolens.datasets import well_positions
from phenolens.tasks.layout import describe_layout

WELLS = [f"{letter}{number:02d}" for letter in "ABCDEFGH" for number in range(1, 13)]


def test_positions():
    found = well_positions(pd.Series(["A01", "h12", "AA3", "P024"]))
    assert found.to_numpy().tolist() == [[0, 0, 0], [7, 11, 7], [26, 2, 0], [15, 23, 0]]
    assert well_positions(pd.Series(["A01", "well 7"])) is None


@pytest.mark.parametrize(
    ("is_control", "apart"),
    [
        (lambda row, column: column == 0, True),
        (lambda row, column: row in (0, 7) or column in (0, 11), True),
        (lambda row, column: (5 * row + column) % 7 == 0, False),
    ],
)
def test_controls_in_a_column_or_on_the_rim_stand_apart_and_scattered_ones_do_not(is_control, apart):
    places = well_positions(pd.Series(WELLS))[["row", "column"]]
    control = np.array([is_control(row, column) for row, column in places.to_numpy()])
    obs = pd.DataFrame({"well": WELLS})
    found = describe_layout(obs, ~control, control)
    assert found.controls_stand_apart == apart
    assert ("controls stand apart" in " ".join(note.text for note in found.notes)) == apart


def test_perturbations_that_never_move_are_named():
    obs = pd.DataFrame({"well": ["B02", "B03", "B02", "B03"], "plate": list("xxyy"), "perturbation": list("abab")})
    everyone = np.ones(4, bool)
    assert (
        "100% of perturbations are in the same well of every plate"
        in describe_layout(obs, everyone, ~everyone).notes[0].text
    )
    obs["well"] = ["B02", "B03", "B03", "B02"]
    assert describe_layout(obs, everyone, ~everyone).notes == ()


@pytest.mark.parametrize("obs", [{}, {"well": ["one", "two"]}, {"well": ["A01", None]}])
def test_unknown_positions_allow_no_conclusion(obs):
    found = describe_layout(pd.DataFrame(obs, index=range(2)), np.array([True, False]), np.array([False, True]))
    assert np.isnan(found.covered)
    assert not found.controls_stand_apart
    assert found.notes == ()
