"""The noise that all perturbations share through their controls."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from phenolens.diagnosis import compare_families
from phenolens.diagnosis.comparison import compare_tested
from phenolens.diagnosis.other_controls import ask_without_controls
from phenolens.evaluation import evaluate
from phenolens.profiling import FITTED_ON, profile
from phenolens.tasks import make_task

pytestmark = pytest.mark.slow

CONTROLS = make_task("replicate-retrieval", n_permutations=20)
OTHERS = make_task("replicate-retrieval", against="others", n_permutations=20)
N, PER_PLATE = 16, 6


@pytest.fixture(scope="module")
def wells():
    """Return two encoders that know the same truth, each with noise of its own, and a baseline."""
    rng = np.random.default_rng(1)
    names = [*(f"t{i}" for i in range(N)), *["dmso"] * PER_PLATE]
    obs = pd.DataFrame(
        [
            (f"p{plate}", f"{'ABC'[i // 12]}{i % 12 + 1:02d}", name)
            for plate in range(3)
            for i, name in zip(rng.permutation(len(names)), names, strict=True)
        ],
        columns=["plate", "well", "perturbation"],
    )
    obs["role"] = np.where(obs["perturbation"] == "dmso", "negative_control", "treatment")
    obs.index = [f"w{i}" for i in range(len(obs))]
    truth = pd.DataFrame(rng.normal(size=(N + 1, 4)), [*names[:N], "dmso"]).loc[obs["perturbation"]].to_numpy()
    found = {}
    for name in ("one", "other", "untrained/resnet18@seed=0", "untrained/resnet18@seed=1", "cell-count"):
        found[name] = AnnData((truth + rng.normal(size=truth.shape)).astype("f4"), obs=obs)
    found["cell-count"] = found["cell-count"][:, :1].copy()
    return found


def test_scores_are_those_of_a_screen_without_these_controls(wells):
    evaluation = evaluate(wells, [CONTROLS, OTHERS], profilings=["raw", "tvn"])
    found, missing = ask_without_controls(evaluation)
    assert missing == {}
    # Of others, raw, controls are no part.
    assert set(found) == {(CONTROLS.id, "raw"), (CONTROLS.id, "tvn"), (OTHERS.id, "tvn")}
    own = found[CONTROLS.id, "raw"]
    assert {"one", "other"} < set(own) <= {"one", "other", "cell-count", "untrained/resnet18"}
    assert {len(scores) for scores in own.values()} == {10}
    # Eighteen controls in ten parts: eight of two, and two of one.
    control = np.flatnonzero(wells["one"].obs["role"] == "negative_control")
    expected = set()
    for first in range(len(control)):
        for second in range(first, len(control)):
            kept = np.delete(np.arange(wells["one"].n_obs), control[[first, second]])
            score = evaluate({"one": wells["one"][kept]}, [CONTROLS]).scores[0].score.value
            expected.add(round(score, 6))
    assert {round(float(score), 6) for score in own["one"]} <= expected


def test_what_is_shared_widens_limits_and_p_values(wells):
    evaluation = evaluate(wells, [CONTROLS])
    scores, _ = ask_without_controls(evaluation)
    alone, together = compare_tested(evaluation.claiming).iloc[0], compare_tested(evaluation.claiming, scores).iloc[0]
    assert together["difference"] == alone["difference"]
    gaps = scores[CONTROLS.id, "raw"]["one"] - scores[CONTROLS.id, "raw"]["other"]
    shared = 9 / 10 * ((gaps - gaps.mean()) ** 2).sum()
    # What is detectable is a multiple of the standard error.
    own = (alone["detectable"] / 2.8016) ** 2
    assert together["detectable"] / 2.8016 == pytest.approx(np.sqrt(own + shared), rel=1e-3)
    assert together["low"] < alone["low"] < alone["high"] < together["high"]
    assert together["p"] > alone["p"]


def test_a_baseline_that_is_not_the_best_is_compared_as_before(wells):
    evaluation = evaluate(wells, [CONTROLS])
    scores, _ = ask_without_controls(evaluation)
    for family in ("one", "other"):
        scores[CONTROLS.id, "raw"].pop(family)
    pd.testing.assert_frame_equal(compare_families(evaluation), compare_families(evaluation, scores))


def test_profilers_are_fitted_on_the_controls_that_are_named(wells):
    raw = profile(wells["one"], "raw")
    places = raw.obs_names[raw.obs["role"] == "negative_control"][[0, 1, 6, 7, 12, 13]]
    found = profile(raw, "robust-z", hold_out=True, fit_on=places)
    assert set(found.obs_names[found.obs[FITTED_ON]]) == set(places)
