"""Relationship recall: value, sources, nulls, interval, and refusals."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from numpy.testing import assert_allclose

from phenolens.core.errors import PhenolensError, TaskNotApplicable
from phenolens.evaluation import evaluate, score_strata, summaries
from phenolens.metrics import cosine_similarity
from phenolens.tasks import make_task

GENES = [f"G{i}" for i in range(120)]


def wells(rng, effect=0.0, n_replicates=3):
    """Knock-downs of which those of one complex of six share a direction."""
    complexes = np.arange(120) // 6
    centre = rng.normal(size=(120, 10)) + effect * rng.normal(size=(20, 10))[complexes]
    x = np.repeat(centre, n_replicates, axis=0) + 0.1 * rng.normal(size=(120 * n_replicates, 10))
    obs = pd.DataFrame({"perturbation": np.repeat(GENES, n_replicates)}, index=[f"w{i}" for i in range(len(x))])
    return AnnData(x.astype("f4"), obs=obs)


@pytest.fixture
def relations(tmp_path):
    """True complexes, and as many pairs that mean nothing."""
    pd.DataFrame({"complex": np.arange(120) // 6, "gene": GENES}).to_csv(tmp_path / "Truth.csv", index=False)
    rng = np.random.default_rng(0)
    noise = rng.permutation(120)[np.array([(i, j) for i in range(0, 120, 6) for j in range(i + 1, i + 6)])]
    pd.DataFrame(np.array(GENES)[noise], columns=["entity1", "entity2"]).to_csv(tmp_path / "Noise.csv", index=False)
    return tmp_path


def ask(relations, **options):
    return make_task("relationship-recall", relations=[relations], n_permutations=39, **options)


def parts_of(score, rng):
    """The scores of sources by name, with further numbers."""
    return {
        each.stratum: {
            "value": each.estimate.value,
            "chance": each.chance,
            "interval": [each.estimate.low, each.estimate.high],
            "n_units": each.estimate.n_units,
            **each.details,
        }
        for each in score_strata(score, rng)
    }


def test_true_relations_are_recalled_and_false_ones_are_not(relations):
    rng = np.random.default_rng(1)
    score = ask(relations).score(wells(rng, effect=1.0), rng)
    parts = parts_of(score, rng)
    assert set(parts) == {"Truth", "Noise"}
    assert parts["Truth"]["value"] > 0.3
    assert parts["Truth"]["p_labels_permuted"] == parts["Truth"]["p_degree_preserved"] == 1 / 40
    assert abs(parts["Noise"]["value"] - 0.1) < 0.08
    assert parts["Noise"]["p_labels_permuted"] > 0.05
    for part in parts.values():
        assert part["chance"] == pytest.approx(0.1)
        assert part["interval"][0] <= part["value"] <= part["interval"][1]
        assert part["n_units"] > 50
    assert_allclose(score.value, np.mean([part["value"] for part in parts.values()]))
    assert score.details[""]["replicate_ceiling"] > 0.9


def test_value_is_the_share_of_pairs_in_the_tails(relations):
    rng = np.random.default_rng(2)
    data = wells(rng, effect=0.5)
    part = parts_of(ask(relations).score(data, rng), rng)["Truth"]
    similarity = cosine_similarity(np.asarray(data.X).reshape(120, 3, 10).mean(axis=1))
    low, high = np.quantile(similarity[np.triu_indices(120, 1)], [0.05, 0.95])
    pairs = np.array([(i, j) for i in range(120) for j in range(i + 1, 120) if i // 6 == j // 6])
    values = similarity[tuple(pairs.T)]
    assert part["n_relations"] == len(pairs)
    assert_allclose(part["value"], ((values < low) | (values > high)).mean(), atol=1e-9)
    assert_allclose(part["recall_upper_tail"], (values > high).mean(), atol=1e-9)
    upper = parts_of(ask(relations, tails="upper").score(data, rng), rng)["Truth"]
    assert_allclose(upper["value"], part["recall_upper_tail"])
    assert upper["chance"] == pytest.approx(0.05)


def test_a_constant_embedding_scores_chance(relations):
    data = wells(np.random.default_rng(3))
    data.X = np.ones_like(data.X)
    score = ask(relations).score(data, np.random.default_rng(0))
    assert_allclose([score.value, score.chance], 0.1, atol=1e-6)


def test_the_interval_holds_the_expectation_as_often_as_it_says(tmp_path):
    """A relation involves two genes: an interval from genes drawn as if it involved one would be half as wide."""
    pairs = np.array([(i, j) for i in range(60) for j in range(i + 1, 60) if (i + j) % 5 == 0])
    names = np.array(GENES)
    pd.DataFrame(names[pairs], columns=["entity1", "entity2"]).to_csv(tmp_path / "Pairs.csv", index=False)
    rng = np.random.default_rng(4)
    task = make_task("relationship-recall", relations=[tmp_path], n_permutations=19)
    values, widths = [], []
    for _ in range(60):
        # Strong genes, whose profiles share a direction, are few: recall varies with which genes are strong.
        strong = rng.random(120) < 0.3
        x = rng.normal(size=(120, 8)) + 4 * strong[:, None] * np.eye(1, 8)
        data = AnnData(x.astype("f4"), obs=pd.DataFrame({"perturbation": GENES}, index=GENES))
        score = task.score(data, rng)
        low, high = score.interval(rng, n_draws=400)
        values.append(score.value)
        widths.append((high - low) / 2 / 1.96)
    assert 0.7 < np.mean(widths) / np.std(values) < 1.5


def test_sources_without_a_pair_are_named_and_the_rest_is_scored(relations):
    pd.DataFrame({"a": ["human"], "b": ["other"]}).to_csv(relations / "Else.csv", index=False)
    rng = np.random.default_rng(5)
    score = ask(relations).score(wells(rng), rng)
    assert "no relation of Else connects two of the perturbations" in score.caveat
    assert set(score.units["stratum"]) == {"Truth", "Noise"}


def test_refusals(relations, tmp_path):
    rng = np.random.default_rng(6)
    data = wells(rng)
    lower = data.copy()
    lower.obs["perturbation"] = lower.obs["perturbation"].astype(str).str.lower()
    unlike = r"no relation of Truth, Noise|no relation of Noise, Truth"
    with pytest.raises(TaskNotApplicable, match=unlike) as caught:
        ask(relations).score(lower, rng)
    assert "'G0' ('g0'), 'G1' ('g1'), 'G10' ('g10') and 117 more differ from perturbations by case" in str(caught.value)
    assert "such as 'g0'" in str(caught.value)
    with pytest.raises(TaskNotApplicable, match="needs at least 10 perturbations, found 9"):
        ask(relations).score(data[:27], rng)
    with pytest.raises(TaskNotApplicable, match="did you mean 'perturbation'"):
        ask(relations, entity="perturbations").score(data, rng)
    controls = data.copy()
    controls.obs["role"] = "negative_control"
    with pytest.raises(TaskNotApplicable, match="no row is treated"):
        ask(relations).score(controls, rng)
    with pytest.raises(PhenolensError, match="option 'relations'"):
        make_task("relationship-recall", relations=[])
    with pytest.raises(PhenolensError, match="no relations at"):
        make_task("relationship-recall", relations=[tmp_path / "none"]).score(data, rng)


def test_every_answer_has_its_parts(relations):
    evaluation = evaluate({"mine": wells(np.random.default_rng(7), effect=1.0)}, [ask(relations)])
    (summary,) = summaries(evaluation)
    assert {"value", "chance", "interval", "n_units", "sources", "minimum_detectable"} <= set(summary)
    assert {"value", "chance", "interval", "n_units"} <= set(summary["sources"]["Truth"])
