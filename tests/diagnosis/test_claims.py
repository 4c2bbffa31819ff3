"""False claims are controlled over the whole card."""

import numpy as np
import pytest
from judged import answer, verdicts

from phenolens.tasks import make_task


def test_two_equal_encoders_are_rarely_called_different():
    rng = np.random.default_rng(3)
    called = 0
    for _ in range(200):
        truth = rng.uniform(0.3, 0.7, 40)
        one, other = (truth + rng.normal(0, 0.1, 40) for _ in range(2))
        (gain,) = [v for v in verdicts(answer("mine", one), answer("cell-count", other)) if v.kind == "gain"]
        called += "cannot be told" not in gain.claim
    assert called / 200 <= 0.08


def test_an_equal_of_many_baselines_rarely_falls_short_of_the_best_of_them():
    rng = np.random.default_rng(8)
    said = []
    for _ in range(60):
        truth = rng.uniform(0.3, 0.7, 40)
        own = [truth + rng.normal(0, 0.1, 40) for _ in range(13)]
        names = ["mine", *(f"untrained/net{number}" for number in range(12))]
        said += [v for v in verdicts(*map(answer, names, own)) if v.kind == "gain"]
    assert sum("falls short" in v.claim for v in said) <= 4
    assert np.mean([v.effect < 0 for v in said]) > 0.8  # the best of many looks better than its equals


def test_better_than_another_below_chance_is_no_win():
    rng = np.random.default_rng(9)
    found = verdicts(
        answer("mine", rng.normal(0.09, 0.01, 60)),
        answer("yours", rng.normal(0.05, 0.01, 60)),
        answer("cell-count", rng.normal(0.02, 0.01, 60)),
    )
    claims = [v.claim for v in found if v.kind in ("gain", "pair")]
    assert len(claims) == 3
    for claim in claims:
        assert " cannot be ranked with " in claim
        assert "neither can be told from chance" in claim


def test_false_claims_are_controlled_over_the_whole_card():
    rng = np.random.default_rng(5)
    truth = rng.uniform(0.3, 0.7, 40)
    questions = [make_task("linear-probe", label=f"kind{number}", group="movie") for number in range(20)]
    called = 0
    for _ in range(5):
        answers = [
            answer(name, truth + rng.normal(0, 0.1, 40), task) for task in questions for name in ("mine", "cell-count")
        ]
        called += any("cannot be told" not in verdict.claim for verdict in verdicts(*answers) if verdict.kind == "gain")
    assert called <= 1  # 20 questions each: without the adjustment nearly every card would claim something


def test_few_units_support_no_claim():
    found = verdicts(answer("mine", np.full(5, 0.9)), answer("cell-count", np.full(5, 0.1)))
    (gain,) = [verdict for verdict in found if verdict.kind == "gain"]
    assert "cannot be told from" in gain.claim
    assert gain.p_adjusted == pytest.approx(2 / 32)
