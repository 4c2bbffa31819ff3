"""The card on phantoms: each oracle is said to encode what it knows, and nothing else."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from phenolens.datasets import read_manifest
from phenolens.diagnosis import diagnose
from phenolens.diagnosis.records import ConceptScore, EmbeddingShape, ExplainedVariance
from phenolens.embedding import embed
from phenolens.evaluation import evaluate
from phenolens.simulation import LEVELS, simulate_cells
from phenolens.tasks import make_task

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    out = tmp_path_factory.mktemp("screen")
    simulate_cells(out, preset="subtle", plates=4, wells=96, size=128, channels=["dna"], seed=5)
    return read_manifest(out / "manifest.csv")


def card_of(manifest, *names):
    vectors = embed(manifest, list(names), channels=("dna",)).embeddings
    return diagnose(evaluate(vectors, [make_task("replicate-retrieval", measures="distinctiveness")]))


def encoded(card):
    """Return encoder -> the concepts that it encodes."""
    found = {}
    for score in card.evidence.of(ConceptScore):
        if score.encoding == "encoded":
            found.setdefault(score.encoder, set()).add(score.concept)
    return found


def said(card, encoder, kind):
    (verdict,) = [each for each in card.verdicts if (each.encoder, each.kind) == (encoder, kind)]
    return verdict


def skipped(card, part):
    (reason,) = [each.reason for each in card.evidence.skipped if (each.part, each.what) == (part, "")]
    return reason


@pytest.fixture(scope="module")
def card(manifest):
    single = [f"oracle/{level}" for level in LEVELS]
    return card_of(manifest, *single, "oracle/density+texture@noise=0.5", "oracle/density@noise=100", "well-position")


TRUTH = {f"oracle/{level}": {level} for level in LEVELS} | {"oracle/density+texture@noise=0.5": {"density", "texture"}}


def test_oracles_are_said_to_encode_their_concepts_and_no_others(card):
    assert all(score.is_truth for score in card.evidence.of(ConceptScore))
    found = encoded(card)
    assert found == TRUTH
    texture = said(card, "oracle/texture", "concept")
    assert "oracle/texture encodes texture, beyond all other concepts" in texture.claim
    assert texture.p_adjusted <= 0.05
    rest = said(card, "oracle/texture", "concepts_not_detected")
    assert "about acquisition, density, intensity, shape, arrangement beyond batches" in rest.claim


def test_baselines_alone_are_not_probed(manifest):
    alone = card_of(manifest, "well-position")
    assert not alone.evidence.of(ConceptScore)
    assert not alone.evidence.of(EmbeddingShape)  # positions repeat, and are no embedding that could collapse
    assert skipped(alone, "concepts") == "no encoder is under test"


def test_noise_encodes_nothing(card):
    assert "oracle/density@noise=100" not in encoded(card)
    rest = said(card, "oracle/density@noise=100", "concepts_not_detected")
    assert "about acquisition, density, intensity, shape, texture, arrangement beyond batches" in rest.claim


def test_what_an_oracle_reads_explains_most_of_its_variance(card):
    for level in LEVELS:
        blocks = [each for each in card.evidence.of(ExplainedVariance) if each.encoder == f"oracle/{level}"]
        of_concepts = [each for each in blocks if each.block in LEVELS]
        assert max(of_concepts, key=lambda each: each.alone).block == level


def test_real_images_are_measured_by_baselines():
    rng = np.random.default_rng(0)
    obs = wells_of(rng)
    count, mean = rng.poisson(40, len(obs)).astype(float), rng.normal(100, 10, len(obs))
    vectors = {
        "cell-count": AnnData(count[:, None], obs=obs, var={"name": ["nuclei_count"]}),
        "pixel-statistics": AnnData(mean[:, None], obs=obs),
        "mine": AnnData(np.outer(count, rng.normal(size=8)) + rng.normal(size=(len(obs), 8)), obs=obs),
    }
    vectors["cell-count"].var_names = ["nuclei_count"]
    vectors["pixel-statistics"].var_names = ["dna_mean"]
    card = diagnose(evaluate(vectors, [make_task("replicate-retrieval", measures="distinctiveness")]))
    assert not any(score.is_truth for score in card.evidence.of(ConceptScore))
    assert encoded(card)["mine"] == {"density"}


def test_what_could_not_be_evaluated_is_on_the_card():
    rng = np.random.default_rng(1)
    obs = wells_of(rng)
    vectors = {"mine": AnnData(rng.normal(size=(len(obs), 4)), obs=obs)}
    card = diagnose(evaluate(vectors, [make_task("replicate-retrieval", measures="distinctiveness")]))
    assert not card.evidence.of(ConceptScore)
    assert "no baseline that measures a" in skipped(card, "concepts")
    assert [shape.finding for shape in card.evidence.of(EmbeddingShape)] == [""]


def wells_of(rng):
    n = 240
    return pd.DataFrame(
        {
            "plate": np.repeat(["p1", "p2"], n // 2),
            "well": [f"{row}{column:02d}" for row in "ABCDEFGHIJ" for column in range(1, 13)] * 2,
            "perturbation": rng.choice([f"c{i}" for i in range(12)], n),
        },
        index=[f"s{i}" for i in range(n)],
    )
