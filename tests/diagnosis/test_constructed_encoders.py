"""Encoders with strong biology, changed by what takes none away: what the card says of them is true."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from phenolens.diagnosis.evidence import Evidence
from phenolens.diagnosis.inference import control_claims
from phenolens.diagnosis.parts.differences.compare import compare_encoders
from phenolens.diagnosis.parts.embedding_shape import describe_embeddings
from phenolens.diagnosis.rules import judge
from phenolens.evaluation import evaluate
from phenolens.tasks import make_task

TREATMENTS, PLATES, CONTROLS, DIM = 16, 4, 20, 12


@pytest.fixture(scope="module")
def said():
    """Say for an encoder made of vectors (n, d) and plates what the card says: {(kind, profiling): sentence}."""
    rng = np.random.default_rng(3)
    names = [*(f"t{i}" for i in range(TREATMENTS)), *["dmso"] * CONTROLS]
    rows = [(f"p{plate}", f"w{i}", name) for plate in range(PLATES) for i, name in enumerate(names)]
    obs = pd.DataFrame(rows, columns=["plate", "well", "perturbation"], index=[f"r{i}" for i in range(len(rows))])
    obs["role"] = np.where(obs["perturbation"] == "dmso", "negative_control", "treatment")
    effect = {name: 1.5 * rng.normal(size=DIM) for name in names} | {"dmso": np.zeros(DIM)}
    x = np.stack([effect[name] for name in obs["perturbation"]]) + rng.normal(size=(len(obs), DIM))
    pixels = x[:, :6] + 0.3 * rng.normal(size=(len(x), 6))
    plate = pd.factorize(obs["plate"])[0]

    def say(make):
        made = {"mine": make(x, plate, np.random.default_rng(4)), "pixel-statistics": pixels}
        embeddings = {name: AnnData(each.astype(np.float32), obs=obs) for name, each in made.items()}
        task = make_task("replicate-retrieval", measures="distinctiveness", n_permutations=99)
        evaluation = evaluate(embeddings, [task], profilings=["raw", "tvn"])
        found = (*compare_encoders(evaluation).records, *describe_embeddings(evaluation).records)
        return {(each.kind, each.profiling): each.claim for each in judge(Evidence(control_claims(found)))}

    return say


def as_it_is(x, plate, rng):
    return x


def scaled(x, plate, rng):
    return 1e4 * x


def with_common_part(x, plate, rng):
    return x + 1e3 * np.sqrt(x.var(axis=0).sum())


def with_plate_component(x, plate, rng):
    along = np.array([1.0, -1.0, 1.0, -1.0])[plate]
    return x + np.sqrt(3 * x.var(axis=0).sum()) * np.outer(along, np.ones(DIM) / np.sqrt(DIM))


def with_huge_feature(x, plate, rng):
    return np.concatenate([x, 1e4 * rng.normal(size=(len(x), 1))], axis=1)


def test_scale_changes_no_sentence(said):
    found = said(as_it_is)
    assert found == said(scaled)
    assert ("dominance", "") not in found
    for profiling in ("raw", "tvn"):
        assert found["gain", profiling].startswith("mine beats the best baseline")


@pytest.mark.parametrize(
    ("make", "dominance"),
    [
        (with_common_part, "the vectors of mine share a large common part and differ by only 0.0003 of their length:"),
        (with_plate_component, "one principal component holds 77% of the variance of the vectors of mine:"),
        (with_huge_feature, f"feature '{DIM}' holds at least 99% of the squared length of the vectors of mine:"),
    ],
)
def test_what_dominates_is_said_and_what_lies_under_it_is_found(said, make, dominance):
    found = said(make)
    assert found["dominance", ""].startswith(dominance)
    assert found["gain", "tvn"].startswith("mine beats the best baseline")


def test_a_common_part_makes_no_encoder_fall_short(said):
    assert said(with_common_part)["gain", "raw"].startswith("mine beats the best baseline")


@pytest.mark.parametrize("make", [with_plate_component, with_huge_feature])
def test_that_post_processing_changes_the_answer_is_said(said, make):
    found = said(make)
    assert not found["gain", "raw"].startswith("mine beats")
    changed = found["profiling_changes_answer", "tvn"]
    assert "after tvn, it beats the best one, pixel-statistics" in changed
