"""Every task on data that cannot answer it: refused in words, or answered with a caveat; never a traceback."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from phenolens.core.errors import EmbeddingError, PhenolensError
from phenolens.evaluation import evaluate
from phenolens.tasks import TASKS, make_task
from phenolens.tasks.relations import pairs_among

OPTIONS = {
    "phenotypic-consistency": {"label": "moa"},
    "linear-probe": {"label": "moa"},
    "ridge-probe": {"label": "moa"},
    "knn-probe": {"label": "moa"},
    "arm-bias": {"fewest": 10},
    "regression-probe": {"targets": ["cell_count"], "group": "plate"},
}


@pytest.fixture(params=sorted(TASKS))
def task(request, tmp_path):
    options = dict(OPTIONS.get(request.param, {}))
    if request.param in ("relationship-recall", "compound-gene"):
        pairs = [(f"t{i}", f"t{j}") for i in range(12) for j in (i + 12, i + 20)]
        pd.DataFrame(pairs, columns=["entity1", "entity2"]).to_csv(tmp_path / "known.csv", index=False)
        options["relations"] = [tmp_path / "known.csv"]
    if request.param == "complex-similarity":
        members = [(f"c{i // 5}", f"t{i}") for i in range(40)]
        pd.DataFrame(members, columns=["complex", "gene"]).to_csv(tmp_path / "sets.csv", index=False)
        options["sets"] = [tmp_path / "sets.csv"]
    if "n_permutations" in TASKS[request.param].model_fields:
        options["n_permutations"] = 29
    return make_task(request.param, **options)


@pytest.fixture
def screen():
    """Data that every task can answer."""
    rng = np.random.default_rng(0)
    rows = []
    for plate in ("p1", "p2", "p3"):
        rows += [(plate, "negative_control", "dmso", None, None, None) for _ in range(12)]
        rows += [
            (plate, "treatment", f"t{i}", "compound" if i < 12 else "crispr", float(3 ** (i % 3)), f"m{i % 4}")
            for i in range(40)
        ]
        rows += [
            (plate, "treatment", f"t{i}", "compound", dose, f"m{i % 4}") for i in range(3) for dose in (1.0, 3.0, 9.0)
        ]
    obs = pd.DataFrame(rows, columns=["plate", "role", "perturbation", "perturbation_type", "dose", "moa"])
    obs["chromosome_arm"] = np.where(obs["role"] == "treatment", obs["moa"], None)
    obs["cell_count"] = rng.normal(100, 10, len(obs))
    obs.index = [f"w{i}" for i in range(len(obs))]
    return AnnData(rng.normal(size=(len(obs), 5)).astype("f4"), obs=obs)


def asked(task, data):
    """Return the one answer, or the reason why there is none."""
    evaluation = evaluate({"mine": data}, [task])
    assert len(evaluation.scores) + len(evaluation.skipped) == 1
    return evaluation.scores[0] if evaluation.scores else evaluation.skipped[0].reason


def is_answer(found):
    return not isinstance(found, str)


def test_good_data_are_answered_in_full(task, screen):
    found = asked(task, screen)
    assert is_answer(found), found
    assert np.isfinite([found.score.value, found.score.chance, found.estimate.low, found.estimate.high]).all()
    assert found.estimate.low <= found.estimate.high
    assert found.score.n_units >= 2
    assert found.score.units["p"].dropna().between(0, 1, inclusive="right").all()


def test_constant_vectors_score_chance(task, screen):
    screen.X = np.ones_like(screen.X)
    found = asked(task, screen)
    if task.task == "dose-response":
        assert "effects that vary" in found
    else:
        assert found.score.value == pytest.approx(found.score.chance, abs=0.02)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_missing_and_infinite_values_are_refused_by_name(task, screen, bad):
    screen.X[7, 2] = bad
    with pytest.raises(EmbeddingError, match=r"mine: 1 of \d+ rows hold NaN or infinite values, the first is row 'w7'"):
        evaluate({"mine": screen}, [task])


@pytest.mark.parametrize("unit", [2.0**122, 2.0**-132])
def test_the_unit_of_the_vectors_changes_no_answer(task, screen, unit):
    """Float32 holds the vectors in both units, but neither their squares nor, in the small one, all of their digits."""
    expected = asked(task, screen)
    screen.X *= np.float32(unit)
    assert np.isfinite(screen.X).all()
    found = asked(task, screen)
    assert is_answer(found), found
    assert found.score.value == pytest.approx(expected.score.value, abs=0.02)
    assert found.score.chance == pytest.approx(expected.score.chance, abs=0.02)


def test_rows_of_zeros_are_said(task, screen):
    screen.X[20:23] = 0
    found = asked(task, screen)
    assert "3 of 183 rows are all zero" in found.score.caveat


PROBES = {"linear-probe", "ridge-probe", "knn-probe"}
RETRIEVAL = {
    "arm-bias",
    "complex-similarity",
    "compound-gene",
    "moa-accuracy",
    "phenotypic-consistency",
    "relationship-recall",
}
ANSWERED = {
    "no rows": set(),
    "one row": set(),
    "one per perturbation": {*PROBES, *RETRIEVAL},
    "no controls": {*PROBES, *RETRIEVAL, "regression-probe"},
    "no treatments": {"leakage", "regression-probe"},
    "no metadata": set(),
}


@pytest.mark.parametrize("change", ANSWERED)
def test_too_little_is_refused_in_words_and_enough_is_answered(task, screen, change):
    obs = screen.obs
    kept = {
        "no rows": np.zeros(len(obs), bool),
        "one row": np.arange(len(obs)) == 20,
        "one per perturbation": ~obs["perturbation"].duplicated().to_numpy(),
        "no controls": (obs["role"] == "treatment").to_numpy(),
        "no treatments": (obs["role"] != "treatment").to_numpy(),
        "no metadata": np.ones(len(obs), bool),
    }[change]
    data = screen[kept].copy()
    if change == "no metadata":
        data.obs = data.obs[[]]
    found = asked(task, data)
    if task.task in ANSWERED[change]:
        assert np.isfinite(found.score.value)
    else:
        assert found.startswith(task.task)
        assert "\n" not in found


def test_two_rows_of_one_name_are_refused_where_one_is_meant():
    with pytest.raises(PhenolensError, match="'a' names more than one row"):
        pairs_among(pd.DataFrame({"entity1": ["a"], "entity2": ["b"]}), ["a", "b", "a"])


def test_two_tasks_of_one_name_are_refused(screen):
    tasks = [make_task("linear-probe", label="moa", folds=folds) for folds in (3, 5)]
    with pytest.raises(PhenolensError, match=r"2 tasks are called 'linear-probe:moa'"):
        evaluate({"mine": screen}, tasks)


def test_doses_may_be_text(task, screen):
    screen.obs["dose"] = [f"{dose:g} uM" for dose in screen.obs["dose"].fillna(0)]
    found = asked(task, screen)
    assert "column 'dose' holds '1 uM'" in found if task.task == "dose-response" else is_answer(found)
