"""What the tests of profilers share."""

import numpy as np
import pytest


@pytest.fixture(scope="session")
def plates():
    """Return a function that makes profiles, the mask of controls, and batches."""

    def make(rng, n_controls=200, n_treated=50, d=6):
        """Two plates with an offset and a scale of their own, correlated features, and an effect."""
        batch = np.repeat(["p1", "p2"], n_controls + n_treated)
        controls = np.tile(np.arange(n_controls + n_treated) < n_controls, 2)
        x = rng.normal(size=(len(batch), d)) @ rng.normal(size=(d, d))
        x[~controls] += 3
        x[batch == "p2"] = 2 * x[batch == "p2"] + 100
        return x, controls, batch

    return make
