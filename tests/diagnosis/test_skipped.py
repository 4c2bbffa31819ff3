"""What the data do not allow is left out of the card, which says why."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from phenolens.core.errors import TaskNotApplicable
from phenolens.core.json import strict_json
from phenolens.diagnosis import diagnose
from phenolens.diagnosis.records import (
    BaselineDifference,
    BiologyBesideNuisance,
    ConceptScore,
    EncoderDifference,
    WithoutShortcut,
)
from phenolens.evaluation import evaluate
from phenolens.tasks import make_task

pytestmark = pytest.mark.integration

CONTROLS = make_task("replicate-retrieval", n_permutations=50)
OTHERS = make_task("replicate-retrieval", measures="distinctiveness", n_permutations=50)


def wells(plates=2, controls=8, n=20):
    """Return two encoders of a screen, and the counts of its cells."""
    rng = np.random.default_rng(0)
    names = [*(f"t{i}" for i in range(n)), *["dmso"] * controls]
    rows = [
        (f"p{plate}", f"{'ABCDEFGH'[i // 12]}{i % 12 + 1:02d}", name)
        for plate in range(plates)
        for i, name in zip(rng.permutation(2 * len(names)), names * 2, strict=True)
    ]
    obs = pd.DataFrame(rows, columns=["plate", "well", "perturbation"])
    obs.index = [f"w{i}" for i in range(len(obs))]
    if controls:
        obs["role"] = np.where(obs["perturbation"] == "dmso", "negative_control", "treatment")
    effect = pd.DataFrame(rng.normal(size=(n + 1, 4)), index=[*names[:n], "dmso"]).loc[obs["perturbation"]].to_numpy()
    truth = effect + rng.normal(size=effect.shape)
    count = AnnData(np.round(50 + 5 * truth[:, :1]), obs=obs, var=pd.DataFrame(index=["nuclei_count"]))
    seen = {name: truth @ rng.normal(size=(4, 8)) + rng.normal(size=(len(obs), 8)) for name in ("mine", "yours")}
    return {name: AnnData(x.astype("f4"), obs=obs) for name, x in seen.items()} | {"cell-count": count}


def card_of(embeddings, *tasks):
    evaluation = evaluate(embeddings, list(tasks))
    return evaluation, diagnose(evaluation)


def skipped(card, part, what=""):
    """Return the reasons for which something of a part was skipped."""
    return [each.reason for each in card.evidence.skipped if (each.part, each.what) == (part, what)]


def test_without_an_answer_there_is_no_card_and_it_is_said_why():
    embeddings = wells(controls=0)
    evaluation = evaluate(embeddings, [CONTROLS])
    with pytest.raises(TaskNotApplicable, match=r"no question could be answered: .*control"):
        diagnose(evaluation)


def test_without_controls_the_rest_is_asked():
    evaluation, card = card_of(wells(controls=0), CONTROLS, OTHERS)
    assert {item.task for item in evaluation.skipped} == {CONTROLS.id}
    assert {each.task for each in card.evidence.of(BaselineDifference)} == {OTHERS.id}
    assert {each.way for each in card.evidence.of(WithoutShortcut)} == {"regressed out", "matched", "left out"}
    assert any(verdict.kind == "gain" for verdict in card.verdicts)


def test_with_one_plate_nothing_is_said_about_plates():
    _, card = card_of(wells(plates=1), CONTROLS, OTHERS)
    assert not card.evidence.of(BiologyBesideNuisance)
    assert skipped(card, "nuisance", "plate") == ["all rows have one plate"]
    assert set(skipped(card, "shortcuts", "plate, left out")) == {"all rows have one plate"}
    assert "plate" not in {each.shortcut for each in card.evidence.of(WithoutShortcut)}


def test_vectors_without_images_are_not_changed_and_have_no_layers():
    _, card = card_of(wells(), OTHERS)
    assert skipped(card, "interventions") == ["no image was changed; add `interventions: all` to the recipe"]
    assert skipped(card, "layers") == ["no layers were compared; add `sweep` to the recipe"]
    assert skipped(card, "concepts") == []  # cells were counted
    assert skipped(card, "shortcuts", "intensity, regressed out or matched") == [
        "not measured; the baseline pixel-statistics would measure it"
    ]
    assert skipped(card, "concepts", "texture") == ["it was not measured; add the baseline classical-features"]
    assert skipped(card, "concepts", "density") == []
    assert not any("beyond all other concepts" in verdict.claim for verdict in card.verdicts)


@pytest.mark.parametrize("name", ["mine", "cell-count"])
def test_one_encoder_alone_makes_a_card(name):
    embeddings = wells()
    _, card = card_of({name: embeddings[name]}, OTHERS)
    assert card.verdicts
    assert not card.evidence.of(EncoderDifference)
    if name == "cell-count":
        assert skipped(card, "shortcuts") == ["no encoder is under test"]


def test_other_questions_are_told_from_those_that_shortcuts_can_be_taken_from():
    embeddings = wells()
    moa = {f"t{i}": f"m{i // 4}" for i in range(20)}
    for vectors in embeddings.values():
        vectors.obs["moa"] = vectors.obs["perturbation"].map(moa)
    consistency = make_task("phenotypic-consistency", label="moa", n_permutations=50)
    _, card = card_of(embeddings, consistency, OTHERS)
    (restricted,) = [each for each in card.evidence.skipped if each.what == "matched, or left out"]
    assert (restricted.part, restricted.task) == ("shortcuts", consistency.id)
    regressed_out = [each.task for each in card.evidence.of(WithoutShortcut) if each.way == "regressed out"]
    assert set(regressed_out) == {consistency.id, OTHERS.id}


def test_a_constant_encoder_is_named_and_the_card_goes_on():
    embeddings = wells()
    embeddings["yours"].X[:] = 1.0
    _, card = card_of(embeddings, CONTROLS, OTHERS)
    assert card.verdicts[0].kind == "collapse"
    assert card.verdicts[0].encoder == "yours"
    beaten = [v.claim for v in card.verdicts if v.kind == "difference"]
    assert beaten
    assert all("mine beats yours" in claim for claim in beaten)


def test_a_baseline_that_lacks_wells_does_not_stop_the_card():
    embeddings = wells()
    counted = embeddings["cell-count"][5:].copy()
    _, card = card_of({"cell-count": counted, "mine": embeddings["mine"]}, OTHERS)
    assert {each.concept for each in card.evidence.of(ConceptScore)} == {"density"}
    assert {each.estimate.n_units for each in card.evidence.of(ConceptScore)} == {len(counted)}
    _, turned = card_of({"mine": embeddings["mine"], "cell-count": counted}, OTHERS)
    assert {each.estimate.n_units for each in turned.evidence.of(ConceptScore)} == {len(counted)}


def test_encoders_are_asked_of_the_rows_that_all_have():
    embeddings = wells(n=40)
    few = embeddings["mine"][::3].copy()
    evaluation, card = card_of({"mine": few, "yours": embeddings["yours"]}, OTHERS)
    alone = evaluate({"yours": embeddings["yours"][::3].copy()}, [OTHERS])
    (yours,) = [each for each in evaluation.scores if each.encoder == "yours"]
    assert yours.score.value == alone.scores[0].score.value
    total = embeddings["yours"].n_obs
    assert f"{total - few.n_obs} of {total} rows are left out, since some encoder lacks them" in yours.score.caveat
    assert len(card.evidence.of(EncoderDifference)) == 1


def test_the_whole_card_is_of_the_rows_that_all_have():
    embeddings = wells(n=40)
    few = embeddings["mine"].obs_names[::2]
    ragged = embeddings | {"untrained/resnet18@seed=0": embeddings["mine"][few].copy()}
    _, found = card_of(ragged, OTHERS)
    _, expected = card_of({name: vectors[few].copy() for name, vectors in ragged.items()}, OTHERS)
    assert found.evidence.tables().keys() == expected.evidence.tables().keys()
    # As JSON: there NaN equals NaN.
    assert strict_json(found.evidence.as_dict()["records"]) == strict_json(expected.evidence.as_dict()["records"])


def test_of_copies_of_one_source_one_is_asked_what_it_knows():
    rng = np.random.default_rng(0)
    source = np.repeat(np.arange(100), 4)
    kind = np.where(source % 2, "a", "b")
    obs = pd.DataFrame({"source": source.astype(str), "label": kind}, index=[f"r{i}" for i in range(400)])
    count = AnnData(
        np.exp(3 + 0.3 * rng.normal(size=(100, 1)))[source], obs=obs, var=pd.DataFrame(index=["nuclei_count"])
    )
    recognises = rng.normal(size=(100, 80))[source] + 0.1 * rng.normal(size=(400, 80))  # each source, and no count
    embeddings = {"mine": AnnData(recognises, obs=obs), "cell-count": count}
    _, by_source = card_of(embeddings, make_task("ridge-probe", label="label", group="source"))
    _, by_row = card_of(embeddings, make_task("ridge-probe", label="label"))
    (density,) = by_source.evidence.of(ConceptScore)
    assert (density.estimate.n_units, density.encoding) == (100, "not detected")
    (density,) = by_row.evidence.of(ConceptScore)
    assert density.encoding == "encoded"  # copies on both sides of a fold
