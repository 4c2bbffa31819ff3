"""What the data do not allow is left out of the card, which says why."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from phenolens.core.errors import TaskNotApplicable
from phenolens.diagnosis import diagnose
from phenolens.evaluation import evaluate
from phenolens.tasks import make_task

pytestmark = pytest.mark.integration

CONTROLS = make_task("replicate-retrieval", n_permutations=50)
OTHERS = make_task("replicate-retrieval", against="others", n_permutations=50)


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


def test_without_an_answer_there_is_no_card_and_it_is_said_why():
    embeddings = wells(controls=0)
    evaluation = evaluate(embeddings, [CONTROLS])
    with pytest.raises(TaskNotApplicable, match=r"no question could be answered: .*control"):
        diagnose(evaluation)


def test_without_controls_the_rest_is_asked():
    evaluation, card = card_of(wells(controls=0), CONTROLS, OTHERS)
    assert {item.task for item in evaluation.skipped} == {CONTROLS.id}
    assert {row.task for row in card.evidence.comparisons.itertuples()} == {OTHERS.id}
    assert set(card.evidence.shortcuts["way"]) == {"regressed out", "matched", "left out"}
    assert any(verdict.kind == "gain" for verdict in card.verdicts)


def test_with_one_plate_nothing_is_said_about_plates():
    _, card = card_of(wells(plates=1), CONTROLS, OTHERS)
    assert card.evidence.nuisances.empty
    assert card.evidence.not_asked["nuisance"] == "all rows have one plate"
    assert card.evidence.not_asked["plate, left out"] == "all rows have one plate"
    assert "plate" not in set(card.evidence.shortcuts["shortcut"])


def test_vectors_without_images_are_not_changed_and_have_no_layers():
    _, card = card_of(wells(), OTHERS)
    assert "no image was changed" in card.evidence.not_asked["interventions"]
    assert "none were swept" in card.evidence.not_asked["layers"]
    assert "no baseline that" not in card.evidence.not_asked.get("levels", "")  # cells were counted
    assert "nobody has measured it" in card.evidence.not_asked["intensity, regressed out or matched"]
    assert card.evidence.not_asked["texture"] == "nobody has measured it; the baseline classical-features would"
    assert "density" not in card.evidence.not_asked
    assert not any("beyond all other levels" in verdict.claim for verdict in card.verdicts)


@pytest.mark.parametrize("name", ["mine", "cell-count"])
def test_one_encoder_alone_makes_a_card(name):
    embeddings = wells()
    _, card = card_of({name: embeddings[name]}, OTHERS)
    assert card.verdicts
    assert card.evidence.pairs.empty
    if name == "cell-count":
        assert card.evidence.not_asked["shortcuts"] == "no encoder is under test"


def test_other_questions_are_told_from_those_that_shortcuts_can_be_taken_from():
    embeddings = wells()
    moa = {f"t{i}": f"m{i // 4}" for i in range(20)}
    for own in embeddings.values():
        own.obs["moa"] = own.obs["perturbation"].map(moa)
    consistency = make_task("phenotypic-consistency", label="moa", n_permutations=50)
    _, card = card_of(embeddings, consistency, OTHERS)
    assert card.evidence.not_asked[f"matched, or left out of {consistency.id}"] == (
        "only retrieval and probes can be asked so"
    )
    assert set(card.evidence.shortcuts.query("way == 'regressed out'")["task"]) == {consistency.id, OTHERS.id}


def test_a_constant_encoder_is_named_and_the_card_goes_on():
    embeddings = wells()
    embeddings["yours"].X[:] = 1.0
    _, card = card_of(embeddings, CONTROLS, OTHERS)
    assert card.verdicts[0].kind == "degenerate"
    assert card.verdicts[0].encoder == "yours"
    beaten = [v.claim for v in card.verdicts if v.kind == "pair" and v.task]
    assert beaten
    assert all("mine beats yours" in claim for claim in beaten)


def test_a_baseline_that_lacks_wells_does_not_stop_the_card():
    embeddings = wells()
    counted = embeddings["cell-count"][5:].copy()
    _, card = card_of({"cell-count": counted, "mine": embeddings["mine"]}, OTHERS)
    assert set(card.evidence.levels["level"]) == {"density"}
    assert set(card.evidence.levels["rows"]) == {len(counted)}
    _, turned = card_of({"mine": embeddings["mine"], "cell-count": counted}, OTHERS)
    assert set(turned.evidence.levels["rows"]) == {len(counted)}


def test_encoders_are_asked_of_the_rows_that_all_have():
    embeddings = wells(n=40)
    few = embeddings["mine"][::3].copy()
    evaluation, card = card_of({"mine": few, "yours": embeddings["yours"]}, OTHERS)
    alone = evaluate({"yours": embeddings["yours"][::3].copy()}, [OTHERS])
    (own,) = [each for each in evaluation.scores if each.encoder == "yours"]
    assert own.score.value == alone.scores[0].score.value
    total = embeddings["yours"].n_obs
    assert f"{total - few.n_obs} of {total} rows that not all encoders have are left out" in own.score.caveat
    assert len(card.evidence.pairs) == 1


def test_the_whole_card_is_of_the_rows_that_all_have():
    embeddings = wells(n=40)
    few = embeddings["mine"].obs_names[::2]
    ragged = embeddings | {"untrained/resnet18@seed=0": embeddings["mine"][few].copy()}
    _, found = card_of(ragged, OTHERS)
    _, expected = card_of({name: own[few].copy() for name, own in ragged.items()}, OTHERS)
    for part in ("comparisons", "pairs", "shortcuts", "nuisances", "levels", "metrics", "strata", "efficiency"):
        own, other = (getattr(card.evidence, part) for card in (found, expected))
        caveats = [column for column in ("caveat",) if column in own]
        pd.testing.assert_frame_equal(own.drop(columns=caveats), other.drop(columns=caveats))


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
    (row,) = by_source.evidence.levels.to_dict("records")
    assert (row["rows"], row["known"]) == (100, False)
    assert by_row.evidence.levels["known"].all()  # copies on both sides of a fold
