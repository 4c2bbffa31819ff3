"""What docs/extending.md adds to a diagnosis works: from the record to the sentence and the page."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import redundancy
from anndata import AnnData
from numpy.testing import assert_allclose
from redundancy import REDUNDANCY, Redundancy, find_redundancy, redundant_share

from phenolens.diagnosis import diagnose, parts, rules
from phenolens.diagnosis.evidence import Evidence
from phenolens.evaluation import evaluate
from phenolens.report.tables import tables
from phenolens.tasks import make_task

GUIDE = Path(__file__).parents[2] / "docs" / "extending.md"


def test_the_metric_is_that_of_brute_force():
    x = np.random.default_rng(0).normal(size=(30, 6))
    x[:, 3], x[:, 5] = 2 * x[:, 1] - 1, 7.0
    repeated = 0
    for column in range(1, 5):
        r = [abs(np.corrcoef(x[:, column], x[:, earlier])[0, 1]) for earlier in range(column)]
        repeated += max(r) >= 0.99
    assert repeated == 1
    assert_allclose(redundant_share(x), repeated / 6)


@pytest.mark.parametrize(("share", "said"), [(0.6, ["60% of the features of mine nearly repeat another."]), (0.4, [])])
def test_the_rule(share, said):
    evidence = Evidence((Redundancy("mine", share),))
    assert [verdict.claim for verdict in REDUNDANCY.verdicts(evidence)] == said


def test_a_part_and_its_rule_reach_the_card_and_the_page(monkeypatch):
    monkeypatch.setattr("phenolens.diagnosis.card.PARTS", (*parts.PARTS, find_redundancy))
    monkeypatch.setattr(rules, "RULES", (REDUNDANCY, *rules.RULES))
    rng = np.random.default_rng(0)
    obs = pd.DataFrame({"perturbation": np.repeat(list("abcdefgh"), 4)}, index=[f"w{i}" for i in range(32)])
    once = rng.normal(size=(32, 3))
    card = diagnose(evaluate({"mine": AnnData(np.hstack([once, once]), obs=obs)}, [QUESTION]))
    assert card.verdicts[0].claim == "50% of the features of mine nearly repeat another."
    again = Evidence.from_dict(card.evidence.as_dict())
    assert again.of(Redundancy) == [Redundancy("mine", 0.5)]
    (table,) = tables(again)["further"]
    assert table.title.startswith("How many features of an encoder nearly repeat another")
    assert [cell.text for cell in table.rows[0]] == ["mine", "0.50"]


QUESTION = make_task("replicate-retrieval", measures="distinctiveness", n_permutations=20)


def test_the_guide_shows_the_code_that_is_tested():
    source = Path(redundancy.__file__).read_text()
    blocks = re.findall(r"```python\n(.*?)```", GUIDE.read_text().split("## Add to a diagnosis")[1], flags=re.DOTALL)
    assert len(blocks) >= 4
    for block in blocks:
        assert block in source, block
