"""The whole way on a small screen: results, resumption, refusals."""

import json

import numpy as np
import pandas as pd
import pytest
import tifffile
import timm
import torch
import yaml
from safetensors.torch import save_file

from phenolens.core.errors import EmbeddingError, ImageError, ManifestError, RecipeError
from phenolens.diagnosis.records import AfterIntervention, LayerChoice
from phenolens.encoders import default_panel
from phenolens.recipes.study import read_recipe
from phenolens.report import Results
from phenolens.simulation import simulate_cells
from phenolens.workflows.study import run

pytestmark = pytest.mark.integration

RUN = ["metadata", "pixel-statistics", "random-convolutions"]
PROBE = {"task": "knn-probe", "label": "perturbation", "folds": 2, "level": "well"}
QUICK = ["metadata", "well-position", "cell-count", "pixel-statistics"]
LEFT_OUT = ["well-position", "file-size", "[ac]*", "power-spectrum", "untrained/*"]


@pytest.fixture
def study(tmp_path):
    """Two plates of 32 wells; one perturbation is bright, one does nothing."""
    rng = np.random.default_rng(0)
    (tmp_path / "images").mkdir()
    rows = []
    for plate in ("p1", "p2"):
        for well in range(32):
            name = ["dmso", "dmso", "bright", "nothing"][well % 4]
            level = 400 if name == "bright" else 200
            pixels = rng.poisson(level + rng.normal(0, 10), (2, 32, 32)).astype(np.uint16)
            file = f"images/{plate}_{well}.tif"
            tifffile.imwrite(tmp_path / file, pixels, photometric="minisblack")
            role = "negative_control" if name == "dmso" else "treatment"
            rows.append((f"{plate}_{well}", file, plate, f"A{well + 1:02d}", name, role))
    columns = ["site_id", "image", "plate", "well", "perturbation", "role"]
    pd.DataFrame(rows, columns=columns).to_csv(tmp_path / "manifest.csv", index=False)
    recipe = {
        "name": "small",
        "dataset": {"manifest": "manifest.csv", "names": ["dna", "er"]},
        "leave_out": dict.fromkeys(LEFT_OUT, "a quick test"),
        "seeds": 2,
        "embedding": {"workers": 0},
        "profiling": ["raw", "pca-centre-scale"],
        "tasks": [
            {"task": "replicate-retrieval", "n_permutations": 100},
            {"task": "knn-probe", "label": "perturbation", "group": "plate", "folds": 2, "level": "well"},
        ],
    }
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    return tmp_path


def skipped_of(results, part):
    return [each for each in results.evidence.skipped if each.part == part]


def rewrite(study, **changes):
    recipe = yaml.safe_load((study / "recipe.yaml").read_text())
    (study / "recipe.yaml").write_text(yaml.safe_dump({**recipe, **changes}))
    return read_recipe(study / "recipe.yaml")


def test_results_are_tidy_and_true(study):
    results = run(read_recipe(study / "recipe.yaml"), study / "out")
    scores = pd.read_parquet(study / "out" / "scores.parquet")
    assert len(scores) == 4 * 2 * 2
    assert set(scores["encoder"]) == set(RUN)
    assert set(scores["encoder_id"]) == {*RUN[:2], f"{RUN[2]}@seed=0", f"{RUN[2]}@seed=1"}
    units = pd.read_parquet(study / "out" / "units.parquet")
    bright = units.query("unit == 'bright' and encoder == 'pixel-statistics' and profiling == 'pca-centre-scale'")
    nothing = units.query("unit == 'nothing' and encoder == 'pixel-statistics' and profiling == 'raw'")
    assert bright["p"].item() <= 0.05
    assert bright["value"].item() > bright["chance"].item()
    assert nothing["p"].item() > 0.05
    page = json.loads((study / "out" / "results.json").read_text())
    assert page["dataset"]["n_negative_controls"] == 32
    left_out = {item["name"]: item for item in page["panel_missing"]}
    assert left_out["untrained/vit_small_patch16@mixing=joint"]["reason"] == "a quick test"
    assert all(item["by_recipe"] for item in left_out.values())
    assert set(left_out) | set(RUN) == set(default_panel("cells", 2))
    assert "the bar that simple methods set" in (study / "out" / "report.html").read_text()
    assert (
        len(Results.load(study / "out").comparisons) == len(results.comparisons) == 3 * 2 * 2
    )  # each pair of baselines once


def test_the_same_recipe_gives_the_same_numbers_and_embeds_once(study, monkeypatch):
    recipe = read_recipe(study / "recipe.yaml")
    first = run(recipe, study / "one").scores
    second = run(recipe, study / "two").scores
    pd.testing.assert_frame_equal(first, second)
    monkeypatch.setattr("phenolens.embedding.folder.embed", lambda *_, **__: pytest.fail("embedded again"))
    pd.testing.assert_frame_equal(run(recipe, study / "one").scores, first)


def test_the_order_of_encoders_changes_no_number(study):
    key = ["encoder_id", "profiling", "task"]
    forward = run(read_recipe(study / "recipe.yaml"), study / "one").scores.sort_values(key)
    backward = run(rewrite(study, baselines=RUN[::-1]), study / "two").scores.sort_values(key)
    pd.testing.assert_frame_equal(forward.reset_index(drop=True), backward.reset_index(drop=True))


def test_without_negative_controls_nothing_starts(study):
    table = pd.read_csv(study / "manifest.csv").assign(role="treatment")
    table.to_csv(study / "manifest.csv", index=False)
    with pytest.raises(ManifestError, match="no row has role 'negative_control', which pca-centre-scale and"):
        run(read_recipe(study / "recipe.yaml"), study / "out")
    assert not (study / "out").exists()


def test_a_column_that_a_task_needs_is_asked_for_first(study):
    recipe = rewrite(study, tasks=[{"task": "knn-probe", "label": "perturbations"}])
    with pytest.raises(ManifestError, match=r"no column 'perturbations', which the task .* did you mean"):
        run(recipe, study / "out")


def test_bad_images_are_listed_and_too_many_stop_it(study):
    (study / "images" / "p1_2.tif").unlink()
    with pytest.raises(EmbeddingError, match="1 of 64 sites could not be read"):
        run(read_recipe(study / "recipe.yaml"), study / "out")
    results = run(rewrite(study, embedding={"workers": 0, "max_failed": 0.05}), study / "out")
    assert [item["site_id"] for item in results.quarantine] == ["p1_2"]
    assert "p1_2" in (study / "out" / "report.html").read_text()


def test_the_default_panel_runs_and_says_what_it_cannot(study):
    table = pd.read_csv(study / "manifest.csv")
    recipe = rewrite(
        study,
        leave_out={},
        seeds=1,
        profiling=["raw"],
        dataset={"manifest": "manifest.csv", "names": ["red", "green"]},
    )
    results = run(recipe, study / "out")
    assert results.skipped == []
    missing = {item["name"]: item["reason"] for item in results.panel_missing}
    assert set(missing) == {"cell-count", "area-fraction", "classical-features", "cell-graph/positions"}
    assert all("the nuclear channel is none of the usual names" in reason for reason in missing.values())
    assert not any(item["by_recipe"] for item in results.panel_missing)
    assert len(table) == results.dataset["n_sites"]


def test_the_quick_panel_says_what_it_does_without(study):
    results = run(rewrite(study, leave_out={"untrained/*": "no network"}, panel="quick"), study / "out")
    assert {each["encoder"] for each in results.encoders} == set(QUICK)
    missing = {item["name"]: item["reason"] for item in results.panel_missing}
    assert missing["untrained/resnet18@mixing=joint"] == "no network"
    assert missing["power-spectrum"] == "the quick panel, for a first look, does without it"


def test_a_baseline_with_a_name_of_its_own_is_under_test(study):
    """And is no baseline then: what it measures is asked of the panel's."""
    mystery = {"name": "Mystery", "encoder": "pixel-statistics", "truth": "histograms alone"}
    results = run(rewrite(study, encoders=[mystery]), study / "out")
    described = {each["encoder"]: each for each in results.encoders}
    assert not described["Mystery"]["baseline"]
    assert described["Mystery"]["truth"] == "histograms alone"
    assert described["pixel-statistics"]["baseline"]
    gains = results.comparisons.query("encoder == 'Mystery' and baseline == 'pixel-statistics'")
    assert len(gains) == 2 * 2
    assert np.allclose(gains["difference"], 0)


def test_a_recipe_cannot_leave_out_what_is_not_there_or_without_a_reason(study):
    with pytest.raises(
        RecipeError, match=r"no baseline 'pixel-statistic' in the panel; did you mean 'pixel-statistics'"
    ):
        run(rewrite(study, leave_out={"pixel-statistic": "why not"}), study / "out")
    with pytest.raises(RecipeError, match=r"leave_out.cell-count: string should have at least 1 character"):
        rewrite(study, leave_out={"cell-count": ""})


def test_a_trained_network_brings_its_random_twin(study):
    torch.manual_seed(7)
    save_file(timm.create_model("test_resnet", pretrained=False).state_dict(), study / "w.safetensors")
    trained = f"timm/test_resnet@weights={study / 'w.safetensors'}"
    results = run(rewrite(study, encoders=[trained]), study / "out")
    twins = [f"twin/timm/test_resnet@seed={seed}" for seed in (0, 1)]
    assert set(twins) <= set(results.scores.query("baseline")["encoder_id"])
    gained = results.comparisons.query("encoder == 'timm/test_resnet@weights=w'")
    assert "twin/timm/test_resnet" in set(gained["baseline"])
    left_out = {**dict.fromkeys(LEFT_OUT, "a quick test"), "twin/*": "no time"}
    without = run(rewrite(study, encoders=[trained], leave_out=left_out), study / "without")
    assert {"name": "twin/timm/test_resnet", "reason": "no time", "by_recipe": True} in without.panel_missing


def test_an_encoder_is_called_what_the_recipe_calls_it(study):
    torch.manual_seed(7)
    save_file(timm.create_model("test_vit", pretrained=False).state_dict(), study / "w.safetensors")
    model = f"timm/test_vit@weights={study / 'w.safetensors'}"
    left_out = {**dict.fromkeys(LEFT_OUT, "a quick test"), "random-convolutions": "a quick test"}
    asked = {"leave_out": left_out, "profiling": ["raw"], "tasks": [PROBE], "interventions": ["turn"]}
    recipe = rewrite(study, encoders=[{"name": "mine", "encoder": model}], sweep={"layers": [1]}, **asked)
    results = run(recipe, study / "out")
    assert (study / "out" / "embeddings" / "mine.h5ad").is_file()
    baselines = {"metadata", "pixel-statistics", "twin/timm/test_vit"}
    assert set(results.scores["encoder"]) == {"mine", *baselines}
    assert {verdict.encoder for verdict in results.verdicts if verdict.kind == "gain"} == {"mine"}
    assert {each.encoder for each in results.evidence.of(AfterIntervention)} == {"mine"}
    (layer,) = results.evidence.of(LayerChoice)
    assert layer.encoder == "mine"
    assert layer.chosen in ("mine", "mine@layer=1,pool=mean")
    assert "w.safetensors" not in (study / "out" / "card.md").read_text()


def test_no_path_is_shown_and_two_of_one_name_are_refused(study):
    models = [f"checkpoint:{study}/{folder}/run" for folder in "ab"]
    assert [each.name for each in rewrite(study, encoders=models[:1]).tested] == ["checkpoint:run"]
    with pytest.raises(RecipeError, match="two encoders are called 'checkpoint:run'"):
        rewrite(study, encoders=models)


def test_names_of_encoders_are_their_own(study):
    for name, said in (("cell-count", "is the name of another encoder"), ("a/b", "should match pattern")):
        with pytest.raises(RecipeError, match=said):
            rewrite(study, encoders=[{"name": name, "encoder": "timm/test_vit"}])
    with pytest.raises(RecipeError, match="two encoders are called 'mine'"):
        rewrite(study, encoders=[{"name": "mine", "encoder": f"timm/test_{kind}"} for kind in ("vit", "resnet")])


def test_encoders_are_asked_again_about_changed_pixels(study):
    torch.manual_seed(7)
    save_file(timm.create_model("test_resnet", pretrained=False).state_dict(), study / "w.safetensors")
    trained = f"timm/test_resnet@weights={study / 'w.safetensors'}"
    names = ["turn", "scramble-phases", "drop-channel:er"]
    recipe = rewrite(study, encoders=[trained], profiling=["raw"], interventions=names)
    found = run(recipe, study / "out").evidence.of(AfterIntervention)
    assert {each.intervention for each in found} == set(names)
    assert {each.encoder for each in found} == {"timm/test_resnet@weights=w"}
    assert (study / "out" / "interventions" / "drop-channel-er" / "quarantine.csv").is_file()
    assert np.isfinite([each.shift for each in found]).all()
    every = run(rewrite(study, encoders=[trained], profiling=["raw"], interventions="all"), study / "out")
    with pytest.raises(ImageError, match="no intervention 'drop-channel:mito'"):
        run(rewrite(study, encoders=[trained], interventions=["drop-channel:mito"]), study / "refused")
    assert not (study / "refused").exists()
    assert {"nuclei-only", "drop-channel:dna"} <= {each.intervention for each in every.evidence.of(AfterIntervention)}


def test_layers_are_swept_and_make_no_claims(study):
    torch.manual_seed(7)
    trained = {}
    for architecture in ("test_vit", "test_resnet"):
        file = study / f"{architecture}.safetensors"
        save_file(timm.create_model(architecture, pretrained=False).state_dict(), file)
        trained[architecture] = f"timm/{architecture}@weights={file}"
    recipe = rewrite(
        study,
        encoders=[*trained.values()],
        leave_out={**dict.fromkeys(LEFT_OUT, "a quick test"), "twin/*": "a quick test"},
        profiling=["raw"],
        tasks=[PROBE],
        sweep={"layers": [1, 3, 99], "pools": ["mean", "class"]},
    )
    results = run(recipe, study / "out")
    found = {choice.encoder: choice for choice in results.evidence.of(LayerChoice)}
    assert set(found) == {f"timm/{architecture}@weights={architecture}" for architecture in trained}
    # No network has a layer 99, and of these one has no class token.
    tried = {path.stem for path in (study / "out" / "sweep").glob("*.h5ad")}
    assert sum("test_vit" in name for name in tried) == 4
    assert sum("test_resnet" in name for name in tried) == 2
    scores = results.scores.set_index("encoder")["value"]
    for name, choice in found.items():
        assert choice.as_it_comes == pytest.approx(scores[name])
        assert choice.estimate.n_units == 64
        assert choice.chosen.startswith(name)
        assert choice.estimate.low <= choice.estimate.value <= choice.estimate.high
    assert not any("layer=" in name for name in results.scores["encoder"])
    kept = Results.load(study / "out").evidence.of(LayerChoice)
    assert repr(kept) == repr(results.evidence.of(LayerChoice))  # NaN is no equal of itself


def test_what_has_no_layers_to_choose_from_is_said(study):
    torch.manual_seed(7)
    save_file(timm.create_model("test_resnet", pretrained=False).state_dict(), study / "w.safetensors")
    chosen = f"timm/test_resnet@weights={study / 'w.safetensors'},layer=2"
    left_out = {**dict.fromkeys(LEFT_OUT, "a quick test"), "twin/*": "a quick test"}
    asked = {"encoders": [chosen], "leave_out": left_out, "profiling": ["raw"], "tasks": [PROBE]}
    (why,) = skipped_of(run(rewrite(study, **asked), study / "out"), "layers")
    assert "no layers were compared" in why.reason
    results = run(rewrite(study, **asked, sweep={}), study / "out")
    assert results.evidence.of(LayerChoice) == []
    (why,) = skipped_of(results, "layers")
    assert why.encoder == "timm/test_resnet@weights=w,layer=2"
    assert "no other layer or pooling of the network was scored" in why.reason


def test_a_sweep_that_cannot_be_is_refused(study):
    with pytest.raises(RecipeError, match=r"sweep.layers.*: input should be greater than or equal to 1, found 0"):
        rewrite(study, sweep={"layers": [0]})
    with pytest.raises(RecipeError, match=r"sweep.pools.0: input should be 'mean', 'class' or 'channels', found 'max'"):
        rewrite(study, sweep={"pools": ["max"]})
    with pytest.raises(RecipeError, match="a sweep over layers needs images"):
        rewrite(study, dataset={"tables": {"mine": {"file": "mine.csv"}}}, sweep={})


def test_an_oracle_stands_among_the_encoders_of_a_study(tmp_path):
    simulate_cells(tmp_path / "screen", plates=1, wells=48, size=64, channels=["dna"], workers=1)
    recipe = {
        "name": "phantom",
        "dataset": {"manifest": "screen/manifest.csv"},
        "encoders": ["oracle/intensity"],
        "leave_out": dict.fromkeys(["[!p]*", "power-spectrum"], "a quick test"),
        "embedding": {"workers": 0},
        "tasks": [{"task": "replicate-retrieval", "n_permutations": 100}],
    }
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    results = run(read_recipe(tmp_path / "recipe.yaml"), tmp_path / "out")
    assert set(results.scores["encoder"]) == {"oracle/intensity", "pixel-statistics"}
    assert results.comparisons["encoder"].tolist() == ["oracle/intensity"]
