"""One source of randomness per run, spawned by name, so that order and caches change nothing."""

import hashlib

import numpy as np


def spawn(seed: int, *names: str) -> np.random.Generator:
    """Return the generator of the component called `names` under `seed`.

    Parameters
    ----------
    seed
        The run's seed.
    names
        What is to be drawn for: the same names give the same draws, whatever was drawn before.
    """
    digest = hashlib.sha256("\0".join(names).encode()).digest()
    return np.random.default_rng([seed, *np.frombuffer(digest[:16], np.uint32).tolist()])
