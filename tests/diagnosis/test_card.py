"""The card on phantoms: each oracle is said to know what it knows, and nothing else."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from phenolens.datasets import read_manifest
from phenolens.diagnosis import diagnose
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
    return diagnose(evaluate(vectors, [make_task("replicate-retrieval", against="others")]))


def known(card):
    return card.evidence.levels[card.evidence.levels["known"]].groupby("family")["level"].agg(set).to_dict()


@pytest.fixture(scope="module")
def card(manifest):
    single = [f"oracle/{level}" for level in LEVELS]
    return card_of(manifest, *single, "oracle/density+texture@noise=0.5", "oracle/density@noise=100", "well-position")


def test_oracles_are_said_to_know_their_levels_and_no_others(card):
    assert card.evidence.truth
    single = {f"oracle/{level}": {level} for level in LEVELS}
    assert known(card) == single | {"oracle/density+texture@noise=0.5": {"density", "texture"}}
    (texture,) = [v for v in card.verdicts if v.kind == "level" and v.encoder == "oracle/texture"]
    assert "oracle/texture knows texture, beyond all other levels" in texture.claim
    assert texture.p_adjusted <= 0.05
    (unknown,) = [v for v in card.verdicts if v.kind == "unknown" and v.encoder == "oracle/texture"]
    assert unknown.claim.endswith("about acquisition, density, intensity, shape, arrangement.")


def test_baselines_alone_are_not_asked(manifest):
    alone = card_of(manifest, "well-position")
    assert alone.evidence.levels.empty
    assert alone.evidence.degeneracy.empty  # positions repeat, and are no embedding that could collapse
    assert alone.evidence.not_asked["levels"] == "no encoder is under test"


def test_noise_knows_nothing(card):
    assert not card.evidence.levels.query("family == 'oracle/density@noise=100'")["known"].any()
    (unknown,) = [v for v in card.verdicts if v.encoder == "oracle/density@noise=100" and v.kind == "unknown"]
    assert unknown.claim.endswith("about acquisition, density, intensity, shape, texture, arrangement.")


def test_what_an_oracle_reads_explains_most_of_its_variance(card):
    alone = card.evidence.variance.pivot(index="family", columns="block", values="alone")[list(LEVELS)]
    assert {name: alone.loc[name].idxmax() for name in alone.index if name in {f"oracle/{x}" for x in LEVELS}} == {
        f"oracle/{level}": level for level in LEVELS
    }


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
    card = diagnose(evaluate(vectors, [make_task("replicate-retrieval", against="others")]))
    assert not card.evidence.truth
    assert known(card)["mine"] == {"density"}


def test_what_could_not_be_asked_is_on_the_card():
    rng = np.random.default_rng(1)
    obs = wells_of(rng)
    vectors = {"mine": AnnData(rng.normal(size=(len(obs), 4)), obs=obs)}
    card = diagnose(evaluate(vectors, [make_task("replicate-retrieval", against="others")]))
    assert card.evidence.levels.empty
    assert "no baseline that measures a level" in card.evidence.not_asked["levels"]
    assert card.evidence.degeneracy["finding"].tolist() == [""]


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
