"""What there is, by name, with a line on each."""

from typing import Literal

from phenolens.encoders import list_encoders
from phenolens.tasks import TASKS

_DATASETS = {"cells": "a simulated fluorescence screen whose truth is known: phenolens simulate cells"}
_PROFILERS = {
    "raw": "wells as the mean of their sites, nothing more",
    "pca-centre-scale": "principal components, centred and scaled on each plate's negative controls",
    "tvn": "typical variation normalisation: each plate's controls centred and scaled, all whitened",
}


def catalogue(what: Literal["encoders", "datasets", "tasks", "profilers"]) -> dict[str, str]:
    """Return name -> one line on what it is."""
    if what == "encoders":
        return {
            f"{name}..." if name.endswith("/") else name: entry.summary + " (baseline)" * entry.baseline
            for name, entry in list_encoders().items()
        }
    if what == "tasks":
        return {name: task.contract.question for name, task in TASKS.items()}
    return _DATASETS if what == "datasets" else _PROFILERS
