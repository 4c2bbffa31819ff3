"""What encoders are said to know, and what their scores are said to use."""

import numpy as np
import pandas as pd
from judged import RETRIEVAL, answer, verdicts
from numpy.testing import assert_allclose


def levels_of(**known):
    row = {"family": "mine", "best": "mesh", "r": 0.5, "p": 0.001, "mean_r": 0.4, "low": 0.3, "high": 0.5}
    nothing = dict.fromkeys(("twin", "gain", "gain_low", "gain_high"), np.nan)
    return pd.DataFrame([row | nothing | {"level": level} | own for level, own in known.items()])


def test_levels_are_known_by_effect_and_adjusted_p(values):
    levels = levels_of(
        texture={"twin": 0.1, "gain": 0.3, "gain_low": 0.2, "gain_high": 0.4},
        shape={"p": 0.2},
        density={"r": 0.15},
        intensity={"twin": 0.39, "gain": 0.01, "gain_low": -0.02, "gain_high": 0.04},
    )
    found = {v.claim for v in verdicts(answer("mine", values), answer("cell-count", values), levels=levels)}
    assert (
        "mine knows texture, beyond shape, density, intensity: best mesh, r 0.50; better than its untrained twin: "
        "+0.30 [0.20, 0.40] on average; adjusted p 0.002." in found
    )
    assert any("intensity" in claim and "not for certain better than its untrained twin" in claim for claim in found)
    assert "mine hardly reads density (r 0.15); it knows nothing measurable about shape." in found


def test_a_baseline_is_not_judged_by_levels(values):
    levels = levels_of(texture={"family": "cell-count"})
    assert not [v for v in verdicts(answer("cell-count", values), levels=levels) if v.kind in ("level", "unknown")]


def test_what_a_score_needs_and_does_not(values):
    row = {"family": "mine", "task": RETRIEVAL.id, "profiling": "raw", "value": 0.2, "before": 0.5, "chance": 0.1}
    changed = [
        ("no-nuclei", 0.1, 0.05, 0.2, 0.0001),
        ("turn", 0.98, 0.9, 1.05, 0.4),
        ("blur:1", 0.8, 0.4, 1.3, 0.3),
        ("flip", np.nan, np.nan, np.nan, np.nan),
    ]
    rows = [row | dict(zip(("intervention", "retention", "low", "high", "p"), one, strict=True)) for one in changed]
    table = pd.DataFrame(rows).assign(shift=0.1)
    found = verdicts(answer("mine", values), answer("cell-count", values), interventions=table)
    (use,) = [verdict.claim for verdict in found if verdict.kind == "use"]
    assert use == "the score of mine falls after no-nuclei (10% [5%, 20%]); is kept after turn (98% [90%, 105%])."


def test_a_shortcut_is_said_once_in_all_its_ways(values):
    row = {"shortcut": "cell count", "family": "mine", "task": RETRIEVAL.id, "profiling": "raw", "n_units": 60}
    row |= {"before": 0.5, "chance": 0.1, "p": 0.0001}
    ways = [
        {"way": "matched", "fit": "", "value": 0.3, "retention": 0.5, "low": 0.4, "high": 0.6},
        {"way": "regressed out", "fit": "all", "value": 0.2, "retention": 0.25, "low": 0.2, "high": 0.3},
        {"way": "left out", "fit": "", "value": 0.5, "retention": 1.0, "low": 0.9, "high": 1.1, "p": 0.9},
    ]
    table = pd.DataFrame([row | way for way in ways])
    found = verdicts(answer("mine", values), answer("cell-count", values), shortcuts=table)
    (said,) = [v for v in found if v.kind == "shortcut"]
    assert said.claim.startswith(
        "cell count explains 75% [70%, 80%] when regressed out, with all that goes with it (0.50 becomes 0.20) and "
        "50% [40%, 60%] when matched (0.50 among as many candidates becomes 0.30) of what mine scores above chance, "
        "and 0% [-10%, 10%] when left out (0.50 among as many candidates becomes 0.50); adjusted p "
    )
    assert_allclose((said.effect, said.low, said.high), (0.75, 0.7, 0.8))


def test_what_the_largest_component_follows_is_said(values):
    variance = pd.DataFrame(
        [("mine", "density", 0.3, 0.1, 0.61, 0.4), ("mine", "batch", 0.1, 0.1, 0.2, 0.4)], columns=VARIANCE_COLUMNS
    )
    found = verdicts(answer("mine", values), answer("cell-count", values), variance=variance)
    (said,) = [v.claim for v in found if v.kind == "component"]
    assert said == "the first component of mine, 40% of its variance, follows density: 61% of it."
