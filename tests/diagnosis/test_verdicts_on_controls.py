"""How many perturbations are told from controls."""

import numpy as np
from judged import answer, verdicts


def test_activity_is_said_of_what_is_under_test(values):
    p = np.where(np.arange(60) < 13, 0.001, 0.6)
    found = verdicts(answer("mine", values - 0.2, p=p), answer("cell-count", values, p=np.append(p[1:], 0.6)))
    (said,) = [v for v in found if v.kind == "activity"]
    assert said.encoder == "mine"
    assert "tells 13 of 60 perturbations from controls" in said.claim
    assert "the best baseline, cell-count, 12." in said.claim


def test_activity_is_controlled_over_all_encoders_under_test(values):
    def active(*names):
        answers = [answer(name, values, p=0.03) for name in names]
        return [v.effect for v in verdicts(*answers, answer("cell-count", values)) if v.kind == "activity"]

    assert active("mine") == [1.0]
    assert active("mine", "yours") == [0.0, 0.0]


def test_activity_is_not_lent_by_others(values):
    own = (np.arange(60) + 0.5) / 60  # beside so many discoveries of others, two of these would pass for some
    others = [answer(name, values, p=0.0005) for name in ("cell-count", "well-position", "pixel-statistics")]
    (said,) = [v for v in verdicts(answer("mine", values, p=own), *others) if v.kind == "activity"]
    assert "mine tells 0 of 60" in said.claim


def test_too_few_controls_are_said_instead_of_no_activity(values):
    few = {"": {"least_p_adjusted": 0.1}}
    found = verdicts(answer("mine", values, p=0.1, details=few), answer("cell-count", values))
    (said,) = [v for v in found if v.kind == "activity"]
    assert "none of 60 perturbations can be told from controls" in said.claim
    assert "no adjusted p value falls below 0.1" in said.claim


def test_activity_counts_discoveries(values):
    p = np.where(np.arange(60) < 13, 0.01, 0.6)
    (activity,) = [v for v in verdicts(answer("cell-count", values, p=p)) if v.kind == "activity"]
    assert "tells 13 of 60 perturbations from controls" in activity.claim
