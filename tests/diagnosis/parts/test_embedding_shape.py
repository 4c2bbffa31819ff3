import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from made_up import evaluation_on

from phenolens.diagnosis.parts.embedding_shape import describe_embedding, describe_embeddings


@pytest.fixture
def sound() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(300, 20)).astype(np.float32)


def test_isotropic_noise_is_sound(sound):
    shape = describe_embedding(AnnData(sound))
    assert shape.finding == ""
    assert (shape.n_rows, shape.n_features, shape.rank, shape.dead, shape.duplicates) == (300, 20, 20, 0, 0)
    assert shape.effective_dimensions == pytest.approx(20, rel=0.1)
    assert shape.mean_cosine == pytest.approx(0, abs=0.01)
    assert shape.ties == 0
    assert shape.top_share < 0.1


def test_what_is_odd_is_counted_and_is_not_collapse(sound):
    odd = sound.copy()
    odd[5] = odd[4]
    odd[7] = 0
    odd[:, 3] = 0
    odd[9, 2] = np.nan
    shape = describe_embedding(odd)
    assert (shape.dead, shape.duplicates, shape.zero, shape.not_finite) == (1, 1, 1, 1)
    assert shape.rank == 19
    assert shape.finding == ""


def test_a_strong_common_direction_is_not_collapse(sound):
    shape = describe_embedding(sound + 100)  # what untrained networks make: nearly parallel, and still telling
    assert shape.mean_cosine > 0.99
    assert shape.finding == ""


@pytest.mark.parametrize(
    ("make", "dominated_by"),
    [
        (lambda x: x, ""),
        (lambda x: 1e-9 * x, ""),  # scale alone changes nothing
        (lambda x: x + 100, "common part"),
        (lambda x: x * np.where(np.arange(20) == 3, 100, 1), "feature"),
        (lambda x: x + np.where(np.arange(20) == 3, 100, 0), "feature"),
        (lambda x: x + 2 * x[:, :1] * np.ones(20), "component"),
        (lambda x: x[:, :1], ""),
        (np.ones_like, ""),  # said to have collapsed
    ],
)
def test_what_dominates_cosines_is_named(sound, make, dominated_by):
    shape = describe_embedding(make(sound))
    assert shape.dominated_by == dominated_by
    assert dominated_by != "feature" or shape.largest_feature == "3"


def test_a_single_number_ties(sound):
    shape = describe_embedding(np.abs(sound[:, :1]) + 1)
    assert shape.ties == 1.0  # under a cosine all positive numbers are one
    assert shape.rank == 1


@pytest.mark.parametrize(
    ("make", "finding"),
    [
        (np.ones_like, "collapsed: vectors differ by 0 of their length"),
        (lambda x: 1 + 1e-6 * x, "collapsed: vectors differ by 1e-06 of their length"),
        (lambda x: np.repeat(x[:100], 3, axis=0), "collapsed: 200 of 300 rows repeat earlier ones"),
        (lambda x: np.full_like(x, np.nan), "0 of 300 rows are finite"),
        (np.zeros_like, "collapsed: vectors differ by 0 of their length"),
    ],
)
def test_collapse_is_named(sound, make, finding):
    shape = describe_embedding(make(sound), "mine")
    assert (shape.encoder, shape.finding) == ("mine", finding)


def test_encoders_under_test_and_all_seeds_of_their_counterparts_are_described(sound):
    described = ["timm/resnet18", "twin/timm/resnet18@seed=0", "twin/timm/resnet18@seed=1"]
    rng = np.random.default_rng(0)
    obs = pd.DataFrame(index=[f"s{i}" for i in range(len(sound))])
    vectors = {
        name: AnnData(sound + rng.normal(size=sound.shape), obs=obs)
        for name in [*described, "twin/timm/vit", "cell-count"]
    }
    records = describe_embeddings(evaluation_on(vectors, seed=3)).records
    assert records == tuple(describe_embedding(vectors[name], name, seed=3) for name in described)


def test_large_embeddings_are_sampled_with_a_seed():
    x = np.random.default_rng(1).normal(size=(6000, 4))
    assert describe_embedding(x, seed=1) == describe_embedding(x, seed=1)
    assert describe_embedding(x, seed=1).mean_cosine != describe_embedding(x, seed=2).mean_cosine
