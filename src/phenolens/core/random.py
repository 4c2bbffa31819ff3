"""Random generators by name, so that results do not depend on order or caches."""

import hashlib

import numpy as np


def spawn(seed: int, *names: str) -> np.random.Generator:
    """Return the random generator for `names` under `seed`.

    Parameters
    ----------
    seed
        The seed of the run.
    names
        What is drawn; the same names give the same draws, independent of earlier draws.
    """
    digest = hashlib.sha256("\0".join(names).encode()).digest()
    return np.random.default_rng([seed, *np.frombuffer(digest[:16], np.uint32).tolist()])
