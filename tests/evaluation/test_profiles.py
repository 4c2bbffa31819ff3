"""Profiles are made once, and what cannot be made is skipped alone, by name."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from phenolens.core.errors import ProfilingError
from phenolens.embedding import encoder_info
from phenolens.encoders import EncoderInfo
from phenolens.evaluation import Profiles, evaluate, profiles
from phenolens.profiling import FITTED_ON, profile
from phenolens.tasks import make_task


@pytest.fixture
def wells():
    rng = np.random.default_rng(0)
    obs = pd.DataFrame(
        {
            "plate": np.repeat(["p1", "p2"], 24),
            "well": [f"{row}{column:02d}" for row in "AB" for column in range(1, 13)] * 2,
            "perturbation": (["dmso"] * 8 + [f"t{i // 2}" for i in range(16)]) * 2,
        },
        index=[f"s{i}" for i in range(48)],
    )
    obs["role"] = np.where(obs["perturbation"] == "dmso", "negative_control", "treatment")
    return {name: AnnData(rng.normal(size=(48, 5)).astype("f4"), obs=obs) for name in ("mine", "yours")}


def profiles_of(wells, **named):
    return Profiles(wells, {name: encoder_info(vectors, name) for name, vectors in wells.items()}, **named)


@pytest.fixture
def calls(monkeypatch):
    """Which profiles were made."""
    made = []

    def counted(sites, profiling, **named):
        made.append((profiling, named["level"], named["hold_out"]))
        return profile(sites, profiling, **named)

    monkeypatch.setattr(profiles, "profile", counted)
    return made


def test_each_is_made_once_and_is_what_profile_makes(wells, calls):
    kept = profiles_of(wells, seed=3)
    first = kept.get("mine", "robust-z", "well")
    assert kept.get("mine", "robust-z", "well") is first
    assert calls == [("robust-z", "well", False)]
    expected = profile(wells["mine"], "robust-z", level="well", form="vectors", seed=3)
    np.testing.assert_array_equal(first.X, expected.X)
    kept.get("mine", "robust-z", "well", hold_out=True)
    kept.get("mine", "robust-z", "site")
    kept.get("yours", "robust-z", "well")
    assert len(calls) == 4


def test_the_oldest_are_forgotten_beyond_a_limit(wells, calls, monkeypatch):
    kept = profiles_of(wells)
    size = kept.get("mine", "raw", "well").X.nbytes
    monkeypatch.setattr(profiles, "_MOST_BYTES", 2 * size)
    for encoder, profiling in (("yours", "raw"), ("mine", "robust-z")):
        kept.get(encoder, profiling, "well")
    assert len(calls) == 3
    kept.get("yours", "raw", "well")
    assert len(calls) == 3  # still kept
    kept.get("mine", "raw", "well")
    assert len(calls) == 4  # was the oldest


def test_what_cannot_be_made_is_tried_once_and_skipped_by_name(wells, calls):
    wells["yours"].X[:] = 1.0  # there is nothing to whiten
    kept = profiles_of(wells)
    found, skipped = kept.available(wells, "tvn", "well", "nuisance")
    assert list(found) == ["mine"]
    assert [(each.part, each.encoder, each.profiling) for each in skipped] == [("nuisance", "yours", "tvn")]
    assert skipped[0].reason
    with pytest.raises(ProfilingError) as error:
        kept.get("yours", "tvn", "well")
    assert str(error.value) == skipped[0].reason
    assert len(calls) == 2


def test_one_encoder_that_cannot_be_made_takes_no_score_from_others(wells):
    wells["yours"].X[:] = 1.0
    evaluation = evaluate(wells, [make_task("replicate-retrieval", n_permutations=20)], profilings=["raw", "tvn"])
    assert {(each.encoder, each.profiling) for each in evaluation.scores} == {
        ("mine", "raw"),
        ("mine", "tvn"),
        ("yours", "raw"),
    }
    assert [(each.encoder, each.profiling) for each in evaluation.skipped] == [("yours", "tvn")]


def test_controls_that_a_profiler_was_fitted_on_are_not_ranked(wells):
    task = make_task("replicate-retrieval", n_permutations=20)
    kept = profiles_of(wells)
    whole, ranked = kept.for_task(task, "mine", "tvn"), kept.ranked(task, "mine", "tvn")
    fitted_on = whole.obs[FITTED_ON].to_numpy()
    assert 0 < fitted_on.sum() < 16
    assert set(ranked.obs_names) == set(whole.obs_names[~fitted_on])


def test_roles_come_from_what_vectors_say_of_themselves(wells):
    infos = {
        "a": EncoderInfo("a", "timm/vit", None, "tested", "vectors", "twin/a", ""),
        "twin/a@seed=0": EncoderInfo("twin/a", "twin/timm/vit", 0, "untrained", "vectors", "", ""),
        "twin/a@seed=1": EncoderInfo("twin/a", "twin/timm/vit", 1, "untrained", "vectors", "", ""),
        "counts of mine": EncoderInfo("counts of mine", "cell-count", None, "baseline", "quantities", "", "cell-count"),
    }
    kept = Profiles(dict.fromkeys(infos, wells["mine"]), infos)
    assert set(kept.tested()) == {"a"}
    assert set(kept.tested_and_counterparts()) == {"a", "twin/a@seed=0", "twin/a@seed=1"}
    assert kept.measured_by("cell-count") == "counts of mine"
    assert kept.measured_by("well-position") is None
