"""The first screen: what it says of encoders of which all is known, and the short names it says it with."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from made_up_study import FOUR, LONG, write_study

from phenolens.datasets import condition_names
from phenolens.diagnosis.evidence import Evidence
from phenolens.diagnosis.records import BaselineDifference, BestBaseline, MetricRange, WithoutShortcut
from phenolens.report import write_report
from phenolens.report.caveats import caveats
from phenolens.report.data_answers import bars, data_answer
from phenolens.report.encoder_cards import encoder_cards
from phenolens.report.headlines import headlines
from phenolens.report.names import short_names, with_short_names
from phenolens.report.neighbours import neighbour_panels, plate_images
from phenolens.report.plates import plate_maps
from phenolens.report.samples import read_samples, read_sheet
from phenolens.report.scores import task_scores


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return write_study(tmp_path_factory.mktemp("four"))


def cards_of(results):
    shown = headlines(results.evidence, task_scores(results.scores))
    return {card.encoder: card for card in encoder_cards(results, shown, {})}


@pytest.mark.parametrize(
    ("encoder", "words", "tone", "verdict"),
    [
        (LONG, ("Yes", "None of these", "Shape and texture", "Biology"), "good", "Sees what simple methods miss"),
        ("counts", ("No", "Cell count", "Density", "Biology"), "bad", "Mostly cell count"),
        (list(FOUR)[2], ("No", "Nothing to explain", "Acquisition", "Batch"), "bad", "its neighbours share the batch"),
        ("noise", ("No", "Nothing to explain", "Nothing surely", "Neither surely"), "bad", "No sign of biology"),
    ],
)
def test_the_answers_on_each_encoder_are_right(made, encoder, words, tone, verdict):
    card = cards_of(made)[encoder]
    assert tuple(answer.word for answer in card.answers) == words
    assert card.tone == tone
    assert verdict in card.verdict
    assert all(answer.sentence.endswith(".") for answer in card.answers)


def test_replicates_at_one_position_share_that_and_not_biology(made):
    records = []
    for each in made.evidence.records:
        is_count = isinstance(each, WithoutShortcut) and (each.encoder, each.shortcut) == ("counts", "cell count")
        records.append(replace(each, shortcut="position") if is_count else each)
    biology = cards_of(replace(made, evidence=Evidence(tuple(records))))["counts"].answers[-1]
    assert biology.word == "Position"
    assert "most of its score goes with the position" in biology.sentence


def test_pictures_show_the_numbers_of_the_records(made):
    beats, relies, encodes, biology = cards_of(made)["counts"].answers
    assert [line.value for line in beats.picture.lines] == ["unsure"] * 3
    assert {line.label: line.value for line in relies.picture.lines} == {
        "Cell count": "85%",
        "Intensity": "0%",
        "Position": "0%",
        "Plate": "0%",
    }
    assert [line.label for line in encodes.picture.lines if line.sure] == ["Density"]
    assert [line.value for line in biology.picture.lines] == ["70%", "70%"]
    # Chance stands at the left end and the ceiling at the right: 0.45 of 0.2 to 1 is 31 %.
    assert beats.picture.lines[0].at == pytest.approx(2.5 + 0.3125 * 95, abs=0.01)


def test_a_question_is_shown_under_the_post_processing_that_is_hardest_to_beat(made):
    records = []
    for each in made.evidence.records:
        is_harder = isinstance(each, MetricRange) and each.profiling == "tvn"
        records.append(replace(each, best_baseline_value=0.6) if is_harder else each)
    shown = headlines(Evidence(tuple(records)), task_scores(made.scores))
    assert {each.profiling for each in shown} == {"tvn"}
    assert {each.profiling for each in headlines(made.evidence, task_scores(made.scores))} == {"raw"}


def test_what_was_not_evaluated_is_said_to_be_so(made):
    kept = tuple(each for each in made.evidence.records if isinstance(each, BaselineDifference | MetricRange))
    card = cards_of(replace(made, evidence=Evidence(kept)))[LONG]
    assert [answer.word for answer in card.answers] == ["Yes", "Not tested", "Not tested", "Not tested"]


def test_data_that_cannot_tell_are_named_and_no_encoder_is_called_worse(made):
    records = []
    for each in made.evidence.records:
        if isinstance(each, MetricRange):
            records.append(replace(each, grade="cannot tell"))
        elif not isinstance(each, WithoutShortcut):
            records.append(each)
    weak = replace(made, evidence=Evidence(tuple(records)))
    shown = headlines(weak.evidence, task_scores(weak.scores))
    assert data_answer(shown).word == "No"
    assert cards_of(weak)["counts"].answers[0].word == "Cannot tell"
    first = caveats(weak, task_scores(weak.scores))[0]
    assert first.title == "The metric cannot tell encoders apart"


def test_without_an_encoder_under_test_the_bar_is_shown(made):
    best = [BestBaseline(each.task, each.profiling, "classical-features", 0.5, 0.2, ("cell-count",), 4)
            for each in made.evidence.of(MetricRange)]  # fmt: skip
    scores = made.scores[made.scores["baseline"]]
    alone = replace(made, scores=scores, evidence=Evidence((*best, *made.evidence.of(MetricRange))))
    found = bars(alone, headlines(alone.evidence, task_scores(alone.scores)))
    assert [each.word for each in found] == ["classical-features, 0.50"] * 3
    assert {line.label for line in found[0].picture.lines if line.sure} == {"classical-features", "cell-count"}


def test_caveats_stand_once(made):
    tasks = task_scores(made.scores)
    texts = [each.text for each in caveats(made, tasks)]
    assert sum("the layout is the same on each plate" in text.lower() for text in texts) == 1


@pytest.mark.parametrize(
    ("full", "short"),
    [
        ("timm/vit@weights=/a/b/last.ckpt", "timm/vit@weights=last.ckpt"),
        ("twin/timm/vit@weights=/a/b/last.ckpt", "twin/timm/vit@weights=last.ckpt"),
        ("checkpoint:C:\\runs\\one\\best.ckpt", "checkpoint:best.ckpt"),
        ("/data/tables/vectors.csv", "vectors.csv"),
        ("untrained/resnet18@mixing=joint", "untrained/resnet18@mixing=joint"),
        ("cell-graph/positions", "cell-graph/positions"),
    ],
)
def test_only_paths_are_cut(full, short):
    assert short_names([full]) == {full: short}


def test_short_names_stay_apart_and_no_path_is_left_in_sentences(made):
    names = ["checkpoint:/x/run1/seed0/last.ckpt", "checkpoint:/x/run2/seed0/last.ckpt", "checkpoint:/x/best.ckpt"]
    assert list(short_names(names).values()) == [
        "checkpoint:run1/seed0/last.ckpt",
        "checkpoint:run2/seed0/last.ckpt",
        "checkpoint:best.ckpt",
    ]
    shortened, full = with_short_names(made)
    assert full["timm/vit_small@weights=weights.safetensors"] == LONG
    assert not any("/projects/" in verdict.claim for verdict in shortened.verdicts)
    assert any("/projects/" in verdict.claim for verdict in made.verdicts)
    assert "/projects/" in shortened.provenance["recipe"]


def test_the_page_names_the_whole_path_only_where_it_is_asked_for(tmp_path):
    write_study(tmp_path)
    page = write_report(tmp_path).read_text()
    first_screen = page[page.index('<main id="main">') : page.index('id="beats"')]
    assert first_screen.count("/projects/") == 2  # the titles of two cards
    assert "/projects/" in page[page.index('id="provenance"') :].replace("<wbr>", "")


def test_neighbours_and_plates_show_what_the_vectors_hold(tmp_path):
    write_study(tmp_path, {"by plate": FOUR["noise"]})
    sheet = read_sheet(tmp_path)
    (sample,) = read_samples(tmp_path, [{"id": "by plate", "encoder": "by plate", "baseline": False}], sheet)
    plate = pd.factorize(sample.obs["plate"])[0]
    by_plate = replace(
        sample,
        vectors=np.eye(4, dtype=np.float32)[plate] + 0.01 * sample.vectors[:, :4],
        on_plates=(10.0 * plate[:, None] + sample.vectors[:, :4], sample.obs),
    )
    (panel,) = neighbour_panels([by_plate], sheet)
    assert {tile.shares for row in panel.rows for tile in row.nearest} <= {"plate", "same"}
    assert all(row.query.caption.split(" · ")[1] in tile.caption for row in panel.rows for tile in row.nearest)
    treatments = sorted(set(condition_names(sample.obs)))
    units = pd.DataFrame({"unit": treatments, "encoder": "by plate", "task": "one", "profiling": "raw"})
    units["value"] = [float(treatment == treatments[0]) for treatment in treatments]
    component, scores = plate_maps([by_plate], units, [("another", "raw"), ("one", "raw")])
    assert component.note == "first component, 99% of the variance"
    assert [len({well.colour for well in plate.wells}) for plate in component.plates] == [1] * 4
    bright = {well.title.partition(" ")[2] for plate in scores.plates for well in plate.wells if "1.000" in well.title}
    assert bright == {f"{treatments[0]}: 1.000"}
    assert "one, raw" in scores.note


def test_the_count_is_drawn_over_the_plates_and_units_that_are_not_on_them_are_not(tmp_path):
    write_study(tmp_path, {"counts": FOUR["noise"]})
    (sample,) = read_samples(tmp_path, [{"id": "counts", "encoder": "counts", "baseline": False}], read_sheet(tmp_path))
    units = pd.DataFrame({"unit": ["gene pair"], "encoder": "counts", "task": "one", "profiling": "raw", "value": 1.0})
    counted = replace(sample, baseline=True)
    (count,) = plate_maps([counted], units, [("one", "raw")])
    assert count.title == "Cell count"
    assert [each.title for each in plate_maps([sample], units, [("one", "raw")])] == ["counts"]


def test_images_of_each_plate_are_side_by_side(tmp_path):
    write_study(tmp_path, {"by plate": FOUR["noise"]})
    sheet = read_sheet(tmp_path)
    (sample,) = read_samples(tmp_path, [{"id": "by plate", "encoder": "by plate", "baseline": False}], sheet)
    assert [plate.plate for plate in plate_images([sample], sheet)] == ["plate 0", "plate 1", "plate 2"]
