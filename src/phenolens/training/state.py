"""The state of a training run on disk, which is read only where it is whole and fits."""

from pathlib import Path
from zipfile import ZIP_STORED, ZipFile

import torch
from torch import nn

from phenolens.core.errors import TrainingError, reason_of

STATE = "state.ckpt"


def read_steps(path: Path, objective: nn.Module, steps: int) -> int:
    """Return the number of steps after which a state was saved, 0 if there is none.

    Parameters
    ----------
    path
        The file.
    objective
        What is trained.
    steps
        The number of steps of the run.

    Raises
    ------
    TrainingError
        If it is damaged, or the state of another network or of a shorter run.
    """
    if not path.is_file():
        return 0
    try:
        _check_whole(path)
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        missing = {"loops", "optimizer_states", "lr_schedulers", "state_dict"} - set(state)
        if missing:
            raise ValueError(f"it lacks {' and '.join(sorted(missing))}")
        done, planned = state["global_step"], state["lr_schedulers"][0]["total_steps"]
        if not isinstance(done, int) or not isinstance(planned, int) or done < 0:
            raise ValueError("it does not say after which step it was saved")
        found = {name: tuple(value.shape) for name, value in state["state_dict"].items()}
    except Exception as error:  # what damaged content leads to is not limited to any type
        raise bad_state(path, reason_of(error)) from error
    expected = {name: tuple(value.shape) for name, value in objective.state_dict().items()}
    for name in sorted({*found, *expected}):
        if found.get(name) != expected.get(name):
            raise bad_state(path, f"it is the state of another network, which differs in '{name}'")
    if planned < steps:
        raise bad_state(path, f"it is the state of a run of {planned} steps, not of {steps}")
    return done


def bad_state(path: Path, reason: str) -> TrainingError:
    """Return the error of a state that training cannot go on from."""
    return TrainingError(
        f"{path}: training cannot go on from this state: {reason}; delete it to start again, or choose another folder"
    )


def _check_whole(path: Path) -> None:
    """Refuse a state whose parts do not have their checksums, or are not stored as they are."""
    with ZipFile(path) as archive:
        if any(part.compress_type != ZIP_STORED for part in archive.infolist()):
            raise ValueError("its parts are compressed")
        damaged = archive.testzip()
    if damaged is not None:
        raise ValueError(f"its part '{damaged}' is damaged")
