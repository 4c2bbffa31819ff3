"""The noise that all perturbations share through their controls."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from phenolens.diagnosis.evidence import Evidence
from phenolens.diagnosis.parts.differences import compare, compare_encoders
from phenolens.diagnosis.parts.differences.control_jackknife import ControlJackknife, leave_controls_out
from phenolens.diagnosis.records import BaselineDifference, EncoderDifference
from phenolens.evaluation import evaluate
from phenolens.profiling import FITTED_ON, profile
from phenolens.tasks import make_task

pytestmark = pytest.mark.slow

CONTROLS = make_task("replicate-retrieval", n_permutations=20)
OTHERS = make_task("replicate-retrieval", measures="distinctiveness", n_permutations=20)
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
    jackknife = leave_controls_out(evaluation)
    assert jackknife.skipped == ()
    found = jackknife.scores
    # Of others, raw, controls are no part.
    assert set(found) == {(CONTROLS.id, "raw"), (CONTROLS.id, "tvn"), (OTHERS.id, "tvn")}
    by_part = found[CONTROLS.id, "raw"]
    assert {"one", "other"} < set(by_part) <= {"one", "other", "cell-count", "untrained/resnet18"}
    assert {len(scores) for scores in by_part.values()} == {10}
    # Eighteen controls in ten parts: eight of two, and two of one.
    control = np.flatnonzero(wells["one"].obs["role"] == "negative_control")
    expected = set()
    for first in range(len(control)):
        for second in range(first, len(control)):
            kept = np.delete(np.arange(wells["one"].n_obs), control[[first, second]])
            score = evaluate({"one": wells["one"][kept]}, [CONTROLS]).scores[0].score.value
            expected.add(round(score, 6))
    assert {round(float(score), 6) for score in by_part["one"]} <= expected


def between(evaluation):
    (found,) = Evidence(compare_encoders(evaluation).records).of(EncoderDifference)
    return found


def test_what_is_shared_widens_limits_and_p_values(wells, monkeypatch):
    evaluation = evaluate(wells, [CONTROLS])
    together = between(evaluation)
    scores = leave_controls_out(evaluation).scores[CONTROLS.id, "raw"]
    monkeypatch.setattr(compare, "leave_controls_out", lambda _: ControlJackknife())
    alone = between(evaluation)
    assert together.estimate.value == alone.estimate.value
    differences = scores["one"] - scores["other"]
    shared = 9 / 10 * ((differences - differences.mean()) ** 2).sum()
    # What is detectable is a multiple of the standard error.
    variance = (alone.minimum_detectable / 2.8016) ** 2
    assert together.minimum_detectable / 2.8016 == pytest.approx(np.sqrt(variance + shared), rel=1e-3)
    assert together.estimate.low < alone.estimate.low < alone.estimate.high < together.estimate.high
    assert together.estimate.p > alone.estimate.p


def test_a_baseline_that_is_not_the_best_is_compared_as_before(wells, monkeypatch):
    evaluation = evaluate(wells, [CONTROLS])

    def to_others():
        found = Evidence(compare_encoders(evaluation).records).of(BaselineDifference)
        return [each.estimate for each in found if not each.reference and not each.encoder_is_baseline]

    with_jackknife = to_others()
    monkeypatch.setattr(compare, "leave_controls_out", lambda _: ControlJackknife())
    assert to_others() == with_jackknife != []


def test_profilers_are_fitted_on_the_controls_that_are_named(wells):
    raw = profile(wells["one"], "raw")
    places = raw.obs_names[raw.obs["role"] == "negative_control"][[0, 1, 6, 7, 12, 13]]
    found = profile(raw, "robust-z", hold_out=True, fit_on=places)
    assert set(found.obs_names[found.obs[FITTED_ON]]) == set(places)
