"""Matrices of what each class is taken for: seeds add up, and encoders under test come before baselines."""

import pytest

from phenolens.report.confusions import MOST_CLASSES, confusions_by_task
from phenolens.report.scales import scale_over
from phenolens.report.scores import Row, TaskScores

TASK = "knn-probe:label|grouped by donor"
COUNTS = [[8, 2], [0, 0]]


def task(**baselines):
    """Return a task with encoders, of each of which is told whether it is a baseline; the best stands first."""
    rows = tuple(Row(name, is_baseline, ()) for name, is_baseline in baselines.items())
    words = ("kNN probe: label", "grouped by donor", "balanced accuracy", "donor")
    return TaskScores(TASK, *words, True, ("raw", "tvn"), rows, (), scale_over([0.5]), 2, "chance 0.5")


def record(encoder, counts=COUNTS, profiling="raw", classes=("a", "b")):
    return {"encoder": encoder, "profiling": profiling, "task": TASK, "classes": list(classes), "counts": counts}


def test_seeds_are_added_up_and_a_class_without_rows_has_no_shares():
    ((matrix,),) = confusions_by_task(
        [record("mine"), record("mine", [[2, 8], [0, 0]])], [task(mine=False)], {}
    ).values()
    assert matrix.classes == ("a", "b")
    assert matrix.counts == ((10, 10), (0, 0))
    assert matrix.shares == ((0.5, 0.5), (0.0, 0.0))


def test_encoders_under_test_are_shown_or_else_the_best_baseline():
    records = [record("mine"), record("counts"), record("pixels")]
    shown = confusions_by_task(records, [task(counts=True, mine=False, pixels=True)], {})[TASK]
    assert [each.encoder for each in shown] == ["mine"]
    shown = confusions_by_task(records, [task(pixels=True, counts=True)], {})[TASK]
    assert [each.encoder for each in shown] == ["pixels"]


def test_the_post_processing_is_the_one_that_is_shown():
    records = [record("mine"), record("mine", [[0, 5], [5, 0]], "tvn")]
    (matrix,) = confusions_by_task(records, [task(mine=False)], {TASK: "tvn"})[TASK]
    assert (matrix.profiling, matrix.counts) == ("tvn", ((0, 5), (5, 0)))


@pytest.mark.parametrize("n_classes", [MOST_CLASSES, MOST_CLASSES + 1])
def test_many_classes_are_left_out(n_classes):
    counts = [[1] * n_classes] * n_classes
    found = confusions_by_task([record("mine", counts, classes=map(str, range(n_classes)))], [task(mine=False)], {})
    assert (TASK in found) == (n_classes <= MOST_CLASSES)
