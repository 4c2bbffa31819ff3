"""Whole cards of encoders of which it is known what they hold: every sentence is true.

A screen is made of numbers, not images: latent factors of six concepts, each of which baselines measure with an error,
and a form that no baseline measures. The table `KNOWN` says what each encoder holds, and a check of each kind of
sentence reads the card by it; a sentence of a kind without a check fails.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from phenolens.diagnosis import diagnose
from phenolens.diagnosis.records import (
    Activity,
    BaselineDifference,
    ConceptDifference,
    ConceptScore,
    EmbeddingShape,
    EncoderDifference,
    ExplainedVariance,
    NuisanceReadout,
    WithoutShortcut,
    what_is_followed,
)
from phenolens.evaluation import evaluate
from phenolens.simulation import LEVELS
from phenolens.tasks import make_task

pytestmark = pytest.mark.slow

PLATES, TREATMENTS, INACTIVE, CONTROLS, SITES, DIM = 4, 20, 4, 24, 2, 12
SIZES = {"acquisition": 2, "density": 1, "intensity": 2, "shape": 3, "texture": 4, "arrangement": 3}
FEATURES = {
    "cell-count": ["nuclei_count"],
    "pixel-statistics": ["dna_p1", "dna_mean", "er_mean"],
    "classical-features": [
        "nuclei_Area",
        "nuclei_Eccentricity",
        "nuclei_FormFactor",
        "nuclei_Texture_Contrast_3_dna",
        "nuclei_Texture_Correlation_3_dna",
        "nuclei_Granularity_1_dna",
        "cells_RadialDistribution_FracAtD_1of4_er",
    ],
    "cell-graph/positions": ["nearest_cv", "clark_evans", "pair_correlation_1"],
}


@dataclass(frozen=True)
class Known:
    """What is true of an encoder.

    Attributes
    ----------
    holds
        The concepts that its vectors hold.
    form
        Whether they hold the form, which no baseline measures, so that it is better than the best baseline.
    hidden
        Whether something else hides that from cosines of raw vectors.
    treatments
        Whether they hold anything that treatments do.
    plate
        Whether the plate can be read off.
    follows
        What its largest component may be said to follow.
    dominated_by
        What dominates its vectors.
    shortcuts
        What may be said to explain its scores.
    """

    holds: frozenset[str] = frozenset()
    form: bool = False
    hidden: bool = False
    treatments: bool = True
    plate: bool = False
    follows: frozenset[str] = frozenset()
    dominated_by: str = ""
    shortcuts: frozenset[str] = frozenset()


PIXELS = Known(
    frozenset({"acquisition", "intensity"}),
    plate=True,
    follows=frozenset({"acquisition", "intensity"}),
    shortcuts=frozenset({"intensity", "cell count"}),  # intensities follow the count in part
)
FORM = Known(form=True, follows=frozenset({"treatment"}))
KNOWN = {
    "count": Known(
        frozenset({"density"}),
        follows=frozenset({"density"}),
        dominated_by="component",
        shortcuts=frozenset({"cell count"}),
    ),
    "pixels": PIXELS,
    "copy": PIXELS,
    "plate": Known(treatments=False, plate=True, follows=frozenset({"batch"})),
    "position": Known(treatments=False),
    "label": FORM,
    "scaled": FORM,
    "label under plates": Known(
        form=True, hidden=True, plate=True, follows=frozenset({"batch"}), dominated_by="component"
    ),
    "huge feature": Known(form=True, hidden=True, dominated_by="feature"),
    "common part": Known(form=True, follows=frozenset({"treatment"}), dominated_by="common part"),
    "all six": Known(
        frozenset(LEVELS),
        plate=True,
        follows=frozenset({*LEVELS, "treatment"}),
        shortcuts=frozenset({"intensity", "cell count"}),
    ),
    "constant": Known(treatments=False),
    "noise": Known(treatments=False),
}
SAME = [{"label", "scaled", "common part"}, {"plate", "position", "constant", "noise"}]
"""Encoders that are as good as each other; the last know nothing of treatments."""


def wells(rng):
    """Return metadata of sites; treatments are dealt to wells anew on each plate."""
    names = [*(f"t{i:02d}" for i in range(TREATMENTS)), *["dmso"] * CONTROLS]
    rows = []
    for plate in range(PLATES):
        for place, number in enumerate(rng.permutation(len(names))):
            row, column = divmod(place, 8)
            rows += [(f"p{plate}", f"{chr(65 + row)}{column + 1:02d}", site, names[number]) for site in range(SITES)]
    obs = pd.DataFrame(rows, columns=["plate", "well", "site", "perturbation"])
    obs["role"] = np.where(obs["perturbation"] == "dmso", "negative_control", "treatment")
    obs.index = [f"s{i}" for i in range(len(obs))]
    return obs


@pytest.fixture(scope="module")
def screen():
    """Return encoder -> vectors, those under test and the baselines."""
    rng = np.random.default_rng(0)
    obs = wells(rng)
    well = pd.factorize(obs["plate"] + obs["well"])[0]
    plate = pd.factorize(obs["plate"])[0]
    treatment = obs["perturbation"].to_numpy()
    active = [f"t{i:02d}" for i in range(TREATMENTS - INACTIVE)]

    def of_treatments(k):
        effect = pd.DataFrame(1.5 * rng.normal(size=(len(active), k)), index=active)
        return effect.reindex(treatment).fillna(0).to_numpy()

    def of_wells(k):
        return rng.normal(size=(well.max() + 1, k))[well]

    def seen(x, error):
        return x + error * rng.normal(size=x.shape)

    def projected(x):
        k = x.shape[1]
        rotation = np.linalg.qr(rng.normal(size=(max(k, DIM), max(k, DIM)))).Q
        return (x - x.mean(axis=0)) / x.std(axis=0) @ rotation[:k, :DIM]

    latent = {concept: of_wells(k) + of_treatments(k) for concept, k in SIZES.items() if concept != "acquisition"}
    latent["acquisition"] = of_wells(2) + rng.normal(size=(PLATES, 2))[plate]
    count = latent["density"]
    pixels = [seen(latent["acquisition"][:, :1], 0.7), seen(latent["intensity"], 0.7) + 0.5 * count]
    measured = {
        "cell-count": 100 + 10 * seen(count, 0.7),
        "pixel-statistics": 100 + 10 * np.hstack(pixels),
        "classical-features": seen(np.hstack([latent["shape"], latent["texture"]]), 0.7),
        "cell-graph/positions": seen(latent["arrangement"], 0.7) + 0.5 * count,
    }

    def noise():
        return rng.normal(size=(len(obs), DIM))

    form = 1.5 * of_treatments(6) + 0.5 * of_wells(6)
    label = seen(form, 0.5) @ rng.normal(size=(6, DIM)) + 0.3 * noise()
    along_plates = np.array([1.0, -1.0, 1.0, -1.0])[plate]
    place = np.column_stack([obs["well"].str[0].map(ord) - 66.5, obs["well"].str[1:].astype(int) - 4.5])
    made = {
        "count": projected(seen(count, 0.5)) + 0.1 * noise(),
        "pixels": projected(measured["pixel-statistics"]) + 0.1 * noise(),
        "copy": measured["pixel-statistics"],
        "plate": np.eye(PLATES, DIM)[plate] + 0.02 * noise(),
        "position": projected(np.hstack([place, place**2])) + 0.1 * noise(),
        "label": label,
        "scaled": 1e4 * label,
        "label under plates": label + np.sqrt(3 * label.var(axis=0).sum() / DIM) * along_plates[:, None],
        "huge feature": np.hstack([label, 1e4 * rng.normal(size=(len(obs), 1))]),
        "common part": label + 1e3 * np.sqrt(label.var(axis=0).sum()),
        "all six": projected(seen(np.hstack([latent[concept] for concept in LEVELS]), 0.3)) + 0.1 * noise(),
        "constant": np.full((len(obs), DIM), 0.5),
        "noise": noise(),
    }
    vectors = {name: AnnData(x.astype(np.float32), obs=obs) for name, x in made.items()}
    for baseline, x in measured.items():
        vectors[baseline] = AnnData(x.astype(np.float32), obs=obs, var=pd.DataFrame(index=FEATURES[baseline]))
    return vectors


MOST_FALSE = 1
"""False discoveries of one kind that a card of 13 encoders may hold: 5 % of some twenty claims."""
ACTIVITY = make_task("replicate-retrieval", n_permutations=199)
DISTINCTIVENESS = make_task("replicate-retrieval", measures="distinctiveness", n_permutations=199)
PLATE = make_task("leakage", nuisance="plate")


TASKS = {"raw": [ACTIVITY, DISTINCTIVENESS, PLATE], "tvn": [DISTINCTIVENESS]}


@pytest.fixture(scope="module", params=["raw", "tvn"])
def profiling(request):
    return request.param


@pytest.fixture(scope="module")
def card(screen, profiling):
    return diagnose(evaluate(screen, TASKS[profiling], profilings=[profiling]))


def test_all_kinds_of_sentences_have_a_check(card):
    described = {"strong_phenotypes_only", "robustness", "metric", "concepts_not_assessed"}
    assert {verdict.kind for verdict in card.verdicts} <= described | {
        "collapse",
        "dominance",
        "gain",
        "activity",
        "nuisance",
        "difference",
        "shortcut",
        "concept",
        "concepts_not_detected",
        "concept_difference",
        "component",
    }


def test_shapes(card):
    shapes = {each.encoder: each for each in card.evidence.of(EmbeddingShape) if each.encoder in KNOWN}
    assert {name for name, shape in shapes.items() if shape.finding} == {"constant"}
    assert {name: shape.dominated_by for name, shape in shapes.items()} == {
        name: known.dominated_by for name, known in KNOWN.items()
    }


def test_against_baselines(card):
    held = [each for each in card.evidence.of(BaselineDifference) if each.reference == "best baseline"]
    asked = {each.encoder for each in held}
    assert asked >= set(KNOWN) - {"constant"}  # of which no covariance can be had for TVN
    for each in held:
        if not each.is_significant:
            continue
        known = KNOWN[each.encoder]
        can_beat = known.form or each.encoder == "all six"
        hidden = known.hidden and each.profiling == "raw"
        assert each.estimate.value < 0 or (can_beat and not hidden), each
        assert each.estimate.value > 0 or not can_beat or hidden, each
    beating = {each.encoder for each in held if each.is_significant and each.estimate.value > 0}
    said = {verdict.encoder for verdict in card.verdicts if verdict.kind == "gain" and " beats " in verdict.claim}
    assert beating == said
    assert beating  # the form is found


def test_activity(card, profiling):
    found = [each for each in card.evidence.of(Activity) if each.encoder in KNOWN]
    assert len(found) == (len(KNOWN) if ACTIVITY in TASKS[profiling] else 0)
    for each in found:
        most = (
            TREATMENTS - INACTIVE + 1 if KNOWN[each.encoder].treatments else 0
        )  # of ten that are found, half is false
        assert each.n_active <= most, each


def test_plates(card, profiling):
    found = [each for each in card.evidence.of(NuisanceReadout) if each.encoder in KNOWN]
    assert len(found) == (len(KNOWN) if PLATE in TASKS[profiling] else 0)
    for each in found:
        assert each.is_readable == KNOWN[each.encoder].plate, each


def test_differences_of_encoders(card):
    found = [each for each in card.evidence.of(EncoderDifference) if each.task != PLATE.id]
    assert found
    for each in found:
        same = any({each.encoder, each.other} <= group for group in SAME)
        said = each.is_significant and each.better_is_above_chance
        if same and (each.profiling != "raw" or "common part" not in (each.encoder, each.other)):
            assert not said, each
        better, worse = (each.encoder, each.other) if each.estimate.value > 0 else (each.other, each.encoder)
        if said:
            assert KNOWN[better].treatments, each
            hidden = KNOWN[better].hidden and each.profiling == "raw"
            assert not (KNOWN[worse].form and not KNOWN[worse].hidden and hidden), each


def test_shortcuts(card):
    claimed = {(each.encoder, each.shortcut) for each in card.evidence.of(WithoutShortcut) if said_to_explain(each)}
    assert {encoder for encoder, _ in claimed} >= {"copy"}
    assert len([each for each in claimed if each[1] not in KNOWN[each[0]].shortcuts]) <= MOST_FALSE


def said_to_explain(each):
    return each.is_claimed and each.is_significant and each.estimate.high <= 0.9 and each.task != PLATE.id


def test_concepts(card):
    found = [each for each in card.evidence.of(ConceptScore) if each.encoder in KNOWN]
    assert len(found) == len(KNOWN) * len(LEVELS)
    encoded = {name: set() for name in KNOWN}
    for each in found:
        holds = each.concept in KNOWN[each.encoder].holds
        if each.encoding in ("encoded", "weakly encoded"):
            encoded[each.encoder].add(each.concept)
        assert each.encoding != "not detected" or not holds, each
    assert sum(len(concepts - KNOWN[name].holds) for name, concepts in encoded.items()) <= MOST_FALSE
    for name, concepts in encoded.items():
        assert len(concepts & KNOWN[name].holds) >= len(KNOWN[name].holds) - (2 if name == "all six" else 0), name


def test_differences_in_concepts(card):
    said = [each for each in card.evidence.of(ConceptDifference) if each.is_significant and each.better_encodes_it]
    assert len(said) > len(KNOWN)
    false = {(each.better, each.concept) for each in said if each.concept not in KNOWN[each.better].holds}
    assert len(false) <= MOST_FALSE


def test_largest_components(card):
    blocks = {name: [] for name in KNOWN}
    for each in card.evidence.of(ExplainedVariance):
        if each.encoder in KNOWN:
            blocks[each.encoder].append(each)
    for name, found in blocks.items():
        followed = {each.block for each in what_is_followed(found)}
        assert followed <= KNOWN[name].follows, name
        assert bool(followed) == bool(KNOWN[name].follows) or name == "all six", name
