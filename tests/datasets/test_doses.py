"""Doses of several units."""

import numpy as np
import pandas as pd
import pytest

from phenolens.datasets.doses import in_one_unit, spell_unit


def convert(doses, units):
    dose, unit = in_one_unit(pd.Series(doses, dtype=object), pd.Series(units, dtype=object))
    return dose.tolist(), [None if pd.isna(each) else each for each in unit]


@pytest.mark.parametrize(
    ("spellings", "unit"),
    [
        (["M", "molar", "mol/L"], "M"),
        (["mM", "millimolar", "mmol/l", "MM"], "mM"),
        (["uM", "µM", "μM", "um", " uM ", "(uM)", "micromolar", "umol/L", "µmol/l"], "uM"),
        (["nM", "nm", "nanomolar", "nmol/L"], "nM"),
        (["pM", "picomolar"], "pM"),
        (["%", "percent", "% v/v", "% (v/v)"], "%"),
        (["ug/ml", "µg/mL", "μg/ml"], "ug/ml"),
        (["mg/mL", "mg/ml"], "mg/ml"),
    ],
)
def test_spellings_of_a_unit(spellings, unit):
    assert {spell_unit(each) for each in spellings} == {unit}


@pytest.mark.parametrize("unit", ["MOI", "Gy", "ng", "copies", "x"])
def test_unknown_units_stay(unit):
    assert spell_unit(unit) == unit
    assert convert(["1", "2"], [unit, unit]) == ([1, 2], [unit, unit])


def test_molar_doses_become_micromolar_where_several_units_occur():
    given = ["300", "0.3", "0.0003", "3e5", "3e-7"], ["nM", "µM", "mM", "pM", "M"]
    assert convert(*given) == ([0.3] * 5, ["uM"] * 5)
    assert convert([62.5, 300.0], ["nM", "nM"]) == ([62.5, 300], ["nM", "nM"])
    assert convert([1.0, 2.0], ["uM", "µM"]) == ([1, 2], ["uM", "uM"])


def test_masses_by_volume_are_a_kind_of_their_own():
    doses, units = convert(["1", "1", "1", "0.5", "2"], ["mg/ml", "µg/mL", "nM", "%", "uM"])
    assert doses == [1000, 1, 0.001, 0.5, 2]
    assert units == ["ug/ml", "ug/ml", "uM", "%", "uM"]
    assert convert(["1", "1"], ["g/l", "ng/ml"]) == ([1000, 0.001], ["ug/ml", "ug/ml"])


def test_units_behind_the_number():
    assert convert(["100 nM", "0.3µM", "1e1 uM", "0", None][:4], [None] * 4) == (
        [0.1, 0.3, 10, 0],
        ["uM", "uM", "uM", None],
    )
    assert convert(["5 uM", "5"], ["µM", "nM"]) == ([5, 0.005], ["uM", "uM"])


def test_what_is_no_dose_is_left_to_be_refused():
    assert convert(["high", "1"], ["uM", "nM"])[0] == ["high", "1"]
    assert convert(["1 uM", "1 nM"], ["nM", None])[0] == ["1 uM", "1"]


def test_doses_that_are_missing_stay_so():
    dose, unit = in_one_unit(pd.Series([1.0, np.nan, 1.0]), pd.Series(["uM", None, "nM"], dtype=object))
    assert dose.isna().tolist() == [False, True, False]
    assert unit.isna().tolist() == [False, True, False]


def test_decimal_commas_before_units_are_points_unless_they_may_be_thousands():
    dose, unit = in_one_unit(pd.Series(["1,5 \N{MICRO SIGN}M", "150 nM", None]), pd.Series([None] * 3, dtype=object))
    assert dose.tolist()[:2] == [1.5, 0.15]
    assert unit.tolist()[:2] == ["uM", "uM"]
    for doubtful in (["1,500 nM", "1 nM"], ["1,5 nM", "1.5 nM"]):
        assert in_one_unit(pd.Series(doubtful), pd.Series([None] * 2, dtype=object))[0].tolist()[0] == doubtful[0]
