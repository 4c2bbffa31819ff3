"""Fixtures that every test package shares."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_limits

from phenolens.metrics import cosine_similarity

ROOT = Path(__file__).resolve().parents[1]

# Folders of tests that `make test-fast` leaves out; the others mark their slow files and tests themselves.
SLOW_FOLDERS = ("simulation", "training", "integration")

# Test workers run side by side: more than one thread each would only make them wait for one another.
torch.set_num_threads(1)
threadpool_limits(1)  # two workers on two cores: more threads wait for each other


def pytest_collection_modifyitems(items):
    """Mark the tests of a slow folder by its name."""
    for item in items:
        folder = item.path.relative_to(ROOT / "tests").parts[0]
        if folder in SLOW_FOLDERS:
            item.add_marker(folder)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Return the folder of real data sets; without it, fail in CI and skip elsewhere, saying so."""
    folder = Path(os.environ.get("PHENOLENS_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        message = f"the real data sets are not at {folder}; set PHENOLENS_DATA to their folder"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return folder


@pytest.fixture(scope="session")
def clear_rows():
    """Return a function that finds the rows whose cosines tie exactly or differ by more than float32 could confuse."""

    def find(x):
        gaps = np.diff(np.sort(cosine_similarity(x), axis=1), axis=1)
        return np.flatnonzero(((gaps == 0) | (gaps > 1e-5)).all(axis=1))

    return find
