"""Diagnoses of made-up scores, of which there are no vectors."""

import pytest

from phenolens.diagnosis.parts.differences import compare


@pytest.fixture
def scores_alone(monkeypatch):
    """Let encoders be compared without vectors, of which other controls would change the scores."""
    monkeypatch.setattr(compare, "probes_without_controls", lambda _: {})
