import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from made_up import evaluation_on
from sklearn.decomposition import PCA

from phenolens.diagnosis.inference import control_claims
from phenolens.diagnosis.parts.concepts import compare_concepts, draw_rows, explained_variance, probe_concepts
from phenolens.diagnosis.parts.concepts import probe as probe_module
from phenolens.diagnosis.records import LEAST_LEFT, ConceptDifference, ConceptScore, ExplainedVariance, FactorScore
from phenolens.evaluation import Skipped
from phenolens.metrics import percentile_interval
from phenolens.simulation import LEVELS
from phenolens.tasks import make_task

PLATES, CONDITIONS, REPLICATES = 4, 15, 4


def screen(seed: int = 0) -> tuple[pd.DataFrame, dict[str, pd.DataFrame]]:
    """Return wells, and factors of four concepts, of which the arrangement follows the density in part."""
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
    z = np.column_stack([(each - each.mean()) / each.std() for each in known]) if known else np.zeros((len(obs), 1))
    x = np.cos(z @ rng.normal(size=(z.shape[1], 32)) * 0.6 + rng.uniform(0, 6, 32))
    return AnnData(x + noise * rng.normal(size=x.shape), obs=obs)


def probe(readers, factors, *, n_permutations=200, seed=0):
    return probe_concepts(draw_rows(readers, factors, seed=seed), n_permutations=n_permutations, seed=seed)


def test_each_encoder_encodes_what_it_reads_and_nothing_else():
    obs, factors = screen()
    of = {concept: table.to_numpy().T for concept, table in factors.items()}
    readers = {
        "counts": reader(obs, *of["density"]),
        "shapes": reader(obs, *of["shape"]),
        "texture and arrangement": reader(obs, *of["texture"], *of["arrangement"]),
        "nothing": reader(obs),
    }
    readings, _ = probe(readers, factors)
    assert len(readings) == len(readers) * len(factors)
    encoded = {(each.encoder, each.concept) for each in readings if each.best_r > 0.2 and each.p <= 0.01}
    assert encoded == {
        ("counts", "density"),
        ("shapes", "shape"),
        ("texture and arrangement", "texture"),
        ("texture and arrangement", "arrangement"),
    }
    for reading in readings:
        low, high = percentile_interval(reading.draws)
        assert low <= reading.mean_r <= high


def test_recognising_a_treatment_is_not_encoding_what_it_does():
    obs, factors = screen()
    codes = pd.get_dummies(obs["perturbation"]).to_numpy(float)
    plates = pd.get_dummies(obs["plate"]).to_numpy(float)
    rng = np.random.default_rng(0)
    both = np.concatenate([codes, plates], axis=1)
    names = AnnData(both @ rng.normal(size=(both.shape[1], 30)) + 0.1 * rng.normal(size=(len(obs), 30)), obs=obs)
    data = draw_rows({"names": names}, factors)
    readings, _ = probe_concepts(data, n_permutations=200)
    assert len(readings) == len(factors)
    assert max(each.best_r for each in readings) < 0.2
    beyond = {each.block: each.beyond for each in explained_variance(data)}
    assert beyond["treatment"] > 0.3
    assert beyond["batch"] > 0.1
    assert max(abs(beyond[concept]) for concept in factors) < 0.02


@pytest.mark.parametrize("d", [30, 3000])
def test_the_share_of_the_first_component_is_that_of_its_scores(d):
    obs, factors = screen()
    rng = np.random.default_rng(5)
    count = np.log(factors["density"]["count"].to_numpy())
    x = np.outer(count, rng.normal(size=d)) + 0.1 * rng.normal(size=(len(obs), d))
    shares = explained_variance(draw_rows({"counts": AnnData(x, obs=obs)}, factors))
    (density,) = [each for each in shares if each.block == "density"]
    pca = PCA(2).fit(x)
    n = len(obs)
    share = np.corrcoef(pca.transform(x)[:, 0], count)[0, 1] ** 2
    assert density.of_first_component == pytest.approx(1 - (1 - share) * (n - 1) / (n - 2), abs=1e-6)
    assert density.first_component == pytest.approx(pca.explained_variance_ratio_[0], abs=1e-6)


def test_it_says_which_factor_is_read_best():
    obs, factors = screen()
    readings, _ = probe({"mesh": reader(obs, factors["texture"]["mesh"].to_numpy())}, factors, n_permutations=50)
    (texture,) = [each for each in readings if each.concept == "texture"]
    assert texture.best_factor == "mesh"
    r = dict(zip(texture.factors, texture.r, strict=True))
    assert r["mesh"] == texture.best_r
    assert r["spots"] < 0.2
    assert texture.mean_r == pytest.approx((r["mesh"] + r["spots"]) / 2)


def test_encoders_do_not_change_each_other_and_seeds_repeat():
    obs, factors = screen()
    one, other = reader(obs, noise=1.0), reader(obs, factors["density"]["count"].to_numpy(), seed=2)
    together, _ = probe({"one": one, "other": other}, factors, n_permutations=50)
    alone, _ = probe({"other": other}, factors, n_permutations=50)
    assert len(alone) == len(factors)
    for found, expected in zip(together[len(factors) :], alone, strict=True):
        assert (found.encoder, found.concept, found.p) == ("other", expected.concept, expected.p)
        np.testing.assert_array_equal(found.r, expected.r)
        np.testing.assert_array_equal(found.draws, expected.draws)


def test_p_values_of_noise_are_uniform():
    p = []
    for seed in range(30):
        obs, factors = screen(seed)
        noise = {
            str(i): AnnData(np.random.default_rng([seed, i]).normal(size=(len(obs), 8)), obs=obs) for i in range(3)
        }
        readings, _ = probe(noise, factors, n_permutations=39, seed=seed)
        p += [each.p for each in readings]
    assert np.mean(np.array(p) <= 0.05) == pytest.approx(0.05, abs=0.03)
    assert np.mean(np.array(p) <= 0.5) == pytest.approx(0.5, abs=0.1)


def test_concepts_that_cannot_be_evaluated_are_skipped_with_the_reason():
    obs, factors = screen()
    few = obs.iloc[:30]
    readings, skipped = probe({"x": reader(few)}, {concept: table.iloc[:30] for concept, table in factors.items()})
    assert readings == []
    assert list(skipped) == list(factors)
    assert skipped["shape"] == (
        "needs at least 20 rows beyond the 29 that batches, treatments and other concepts take up, found 1"
    )
    follows = {**factors, "arrangement": factors["density"].rename(columns={"count": "spacing"}) ** -0.5}
    readings, skipped = probe({"x": reader(obs)}, follows, n_permutations=20)
    assert skipped == {
        "density": "nothing is left of it beyond batches, treatments and other concepts",
        "arrangement": "nothing is left of it beyond batches, treatments and other concepts",
    }
    assert [each.concept for each in readings] == ["shape", "texture"]


def test_gaps_in_a_factor_are_put_at_its_mean():
    obs, factors = screen()
    factors["shape"].iloc[:10, 0] = np.nan
    readings, _ = probe({"x": reader(obs, factors["shape"]["roundness"].to_numpy())}, factors, n_permutations=20)
    (shape,) = [each for each in readings if each.concept == "shape"]
    assert shape.best_factor == "roundness"


NETWORK, COUNTERPART = "timm/resnet18", "twin/timm/resnet18"


@pytest.fixture(scope="module")
def phantom() -> dict[str, AnnData]:
    """Return wells with their truth, seen by two encoders under test, and by three seeds of the counterpart of one."""
    obs, factors = screen()
    area, mesh = factors["shape"]["area"].to_numpy(), factors["texture"]["mesh"].to_numpy()
    obs["true_count"], obs["true_nuclear_area"] = factors["density"]["count"], np.exp(area)
    obs["true_texture"], obs["true_fibres"] = np.exp(mesh), factors["texture"]["spots"]
    vectors = {NETWORK: reader(obs, area, mesh), "mine": reader(obs, mesh)}
    for seed in range(3):
        vectors[f"{COUNTERPART}@seed={seed}"] = reader(obs, area, noise=1.0 + seed, seed=seed)
    return vectors | {"pixel-statistics": reader(obs)}


def of_kind(found, kind):
    return [each for each in found.records if isinstance(each, kind)]


@pytest.fixture(scope="module")
def found(phantom):
    return compare_concepts(evaluation_on(phantom))


def scores_of(found):
    return {(each.encoder, each.concept): each for each in of_kind(found, ConceptScore)}


def test_encoders_under_test_are_scored_beside_their_untrained_counterparts(found):
    assert found.skipped == ()
    scores = scores_of(found)
    concepts = ["density", "shape", "texture"]
    assert list(scores) == [(encoder, concept) for encoder in (NETWORK, "mine", COUNTERPART) for concept in concepts]
    for (encoder, concept), score in scores.items():
        counterpart = scores[COUNTERPART, concept]
        assert score.estimate.low <= score.estimate.value <= score.estimate.high
        assert (score.estimate.n_units, score.is_truth, score.encoding) == (240, True, "")
        assert score.under_test == score.is_claimed == (encoder != COUNTERPART)
        assert set(score.beyond) == set(concepts) - {concept}
        if encoder == NETWORK:
            assert score.counterpart_r == counterpart.estimate.value
            assert score.gain.value == score.estimate.value - score.counterpart_r
            assert score.gain.low < score.gain.value < score.gain.high
        else:
            assert np.isnan([score.counterpart_r, score.gain.value, score.gain.low]).all()
        assert np.isnan(score.gain.p)
    texture, shape = scores[NETWORK, "texture"], scores[NETWORK, "shape"]
    assert (texture.best_factor, shape.best_factor) == ("texture", "nuclear_area")
    assert texture.best_r > texture.estimate.value  # fibres are not read
    assert texture.gain.low > 0
    assert scores[NETWORK, "density"].gain.low < 0


def test_the_seeds_of_an_encoder_are_averaged(phantom, found):
    table = phantom["mine"].obs
    factors = {
        "density": table[["true_count"]],
        "shape": table[["true_nuclear_area"]],
        "texture": table[["true_texture", "true_fibres"]],
    }
    seeds = {name: vectors for name, vectors in phantom.items() if name.startswith(COUNTERPART)}
    readings, _ = probe_concepts(draw_rows(seeds, factors))
    readings = [each for each in readings if each.concept == "shape"]
    assert len(readings) == 3
    score = scores_of(found)[COUNTERPART, "shape"]
    assert score.estimate.value == pytest.approx(np.mean([each.mean_r for each in readings]))
    assert score.best_r == pytest.approx(np.mean([each.best_r for each in readings]))
    assert score.estimate.p == min(1.0, 2 * np.median([each.p for each in readings]))
    limits = percentile_interval(np.mean([each.draws for each in readings], axis=0))
    assert (score.estimate.low, score.estimate.high) == pytest.approx(limits)


def test_encoders_under_test_are_compared_in_each_concept(found):
    scores = scores_of(found)
    differences = of_kind(found, ConceptDifference)
    assert [(each.concept, each.encoder, each.other) for each in differences] == [
        (concept, NETWORK, "mine") for concept in ("density", "shape", "texture")
    ]
    for each in differences:
        one, other = scores[each.encoder, each.concept], scores[each.other, each.concept]
        assert each.estimate.value == one.estimate.value - other.estimate.value
        assert each.estimate.low < each.estimate.value < each.estimate.high
        assert (each.estimate.n_units, each.better_encodes_it) == (240, False)
    density, shape, texture = (each.estimate for each in differences)
    assert shape.p < 0.01
    assert shape.value > 0
    assert texture.value < 0
    assert density.p > 0.05


def test_factors_and_explained_variance_are_recorded(found):
    scores = scores_of(found)
    r = {(each.encoder, each.concept, each.factor): each.r for each in of_kind(found, FactorScore)}
    assert len(r) == 3 * 4
    for encoder in (NETWORK, "mine", COUNTERPART):
        texture = r[encoder, "texture", "texture"], r[encoder, "texture", "fibres"]
        assert scores[encoder, "texture"].estimate.value == pytest.approx(np.mean(texture))
    variance = of_kind(found, ExplainedVariance)
    assert [(each.encoder, each.block, each.under_test) for each in variance] == [
        (encoder, block, encoder != COUNTERPART)
        for encoder in (NETWORK, "mine", COUNTERPART)
        for block in ("batch", "treatment", "density", "shape", "texture")
    ]
    alone = {each.block: each.alone for each in variance if each.encoder == "mine"}
    assert alone["texture"] > max(alone["density"], alone["shape"])


def counted(obs, count):
    """Return a baseline that has counted cells."""
    return AnnData(count[:, None], obs=obs, var=pd.DataFrame(index=["nuclei_count"]))


def test_real_images_are_measured_by_baselines_and_other_concepts_are_skipped():
    obs, factors = screen()
    count = factors["density"]["count"].to_numpy()
    vectors = {"cell-count": counted(obs, count)[5:].copy(), "mine": reader(obs, count)}
    found = compare_concepts(evaluation_on(vectors))
    (score,) = of_kind(found, ConceptScore)
    assert (score.concept, score.is_truth, score.beyond) == ("density", False, ())
    assert score.estimate.n_units == len(obs) - 5  # those that all have
    assert score.estimate.p < 0.01
    assert [(each.part, each.what) for each in found.skipped] == [
        ("concepts", concept) for concept in ("acquisition", "intensity", "shape", "texture", "arrangement")
    ]
    assert found.skipped[0].reason == "it was not measured; add the baseline pixel-statistics"


def test_without_encoders_or_measurements_concepts_are_skipped():
    obs, factors = screen()
    baseline = {"cell-count": counted(obs, factors["density"]["count"].to_numpy())}
    found = compare_concepts(evaluation_on(baseline))
    assert (found.records, found.skipped) == ((), (Skipped("concepts", "no encoder is under test"),))
    found = compare_concepts(evaluation_on({"mine": reader(obs)}))
    assert found.records == ()
    (skipped,) = found.skipped
    assert "no baseline that measures a concept" in skipped.reason


def test_if_no_concept_can_be_evaluated_each_is_skipped():
    obs, factors = screen()
    few = obs.iloc[:15]
    count = factors["density"]["count"].to_numpy()[:15]
    found = compare_concepts(evaluation_on({"cell-count": counted(few, count), "mine": reader(few)}))
    assert found.records == ()
    assert {each.what for each in found.skipped} == set(LEVELS)


def test_of_copies_of_one_source_one_is_evaluated():
    rng = np.random.default_rng(0)
    source = np.repeat(np.arange(100), 4)
    obs = pd.DataFrame({"source": source.astype(str), "label": np.where(source % 2, "a", "b")})
    obs.index = [f"r{i}" for i in range(400)]
    recognises = rng.normal(size=(100, 80))[source] + 0.1 * rng.normal(size=(400, 80))  # each source, and no count
    vectors = {
        "mine": AnnData(recognises, obs=obs),
        "cell-count": counted(obs, np.exp(3 + 0.3 * rng.normal(size=100))[source]),
    }
    by_source = make_task("ridge-probe", label="label", group="source")
    (score,) = of_kind(compare_concepts(evaluation_on(vectors, task=by_source)), ConceptScore)
    assert score.estimate.n_units == 100
    assert score.estimate.p > 0.05
    by_row = make_task("ridge-probe", label="label")
    (score,) = of_kind(compare_concepts(evaluation_on(vectors, task=by_row)), ConceptScore)
    assert score.estimate.n_units == 400
    assert score.estimate.p < 0.01  # copies on both sides of a fold


def measured_screen(*, error: float = 0.05, n_sites: int = 2, seed: int = 0) -> dict[str, AnnData]:
    """Return six concepts of sites as baselines measure them: mean intensities follow from the count, nearly."""
    rng = np.random.default_rng(seed)
    wells, _ = screen(seed)
    wells["well"] = wells.index
    row = np.repeat(np.arange(len(wells)), n_sites)
    obs = wells.iloc[row].copy()
    obs.index = [f"s{i}" for i in range(len(row))]
    z = rng.normal(size=(len(wells), 6))[row]
    seen = z + error * rng.normal(size=z.shape)
    count = 3 + 0.2 * seen[:, 0]
    features = {
        "cell-count": {"nuclei_count": count},
        "pixel-statistics": {"dna_mean": count + 0.03 * seen[:, 1], "dna_p1": 0.1 * seen[:, 2]},
        "classical-features": {
            "nuclei_Area": 0.1 * seen[:, 3] - 0.3 * count,
            "nuclei_Texture_Contrast_3_dna": 0.1 * seen[:, 4],
        },
        "cell-graph/positions": {"nearest_cv": 0.1 * seen[:, 5] - 0.2 * count},
    }
    found = {}
    for name, columns in features.items():
        found[name] = AnnData(np.exp(np.column_stack(list(columns.values()))), obs=obs, var=pd.DataFrame(index=columns))
    return found


def told(measured: dict[str, AnnData], encoders: dict[str, AnnData]) -> dict[str, dict[str, ConceptScore]]:
    """Return encoder -> concept -> its score, p values adjusted."""
    found = compare_concepts(evaluation_on({**encoders, **measured}))
    scores: dict[str, dict[str, ConceptScore]] = {name: {} for name in encoders}
    for score in control_claims(found.records):
        if isinstance(score, ConceptScore):
            scores[score.encoder][score.concept] = score
    return scores


def encoders_of(measured: dict[str, AnnData]) -> dict[str, AnnData]:
    """Return an encoder that is the cell count, one of all that was measured, and one of noise."""
    obs = measured["cell-count"].obs
    everything = np.log(np.concatenate([each.X for each in measured.values()], axis=1)).T
    return {
        "count": AnnData(measured["cell-count"].X, obs=obs),
        "all": reader(obs, *everything, noise=0.01),
        "noise": reader(obs),
    }


def test_where_hardly_anything_is_left_of_the_count_a_counter_is_still_told_to_count():
    measured = measured_screen()
    scores = told(measured, encoders_of(measured))
    assert scores["count"]["density"].left < 0.05
    assert scores["count"]["density"].best_r > 0.9
    assert {concept for concept, score in scores["count"].items() if score.encoding == "encoded"} == {"density"}
    assert {score.encoding for score in scores["all"].values()} <= {"encoded", "not assessed"}
    assert sum(score.encoding == "encoded" for score in scores["all"].values()) >= 4
    of_noise = {concept: score.encoding for concept, score in scores["noise"].items()}
    assert of_noise.pop("density") == "not assessed"
    assert of_noise.pop("intensity") == "not assessed"
    assert set(of_noise.values()) == {"not detected"}


def test_the_share_that_is_left_is_the_tolerance_of_a_regression():
    """The share is 1 - R2 of a factor on all others, both beyond plates and treatments, for degrees of freedom."""
    obs, factors = screen()
    data = draw_rows({"x": reader(obs)}, factors)
    readings, _ = probe_concepts(data, n_permutations=5)
    (density,) = [each for each in readings if each.concept == "density"]
    design = np.concatenate([pd.get_dummies(obs[name]).to_numpy(float) for name in ("plate", "perturbation")], axis=1)
    others = [data.standardised[name] for name in ("shape", "texture", "arrangement")]
    powers = [each**power for each in others for power in (1, 2, 3)]
    count = data.standardised["density"]

    def left_by(columns):
        return count - columns @ np.linalg.lstsq(columns, count, rcond=None)[0]

    known = np.concatenate([design, *powers], axis=1)
    predicted = left_by(design) - left_by(known)
    mean_square = []
    for columns in (design, np.concatenate([known, predicted**2, predicted**3], axis=1)):
        rank = np.linalg.matrix_rank(columns)
        mean_square.append(float((left_by(columns) ** 2).sum()) / (len(obs) - rank))
    assert density.left == pytest.approx([mean_square[1] / mean_square[0]])


def test_what_does_not_agree_with_itself_cannot_be_assessed():
    good, bad = measured_screen(), measured_screen(error=10.0)
    measured = {**good, "cell-graph/positions": bad["cell-graph/positions"]}
    scores = told(measured, {"noise": encoders_of(measured)["noise"]})["noise"]
    assert scores["texture"].reliability > 0.95
    assert scores["arrangement"].left > LEAST_LEFT > scores["arrangement"].reliability
    assert scores["arrangement"].encoding == "not assessed"


def test_without_halves_reliability_is_not_known():
    measured = measured_screen(n_sites=1)
    scores = told(measured, {"noise": encoders_of(measured)["noise"]})["noise"]
    assert np.isnan([each.reliability for each in scores.values()]).all()
    assert {each.allowed_r for each in scores.values()} == {1.0}
    assert scores["texture"].encoding == "not detected"


def test_residuals_of_many_columns_give_noise_no_correlation():
    """Were folds of wells, what was taken from all of them would tell each fold about the others."""
    r = []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        obs, _ = screen(seed)
        obs, names = obs.iloc[:120], [f"f{i}" for i in range(20)]
        factors = {
            "shape": pd.DataFrame(rng.normal(size=(120, 1)), obs.index, ["area"]),
            "texture": pd.DataFrame(rng.normal(size=(120, 20)), obs.index, names),
        }
        noise = AnnData(rng.normal(size=(120, 60)), obs=obs)
        readings, _ = probe({"noise": noise}, factors, n_permutations=5)
        r += [each.mean_r for each in readings if each.concept == "shape"]
    assert len(r) == 8
    assert abs(np.mean(r)) < 0.2


def test_what_measurements_miss_of_a_concept_is_not_taken_for_another():
    # Intensities follow the true count, of which the measured one has an error.
    measured = measured_screen(error=0.3, n_sites=1)
    obs = measured["cell-count"].obs
    rng = np.random.default_rng(0)
    z = rng.normal(size=(len(obs), 6))  # the truth of that screen
    measured["pixel-statistics"].X[:, 0] = np.exp(3 + 0.2 * z[:, 0] + 0.06 * rng.normal(size=len(obs)))
    encoders = {
        "count": AnnData(np.outer(z[:, 0], np.linspace(1, 2, 8)), obs=obs),
        "count and texture": reader(obs, z[:, 0], z[:, 4], noise=0.05),
    }
    scores = told(measured, encoders)
    of_count = scores["count"]
    assert of_count["density"].encoding == "encoded"
    assert of_count["intensity"].best_r >= 0.3  # beyond what was measured of the count
    assert of_count["intensity"].encoding == "not assessed"
    assert of_count["intensity"].better_read == ("density",)
    assert of_count["intensity"].sure_r < 0.1
    both = {concept for concept, score in scores["count and texture"].items() if score.encoding == "encoded"}
    assert both == {"density", "texture"}


def test_a_gradient_over_the_plate_is_no_concept():
    obs, factors = screen()
    rng = np.random.default_rng(8)
    place = np.tile(np.arange(PLATES * CONDITIONS * REPLICATES // PLATES), PLATES)
    row, column = np.divmod(place, 10)
    obs["well"] = [f"{chr(65 + r)}{c + 1:02d}" for r, c in zip(row, column, strict=True)]
    shift = (place - place.mean()) / place.std()
    factors["density"]["count"] = np.exp(3 + 0.2 * (rng.normal(size=len(obs)) + 2 * shift))
    noise = AnnData(np.outer(shift, rng.normal(size=8)) + rng.normal(size=(len(obs), 8)), obs=obs)
    known, _ = probe({"noise": noise}, factors)
    assert max(each.best_r for each in known if each.concept == "density") < 0.2
    noise.obs = noise.obs.drop(columns="well")
    unknown, _ = probe({"noise": noise}, factors)
    assert max(each.best_r for each in unknown if each.concept == "density") > 0.4


def test_where_too_few_wells_are_left_for_a_second_reading_nothing_is_claimed(monkeypatch):
    obs, factors = screen()
    both = {"both": reader(obs, *factors["texture"].to_numpy().T, factors["density"]["count"].to_numpy())}
    known, _ = probe(both, factors)
    monkeypatch.setattr(probe_module, "_free_of", lambda free, columns: free[:, :5])
    few, _ = probe(both, factors)
    read = {each.concept: (each.p <= 0.05, each.better_read) for each in known}
    assert sum(is_read for is_read, _ in read.values()) >= 2
    again = [each for each in few if each.better_read]
    assert again
    for each in again:
        assert each.p == 1
        assert np.isnan(each.r_beyond_better)
        assert each.best_r == next(other.best_r for other in known if other.concept == each.concept)
