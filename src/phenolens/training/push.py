"""Publish a checkpoint on the Hugging Face hub, to be used as ``checkpoint:hf/OWNER/NAME``."""

import json
from dataclasses import asdict
from pathlib import Path

from huggingface_hub import CommitOperationAdd, HfApi, ModelCardData
from huggingface_hub.errors import HfHubHTTPError, HFValidationError

from phenolens.core.errors import TrainingError, reason_of
from phenolens.nets import Card, read_card
from phenolens.training.callbacks import MODEL


def push(checkpoint: Path, repository: str, *, licence: str = "", private: bool = True) -> str:
    """Upload a checkpoint with its card, as JSON and as a README.

    The account is that of `hf auth login` or of the environment variable ``HF_TOKEN``.

    Parameters
    ----------
    checkpoint
        The .safetensors file, or the folder that holds ``model.safetensors``.
    repository
        ``OWNER/NAME``; it is created if it does not exist.
    licence
        The licence of the weights, such as ``cc-by-4.0``; that of the card if empty.
    private
        Whether a new repository is private.

    Returns
    -------
    The name of the encoder.

    Raises
    ------
    TrainingError
        If there is no checkpoint, its licence is not given, or the hub refuses it.
    """
    file = checkpoint / MODEL if checkpoint.is_dir() else checkpoint
    try:
        card = read_card(file)
    except ValueError as error:
        raise TrainingError(str(error)) from error
    licence = licence or card.licence
    if not licence:
        raise TrainingError(f"{file}: the recipe gives no licence of the weights; give one, such as cc-by-4.0")
    name = f"checkpoint:hf/{repository}"
    content = json.dumps({**asdict(card), "licence": licence}, indent=1)
    operations = [
        CommitOperationAdd(MODEL, str(file)),
        CommitOperationAdd("card.json", content.encode()),
        CommitOperationAdd("README.md", _page(card, name, licence).encode()),
    ]
    hub = HfApi()
    try:
        hub.create_repo(repository, private=private, exist_ok=True)
        hub.create_commit(repository, operations, commit_message=f"{card.architecture}, {card.steps} steps")
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        reason = reason_of(error)
        message = f"the hub refuses {repository} ({reason}); check the name, and log in: hf auth login"
        raise TrainingError(message) from error
    return name


def _page(card: Card, name: str, licence: str) -> str:
    data = ModelCardData(license=licence, library_name="phenolens", tags=["microscopy", card.architecture])
    return f"""---
{data.to_yaml()}
---
# {name.rpartition("/")[2]}

A {card.architecture.replace("-", " ")} for microscopy, trained for {card.steps:,} steps on crops of {card.crop} pixels.
Channels: {", ".join(card.channels)}.

```
phenolens embed manifest.csv --encoder {name}
```

## Recipe

```yaml
{card.recipe.strip()}
```
"""
