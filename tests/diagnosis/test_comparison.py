"""Differences between families of encoders, paired by unit."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from judged import answer
from numpy.testing import assert_allclose

from phenolens.diagnosis import compare_families
from phenolens.diagnosis.comparison import compare_tested, family_values, paired_p
from phenolens.tasks import Evaluation, evaluate, make_task


def test_a_family_is_the_mean_of_its_seeds_and_differences_are_paired(values):
    rng = np.random.default_rng(1)
    jitter = rng.normal(0, 0.02, 60)
    evaluation = Evaluation(
        [
            answer("mine", values + 0.05),
            answer("untrained/resnet18@seed=0", values + jitter),
            answer("untrained/resnet18@seed=1", values - jitter),
        ],
        [],
    )
    table = compare_families(evaluation)
    assert table[["encoder", "baseline"]].values.tolist() == [["mine", "untrained/resnet18"]]
    row = table.iloc[0]
    assert_allclose(row["difference"], 0.05)
    # Unpaired, the interval would be about 0.08 wide.
    assert_allclose([row["low"], row["high"]], 0.05, atol=1e-9)
    assert row["n_units"] == 60


def test_units_that_only_one_of_two_has_are_left_out_of_their_comparison(values):
    table = compare_families(Evaluation([answer("mine", values[:20]), answer("cell-count", values - 0.1)], []))
    row = table.iloc[0]
    assert row["n_units"] == 20
    assert_allclose(row["difference"], 0.1)


@pytest.mark.parametrize("group", [None, "movie"])
def test_what_other_fits_would_change_is_part_of_a_difference_between_probes(group):
    probe = make_task("ridge-probe", label="kind", group=group)
    found, narrow = [], []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        kind = rng.integers(0, 3, 120)
        obs = pd.DataFrame({"kind": kind.astype(str), "movie": rng.integers(0, 20, 120).astype(str)}).rename(
            "r{}".format
        )
        seen = [0.7 * np.eye(3)[kind] + rng.normal(size=(120, 3)) for _ in range(2)]
        x = [own @ rng.normal(size=(3, 16)) + 0.5 * rng.normal(size=(120, 16)) for own in seen]
        evaluation = evaluate({"one": AnnData(x[0], obs=obs), "other": AnnData(x[1], obs=obs)}, [probe])
        found.append(compare_tested(evaluation)["p"].iloc[0])
        values = family_values(evaluation.answers)
        narrow.append(paired_p(values["one"], values["other"], rng))
    assert np.mean(np.array(found) <= 0.05) <= 0.05
    assert np.mean(found) > np.mean(narrow) + 0.05  # units alone tell too little
