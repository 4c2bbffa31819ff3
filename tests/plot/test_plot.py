"""Figures show the numbers of the records they are made from, whatever names these have."""

import sys

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

import phenolens as pl
from phenolens.core.errors import PhenolensError
from phenolens.diagnosis import Card
from phenolens.diagnosis.evidence import Evidence
from phenolens.diagnosis.records import (
    BaselineDifference,
    BiologyBesideNuisance,
    ConceptScore,
    MetricRange,
    StratumGain,
    WithoutShortcut,
)
from phenolens.evaluation import Estimate, evaluate
from phenolens.report import Results
from phenolens.tasks import make_task

mpl.use("Agg")

HOSTILE = r"$\frac{1}{ <script>alert(1)</script> \$ & _x" + "y" * 90
NAMES = ("mine", HOSTILE)
ASKED = {"task": "retrieval", "profiling": "tvn"}


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def gain(encoder, value, p=0.01, **question):
    estimate = Estimate(value, value - 0.1, value + 0.1, 20, p, p)
    return BaselineDifference(estimate, **(ASKED | question), encoder=encoder, baseline="cell-count", reference="best")


def biology(encoder, x, y, under_test=True):
    given = {"biology": "moa", "nuisance": "plate", "biology_chance": 0.1, "biology_by_nuisance": 0.1}
    given |= {"nuisance_chance": 0.2, "nuisance_by_biology": 0.2, "robustness": Estimate(), "robustness_chance": 0.5}
    given |= {"mixing": 0.5, "neighbours": 5, "n_rows": 90, "profiling": "tvn", "under_test": under_test}
    scores = {"biology_score": Estimate(y, y - 0.1, y + 0.1), "nuisance_score": Estimate(x, x - 0.1, x + 0.1)}
    return BiologyBesideNuisance(encoder=encoder, **scores, **given)


def without(encoder, shortcut, left):
    estimate = Estimate(left, left - 0.1, left + 0.1)
    return WithoutShortcut(
        estimate,
        **ASKED,
        encoder=encoder,
        under_test=True,
        before=0.8,
        after=0.5,
        chance=0.1,
        shortcut=shortcut,
        way="regressed out",
        fit="controls",
    )


def concept(encoder, name, r, twin):
    estimate = Estimate(r, r - 0.1, r + 0.1)
    return ConceptScore(estimate, encoder, name, True, "factor", r, counterpart_r=twin, encoding="encoded")


def by_dose(encoder, dose, value):
    return StratumGain(encoder, "cell-count", "retrieval", "tvn", "dose", dose, value, 0.3, 0.1, Estimate(value - 0.3))


def card(*records):
    return Card(Evidence(tuple(records)), [])


def points(ax):
    """Return the places (x, y) of all markers that are drawn."""
    found = []
    for line in ax.lines:
        if line.get_marker() not in ("None", ""):
            found += [(round(float(x), 6), round(float(y), 6)) for x, y in zip(*line.get_data(), strict=True)]
    return sorted(found)


def rows(ax):
    return [label.get_text() for label in ax.get_yticklabels()]


def test_gains_are_filled_if_they_are_significant():
    ax = pl.plot.gains(card(gain("mine", 0.2), gain("mine", -0.1, p=0.6), gain("mine", 9, task="other")))
    assert points(ax) == [(-0.1, 0.0), (0.2, 1.0)]
    fills = [line.get_fillstyle() for line in ax.lines if line.get_marker() == "o" and len(line.get_xdata())]
    assert fills == ["none", "full"]
    assert rows(ax) == ["mine \u2212 cell-count"] * 2
    assert ax.get_title(loc="left") == "retrieval, tvn"
    assert points(pl.plot.gains(card(gain("mine", 0.2), gain("mine", 9, task="other")), task="other")) == [(9.0, 0.0)]


def test_shortcuts_show_what_is_lost():
    ax = pl.plot.shortcuts(card(without("mine", "cell-count", 0.25), without("mine", "position", 1.0)))
    assert points(ax) == [(0.0, 1.0), (0.75, 0.0)]
    assert rows(ax) == [f"{name}, regressed out (fitted on controls)" for name in ("cell-count", "position")]


def test_concepts_stand_beside_the_untrained_counterpart():
    found = card(concept("mine", "size", 0.6, 0.2), concept("mine", "shape", 0.4, np.nan), concept("other", "x", 1, 1))
    ax = pl.plot.concepts(found)
    assert points(ax) == [(0.2, 0.0), (0.4, 1.0), (0.6, 0.0)]
    assert rows(ax) == ["size (encoded)", "shape (encoded)"]
    with pytest.raises(PhenolensError, match="no concepts of the encoder 'othr'; did you mean 'other'"):
        pl.plot.concepts(found, "othr")


def test_biology_against_batch():
    ax = pl.plot.biology_and_batch(card(biology("mine", 0.3, 0.8), biology("cell-count", 0.4, 0.2, under_test=False)))
    assert points(ax) == [(0.3, 0.8), (0.4, 0.2)]
    assert "plate" in ax.get_xlabel()
    assert "moa" in ax.get_ylabel()


def test_doses_keep_their_order():
    ax = pl.plot.dose_response(card(by_dose("mine", "1", 0.2), by_dose("mine", "10", 0.6)))
    assert [label.get_text() for label in ax.get_xticklabels()] == ["1", "10"]
    assert points(ax) == [(0.0, 0.2), (0.0, 0.3), (1.0, 0.3), (1.0, 0.6)]


@pytest.fixture(scope="module")
def evaluation():
    rng = np.random.default_rng(0)
    obs = pd.DataFrame({"perturbation": np.repeat(list("abcdef"), 4)}, index=[f"w{i}" for i in range(24)])
    centre = np.repeat(rng.normal(size=(6, 8)), 4, axis=0)
    embeddings = {
        name: AnnData(noise * rng.normal(size=(24, 8)) + centre, obs=obs)
        for name, noise in (
            ("mine", 0.5),
            ("untrained/resnet18@seed=0", 1),
            ("untrained/resnet18@seed=1", 1),
            ("cell-count", 3),
        )
    }
    return evaluate(embeddings, [make_task("replicate-retrieval", measures="distinctiveness", n_permutations=20)])


def test_scores_are_means_over_seeds(evaluation):
    ax = pl.plot.scores(evaluation)
    (question,) = evaluation.questions.values()
    assert rows(ax) == [each.encoder for each in question.means if each.encoder != "cell-count"]
    assert points(ax) == sorted(
        (round(each.value, 6), float(place)) for place, each in enumerate(question.means) if each.encoder in rows(ax)
    )
    assert len(rows(pl.plot.scores(evaluation, every=True))) == 3
    legend = [text.get_text() for text in ax.get_legend().get_texts()]
    assert legend == ["chance", "under test", "untrained network"]


def test_scores_of_results_have_a_ceiling(results_of):
    ranges = MetricRange(
        "replicate", "tvn", 0.1, 0.9, "replicates", "cell-count", 0.3, "mine", 0.5, 0.4, 0.7, 0.1, 0.9, ""
    )
    ax = pl.plot.scores(results_of({"mine": 0.5, "cell-count": 0.3}, ranges))
    assert rows(ax) == ["mine", "cell-count"]
    assert [line.get_xdata()[0] for line in ax.lines[:2]] == [0.1, 0.9]
    assert ax.get_legend().get_texts()[1].get_text() == "ceiling (replicates)"


@pytest.fixture
def results_of():
    """Return a function that makes results of given scores."""

    def make(values, *records, name="a study", verdicts=()):
        first = {"profiling": "tvn", "task": "replicate", "metric": "mAP", "unit": "perturbation", "normalised": 0.5}
        first |= {"minimum_detectable": 0.1, "n_units": 9, "higher_is_better": True, "leak": "", "notes": []}
        first |= {"chance": 0.1}
        scores = [
            first
            | {"encoder": key, "encoder_id": key, "baseline": key == "cell-count", "value": value}
            | {"low": value - 0.1, "high": value + 0.1}
            for key, value in values.items()
        ]
        columns = ["encoder", "encoder_id", "profiling", "task", "unit", "stratum", "value", "weight", "chance", "p"]
        units = pd.DataFrame(columns=[*columns, "p_adjusted", "significant"])
        return Results(
            name, {}, [], [], pd.DataFrame(scores), units, list(verdicts), [], [], [], {}, evidence=Evidence(records)
        )

    return make


def test_a_map_has_a_point_per_row_and_a_colour_per_name():
    rng = np.random.default_rng(0)
    obs = pd.DataFrame({"moa": np.repeat([f"m{i}" for i in range(10)], 3), "n": np.arange(30.0)})
    vectors = AnnData(rng.normal(size=(30, 5)), obs=obs.set_index(obs.index.astype(str)))
    ax = pl.plot.embedding_map(vectors, "moa")
    assert len(points(ax)) == 30
    assert len(ax.get_legend().get_texts()) == 9
    assert ax.get_legend().get_texts()[0].get_text() == "others"
    by_number = pl.plot.embedding_map(vectors, "n")
    assert by_number.collections[0].get_array().tolist() == obs["n"].tolist()
    with pytest.raises(PhenolensError, match="no metadata column 'MOA'; did you mean 'moa'"):
        pl.plot.embedding_map(vectors, "MOA")


def test_names_of_strangers_are_drawn_as_they_are(results_of):
    hostile = results_of({HOSTILE: 0.5, "_hidden": 0.4, "cell-count": 0.3})
    found = card(
        gain(HOSTILE, 0.2),
        without(HOSTILE, HOSTILE, 0.5),
        concept(HOSTILE, HOSTILE, 0.4, 0.1),
        biology(HOSTILE, 0.2, 0.3),
        by_dose(HOSTILE, HOSTILE, 0.4),
    )
    figure = Figure(figsize=(30, 10))
    axes = figure.subplots(1, 6)
    drawn = [
        pl.plot.gains(found, ax=axes[0]),
        pl.plot.shortcuts(found, ax=axes[1]),
        pl.plot.concepts(found, ax=axes[2]),
    ]
    drawn += [pl.plot.biology_and_batch(found, ax=axes[3]), pl.plot.dose_response(found, ax=axes[4])]
    drawn += [pl.plot.scores(hostile, ax=axes[5])]
    figure.savefig("/dev/null", format="png")  # a formula that is none would fail here
    assert [one is other for one, other in zip(drawn, axes, strict=True)] == [True] * 6
    (label,) = [text for text in rows(axes[0]) if "script" in text]
    assert label.startswith(r"\$\frac{1}{ <script>")
    assert len(label) < 60
    assert rows(axes[5])[1] == " _hidden"


@pytest.mark.parametrize("name", ["gains", "shortcuts", "concepts", "biology_and_batch", "dose_response"])
def test_nothing_to_draw_is_said(name):
    with pytest.raises(PhenolensError, match="there is nothing to draw"):
        getattr(pl.plot, name)(card())
    assert plt.get_fignums() == []


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    monkeypatch.delattr(mpl, "pyplot")
    with pytest.raises(PhenolensError, match=r"install it: pip install 'phenolens\[plots\]'"):
        pl.plot.gains(card(gain("mine", 0.2)))
    monkeypatch.undo()


def verdict(index=0, **numbers):
    return pl.Verdict("gain", "Gain", f"{HOSTILE} is better ({index}).", encoder=HOSTILE, **numbers)


def test_cards_and_results_show_themselves_in_a_notebook(results_of):
    verdicts = [verdict(effect=0.1234, low=0.05, high=0.2, p_adjusted=0.012), *map(verdict, range(1, 25))]
    for shown in (Card(Evidence(), verdicts), results_of({"mine": 0.5}, name=HOSTILE, verdicts=verdicts)):
        html = shown._repr_html_()
        assert "<script>" not in html
        assert "&lt;script&gt;" in html
        assert html.count("<tr>") == 21
        assert "and 5 more" in html
        assert "<td>0.12 [0.05, 0.20]</td><td>0.012</td>" in html
    assert "No verdicts" in Card(Evidence(), [])._repr_html_()


def test_a_card_as_a_table():
    found = Card(Evidence((gain("mine", 0.2),)), [verdict(effect=0.1)])
    assert found.to_frame()[["kind", "effect"]].to_dict("records") == [{"kind": "gain", "effect": 0.1}]
    table = found.to_frame("baseline_difference")
    assert table.loc[0, ["encoder", "estimate.value", "estimate.low"]].tolist() == ["mine", 0.2, 0.1]
    with pytest.raises(PhenolensError, match="no records 'baseline_diference'; did you mean 'baseline_difference'"):
        found.to_frame("baseline_diference")
    assert Card(Evidence(), []).to_frame().empty


def test_a_share_beyond_the_axis_is_an_arrow():
    ax = pl.plot.shortcuts(card(without("mine", "cell-count", 9.0), without("mine", "position", -3.0)))
    markers = {line.get_marker(): line.get_xdata()[0] for line in ax.lines if len(line.get_xdata()) == 1}
    assert markers == {"<": -0.5, ">": 1.5}
    assert ax.get_xlim() == (-0.5, 1.5)
