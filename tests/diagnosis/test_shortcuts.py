"""Shortcuts on wells whose truth is known."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from phenolens.diagnosis import compare_shortcuts, diagnose
from phenolens.tasks import evaluate, make_task

RETRIEVAL = make_task("replicate-retrieval", against="others", n_permutations=20)
N_CONDITIONS, N_REPLICATES, N_CONTROLS = 40, 6, 80


@pytest.fixture(scope="module")
def wells() -> dict[str, AnnData]:
    """Return encoders of wells: one that sees the count, one that sees the shape, one that sees both."""
    rng = np.random.default_rng(0)
    treated = np.repeat(np.arange(N_CONDITIONS), N_REPLICATES)
    n = len(treated) + N_CONTROLS
    effect = np.vstack([rng.normal(size=(N_CONDITIONS, 7))[treated], np.zeros((N_CONTROLS, 7))])
    seen = effect + 0.5 * rng.normal(size=(n, 7))
    count, shape = seen[:, :1], seen[:, 1:]
    obs = pd.DataFrame(
        {
            "plate": "p1",
            "well": [f"{row}{column:02d}" for row in "ABCDEFGHIJKLMNOP" for column in range(1, 25)][:n],
            "perturbation": [*(f"c{i}" for i in treated), *["dmso"] * N_CONTROLS],
            "role": ["treatment"] * len(treated) + ["negative_control"] * N_CONTROLS,
        },
        index=[f"s{i}" for i in range(n)],
    )

    def reader(*parts):
        x = np.column_stack(parts)
        return AnnData(x @ rng.normal(size=(x.shape[1], 12)) + 0.1 * rng.normal(size=(n, 12)), obs=obs)

    counted = AnnData(np.round(40 + 5 * count), obs=obs, var=pd.DataFrame(index=["nuclei_count"]))
    return {
        "counts": reader(count),
        "shapes": reader(shape),
        "both": reader(count, shape[:, :2]),
        "cell-count": counted,
    }


def test_a_count_explains_what_a_counter_scores_and_nothing_else(wells):
    table = compare_shortcuts(wells, evaluate(wells, [RETRIEVAL])).set_index("family")
    assert set(table["shortcut"]) == {"cell count"}  # nobody has measured another
    assert set(table.index) == {"counts", "shapes", "both"}
    assert table.loc["counts", "high"] < 0.3
    assert table.loc["shapes", "retention"] == pytest.approx(1, abs=0.1)
    assert 0.3 < table.loc["both", "retention"] < 0.95
    assert table.loc["counts", "p"] < 0.01 < table.loc["shapes", "p"]


def test_the_card_says_so(wells):
    card = diagnose(wells, evaluate(wells, [RETRIEVAL]))
    said = {verdict.encoder: verdict for verdict in card.verdicts if verdict.kind == "shortcut"}
    assert set(said) == {"counts", "both"}
    assert said["counts"].claim.startswith("cell count explains ")
    assert said["counts"].effect > 0.7
    assert said["counts"].low <= said["counts"].effect <= said["counts"].high


def test_without_controls_everything_that_goes_with_the_shortcut_is_taken(wells):
    alone = {name: own[own.obs["role"] == "treatment"].copy() for name, own in wells.items()}
    table = compare_shortcuts(alone, evaluate(alone, [RETRIEVAL])).set_index("family")
    assert table.loc["counts", "high"] < 0.3
    assert table.loc["shapes", "retention"] == pytest.approx(1, abs=0.1)


def test_the_same_controls_are_ranked_before_and_after(wells):
    against_controls = make_task("replicate-retrieval", against="controls", n_permutations=20)
    before = evaluate(wells, [against_controls])
    table = compare_shortcuts(wells, before).set_index("family")
    # Regressed out of vectors that do not follow it, a shortcut leaves each score where it was.
    assert table.loc["shapes", "value"] == pytest.approx(table.loc["shapes", "before"], abs=0.05)
    assert table.loc["shapes", "retention"] == pytest.approx(1, abs=0.1)
    assert table.loc["counts", "retention"] < 0.3


def test_every_way_of_post_processing_is_asked(wells):
    ways = ["raw", "robust-z"]
    table = compare_shortcuts(wells, evaluate(wells, [RETRIEVAL], profilings=ways))
    assert sorted(set(table["profiling"])) == ways
    assert (table.query("family == 'counts'")["high"] < 0.3).all()


def test_nothing_is_asked_where_nobody_measured(wells):
    own = {name: wells[name] for name in ("counts", "shapes")}
    assert compare_shortcuts(own, evaluate(own, [RETRIEVAL])).empty
