import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from sklearn.decomposition import PCA

from phenolens.core.errors import TaskNotApplicable
from phenolens.diagnosis import explained_variance, probe_concepts

PLATES, CONDITIONS, REPLICATES = 4, 15, 4


def screen(seed: int = 0) -> tuple[pd.DataFrame, dict[str, pd.DataFrame]]:
    """Return wells, and factors on four levels, of which the arrangement follows the density in part."""
    rng = np.random.default_rng(seed)
    n = PLATES * CONDITIONS * REPLICATES
    obs = pd.DataFrame(
        {
            "plate": np.repeat([f"p{i}" for i in range(PLATES)], n // PLATES),
            "perturbation": np.tile([f"c{i}" for i in range(CONDITIONS)], n // CONDITIONS),
        },
        index=[f"w{i}" for i in range(n)],
    )
    effect = rng.normal(size=(CONDITIONS, 6))[np.tile(np.arange(CONDITIONS), n // CONDITIONS)]
    z = effect + rng.normal(size=(n, 6))
    count = np.exp(3 + 0.2 * z[:, 0])
    names = {"shape": ["area", "roundness"], "texture": ["mesh", "spots"]}
    factors = {
        "density": pd.DataFrame({"count": count}, obs.index),
        "shape": pd.DataFrame(z[:, 1:3], obs.index, names["shape"]),
        "texture": pd.DataFrame(z[:, 3:5], obs.index, names["texture"]),
        "arrangement": pd.DataFrame({"distance": count**-0.5 * np.exp(0.05 * z[:, 5])}, obs.index),
    }
    return obs, factors


def reader(obs: pd.DataFrame, *known: np.ndarray, noise: float = 0.3, seed: int = 1) -> AnnData:
    """Return vectors that are curves of what is known, and noise."""
    rng = np.random.default_rng(seed)
    z = np.column_stack([(own - own.mean()) / own.std() for own in known]) if known else np.zeros((len(obs), 1))
    x = np.cos(z @ rng.normal(size=(z.shape[1], 32)) * 0.6 + rng.uniform(0, 6, 32))
    return AnnData(x + noise * rng.normal(size=x.shape), obs=obs)


def test_each_reader_knows_what_it_reads_and_nothing_else():
    obs, factors = screen()
    of = {level: table.to_numpy().T for level, table in factors.items()}
    readers = {
        "counts": reader(obs, *of["density"]),
        "shapes": reader(obs, *of["shape"]),
        "texture and arrangement": reader(obs, *of["texture"], *of["arrangement"]),
        "nothing": reader(obs),
    }
    levels = probe_concepts(readers, factors, n_permutations=200).levels
    named = levels[(levels["r"] > 0.2) & (levels["p"] <= 0.01)].groupby("encoder")["level"].agg(set).to_dict()
    assert named == {
        "counts": {"density"},
        "shapes": {"shape"},
        "texture and arrangement": {"texture", "arrangement"},
    }
    assert (levels["low"] <= levels["mean"]).all()
    assert (levels["mean"] <= levels["high"]).all()


def test_recognising_a_treatment_is_not_knowing_what_it_does():
    obs, factors = screen()
    codes = pd.get_dummies(obs["perturbation"]).to_numpy(float)
    plates = pd.get_dummies(obs["plate"]).to_numpy(float)
    rng = np.random.default_rng(0)
    both = np.concatenate([codes, plates], axis=1)
    knows_names = AnnData(both @ rng.normal(size=(both.shape[1], 30)) + 0.1 * rng.normal(size=(len(obs), 30)), obs=obs)
    levels = probe_concepts({"names": knows_names}, factors, n_permutations=200).levels
    assert (levels["r"] < 0.2).all()
    variance = explained_variance({"names": knows_names}, factors).set_index("block")["beyond"]
    assert variance["treatment"] > 0.3
    assert variance["batch"] > 0.1
    assert variance[list(factors)].abs().max() < 0.02


@pytest.mark.parametrize("d", [30, 3000])
def test_the_share_of_the_first_component_is_that_of_its_scores(d):
    obs, factors = screen()
    rng = np.random.default_rng(5)
    count = np.log(factors["density"]["count"].to_numpy())
    x = np.outer(count, rng.normal(size=d)) + 0.1 * rng.normal(size=(len(obs), d))
    row = explained_variance({"counts": AnnData(x, obs=obs)}, factors).set_index("block").loc["density"]
    pca = PCA(2).fit(x)
    n = len(obs)
    share = np.corrcoef(pca.transform(x)[:, 0], count)[0, 1] ** 2
    assert row["first"] == pytest.approx(1 - (1 - share) * (n - 1) / (n - 2), abs=1e-6)
    assert row["large"] == pytest.approx(pca.explained_variance_ratio_[0], abs=1e-6)


def test_it_says_which_factor_is_read_best():
    obs, factors = screen()
    found = probe_concepts({"mesh": reader(obs, factors["texture"]["mesh"].to_numpy())}, factors, n_permutations=50)
    texture = found.levels.set_index("level").loc["texture"]
    assert texture["best"] == "mesh"
    r = found.factors[found.factors["level"] == "texture"].set_index("factor")["r"]
    assert r["mesh"] == pytest.approx(texture["r"])
    assert r["spots"] < 0.2
    assert texture["mean"] == pytest.approx(r.mean())


def test_encoders_do_not_change_each_other_and_seeds_repeat():
    obs, factors = screen()
    one, other = reader(obs, noise=1.0), reader(obs, factors["density"]["count"].to_numpy(), seed=2)
    together = probe_concepts({"one": one, "other": other}, factors, n_permutations=50).levels
    alone = probe_concepts({"other": other}, factors, n_permutations=50).levels
    pd.testing.assert_frame_equal(
        together[together["encoder"] == "other"].reset_index(drop=True), alone.reset_index(drop=True)
    )


def test_p_values_of_noise_are_uniform():
    p = []
    for seed in range(30):
        obs, factors = screen(seed)
        noise = {
            str(i): AnnData(np.random.default_rng([seed, i]).normal(size=(len(obs), 8)), obs=obs) for i in range(3)
        }
        p += [*probe_concepts(noise, factors, n_permutations=39, seed=seed).levels["p"]]
    assert np.mean(np.array(p) <= 0.05) == pytest.approx(0.05, abs=0.03)
    assert np.mean(np.array(p) <= 0.5) == pytest.approx(0.5, abs=0.1)


def test_what_cannot_be_asked_is_said():
    obs, factors = screen()
    few = obs.iloc[:30]
    with pytest.raises(TaskNotApplicable, match="30 rows, of which batches, treatments and other levels take up"):
        probe_concepts({"x": reader(few)}, {level: table.iloc[:30] for level, table in factors.items()})
    follows = {**factors, "arrangement": factors["density"].rename(columns={"count": "spacing"}) ** -0.5}
    found = probe_concepts({"x": reader(obs)}, follows, n_permutations=20)
    assert found.missing == {
        "density": "nothing is left of it once batches, treatments and other levels are known",
        "arrangement": "nothing is left of it once batches, treatments and other levels are known",
    }
    assert set(found.levels["level"]) == {"shape", "texture"}


def test_gaps_in_a_factor_are_put_at_its_mean():
    obs, factors = screen()
    factors["shape"].iloc[:10, 0] = np.nan
    found = probe_concepts({"x": reader(obs, factors["shape"]["roundness"].to_numpy())}, factors, n_permutations=20)
    assert found.levels.set_index("level").loc["shape", "best"] == "roundness"
