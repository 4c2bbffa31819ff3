"""Values that answers are made of."""

import numpy as np
import pytest


@pytest.fixture
def values():
    return np.random.default_rng(0).uniform(0.3, 0.7, 60)
