"""Where controls stand, and what that allows to conclude."""

import numpy as np
import pandas as pd
import pytest

from phenolens.datasets.wells import known_positions
from phenolens.tasks.layout import describe_layout

WELLS = [f"{letter}{number:02d}" for letter in "ABCDEFGH" for number in range(1, 13)]


def at(names):
    return known_positions(pd.DataFrame({"well": names}))


def test_positions():
    found = at(["A01", "h12", "AA3", "P024"])
    assert found[["row", "column", "edge"]].to_numpy().tolist() == [[0, 0, 0], [7, 11, 7], [26, 2, 2], [15, 23, 15]]
    assert at(["A01", "well 7"])["row"].isna().tolist() == [False, True]
    assert at(["well 6", "well 7"]) is None


@pytest.mark.parametrize(
    ("is_control", "apart"),
    [
        (lambda row, column: column == 0, True),
        (lambda row, column: row in (0, 7) or column in (0, 11), True),
        (lambda row, column: (5 * row + column) % 7 == 0, False),
    ],
)
def test_controls_in_a_column_or_on_the_rim_stand_apart_and_scattered_ones_do_not(is_control, apart):
    places = at(WELLS)[["row", "column"]]
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


def held_by(rng, n_controls, n_plates=4):
    """Return metadata of plates on which controls stand anywhere, and a mask of them."""
    control = np.zeros((n_plates, 96), bool)
    for plate in control:
        plate[rng.permutation(96)[:n_controls]] = True
    return pd.DataFrame({"well": WELLS * n_plates, "plate": np.repeat(list("wxyz")[:n_plates], 96)}), control.ravel()


def test_some_controls_among_treatments_do_not_hide_that_most_stand_outside():
    inner = {(1, 2), (2, 5), (3, 8), (4, 3), (5, 6), (6, 9)}
    places = at(WELLS)[["row", "column"]]
    control = np.array([column in (0, 11) or (row, column) in inner for row, column in places.to_numpy()])
    found = describe_layout(pd.DataFrame({"well": WELLS}), ~control, control)
    assert found.covered > 0.5
    assert found.controls_stand_apart
    (note,) = found.notes
    assert note.code == "controls_stand_apart"
    assert "are not distributed as those of treated wells (p below 0.001)" in note.text


@pytest.mark.parametrize("n_controls", [2, 4, 16])
def test_controls_that_are_dealt_at_random_are_rarely_said_to_be_unlike_treatments(n_controls):
    rng = np.random.default_rng(n_controls)
    said = 0
    for _ in range(200):
        obs, control = held_by(rng, n_controls)
        said += describe_layout(obs, ~control, control).alike <= 0.05
    assert 2 <= said <= 20  # of 200 at a rate of 5 %: with a probability of 0.998


def test_plates_of_one_layout_count_once_also_if_different_halves_of_their_controls_are_held_out():
    rng = np.random.default_rng(0)
    one, control = held_by(rng, 16, n_plates=1)
    alone = describe_layout(one, ~control, control).alike
    four, repeated = held_by(rng, 16)[0], np.tile(control, 4)
    assert describe_layout(four, ~repeated, repeated).alike == pytest.approx(alone)
    four["role"] = np.where(repeated, "negative_control", "treatment")
    kept = ~repeated | (rng.random(len(four)) < 0.5)
    found = describe_layout(four[kept], ~repeated[kept], repeated[kept], whole=four)
    assert found.alike == pytest.approx(alone)


def test_one_kind_of_wells_is_unlike_nothing():
    obs, control = held_by(np.random.default_rng(0), 96)
    assert np.isnan(describe_layout(obs, ~control, control).alike)
