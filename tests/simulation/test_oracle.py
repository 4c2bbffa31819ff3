"""Oracles know what they are told and nothing else: the benchmark must find out which."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from phenolens.core.errors import EncoderError
from phenolens.datasets import read_manifest
from phenolens.embedding import embed
from phenolens.encoders import create_encoder
from phenolens.evaluation import evaluate
from phenolens.simulation import simulate_cells, simulate_tissue
from phenolens.tasks import make_task


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    """Two plates on which each perturbation changes one factor."""
    folder = tmp_path_factory.mktemp("phantom")
    return read_manifest(simulate_cells(folder, plates=2, wells=96, size=96, channels=["dna"], seed=2))


def found(manifest, name):
    """The perturbations that an oracle tells from controls."""
    evaluation = evaluate(embed(manifest, [name]).embeddings, [make_task("replicate-retrieval", n_permutations=499)])
    units = evaluation.scores[0].score.units
    return set(units.loc[units["p_adjusted"] <= 0.05, "unit"])


def test_an_oracle_of_plate_and_position_knows_nothing_else(manifest):
    vectors = create_encoder("oracle/plate+position", [], manifest=manifest).embed_rows()
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = unit @ unit.T
    table = manifest.table
    same = (table["plate"].to_numpy()[:, None] == table["plate"].to_numpy()) & (
        table["well"].to_numpy()[:, None] == table["well"].to_numpy()
    )
    assert cosines[same].min() > cosines[~same].max()
    shuffled = replace(manifest, table=table.assign(true_count=table["true_count"].to_numpy()[::-1]))
    assert np.array_equal(create_encoder("oracle/plate+position", [], manifest=shuffled).embed_rows(), vectors)


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("oracle/density", "fewer_cells"),
        ("oracle/intensity", "brighter"),
        ("oracle/nuclear_area", "larger_nuclei"),
        ("oracle/texture", "coarse_texture"),
    ],
)
def test_the_benchmark_finds_what_an_oracle_knows_and_nothing_else(manifest, name, known):
    assert found(manifest, name) == {known}


def test_an_oracle_of_two_levels_finds_both(manifest):
    assert found(manifest, "oracle/intensity+texture") == {"brighter", "coarse_texture"}


def test_noise_takes_knowledge_away(manifest):
    assert found(manifest, "oracle/density@noise=20") == set()


def test_vectors_depend_on_the_name_alone(manifest):
    one, same, other = (
        create_encoder(f"oracle/shape@noise=0.1,seed={seed}", [], manifest=manifest).embed_rows() for seed in (1, 1, 2)
    )
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)
    assert one.shape == (192, 128)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("oracle/densty", "did you mean 'density'"),
        ("oracle/density+what", "no level or factor 'what'"),
        ("oracle/density@nose=1", "did you mean 'noise'"),
        ("oracle/density@noise=much", "option 'noise'.*number"),
    ],
)
def test_refusals(manifest, name, message):
    with pytest.raises(EncoderError, match=message):
        create_encoder(name, [], manifest=manifest)


def test_an_oracle_of_positions_needs_wells(tmp_path):
    manifest = read_manifest(simulate_tissue(tmp_path, patients=2, slides=1, tiles=2, size=64))
    for part in ("plate", "position"):
        with pytest.raises(EncoderError, match=f"has no plates with wells, which '{part}' needs"):
            create_encoder(f"oracle/{part}", [], manifest=manifest)


def test_an_oracle_reads_no_images_and_no_real_manifest(tmp_path):
    with pytest.raises(EncoderError, match="give the manifest"):
        create_encoder("oracle/density", ["dna"])
    pd.DataFrame({"site_id": ["a"], "image": ["a.png"]}).to_csv(tmp_path / "m.csv", index=False)
    with pytest.raises(EncoderError, match="give a phantom's manifest"):
        create_encoder("oracle/density", ["gray"], manifest=read_manifest(tmp_path / "m.csv"))


def test_only_an_oracle_of_arrangement_finds_a_change_of_arrangement(tmp_path):
    """GENE3 alone has the whole effect; what can be averaged over cells or pixels does not know of it."""
    options = {"plates": 2, "wells": 96, "perturbations": 6, "size": 224, "channels": ["dna"], "seed": 4}
    manifest = read_manifest(simulate_cells(tmp_path, preset="arrangement-only", **options))
    assert found(manifest, "oracle/segregation") == {"GENE3"}
    assert found(manifest, "oracle/density+intensity+shape+texture") == set()
    assert found(manifest, "oracle/acquisition") == set()
