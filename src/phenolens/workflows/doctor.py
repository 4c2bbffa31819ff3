"""Hardware, libraries and optional packages of this machine."""

import json
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from phenolens.core.errors import PhenolensError
from phenolens.embedding import default_workers

_EXTRAS = {
    "ray": "embedding on a cluster",
    "tiffslide": "whole-slide images",
}

# Torch is imported in a separate process, so that an import that crashes is reported.
_TORCH_SCRIPT = """
import json
import torch

capabilities = torch.cpu.get_capabilities()
gpus = [torch.cuda.get_device_properties(index) for index in range(torch.cuda.device_count())]
answer = {
    "threads": torch.get_num_threads(),
    "bf16": any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16")),
    "gpus": [f"{gpu.name}, {gpu.total_memory / 2**30:.0f} GiB" for gpu in gpus],
    "cuda": torch.cuda.is_available(),
}
print(json.dumps(answer))
"""


def examine() -> dict[str, str]:
    """Return what was found of hardware, libraries and optional packages, by name.

    Raises
    ------
    PhenolensError
        If torch cannot be loaded.
    """
    found_by_torch = _examine_torch()
    findings = {
        "phenolens": version("phenolens"),
        "python": platform.python_version(),
        "torch": version("torch"),
        "cores for reading": str(default_workers()),
        "torch threads": str(found_by_torch["threads"]),
        "bf16 on this CPU": "in hardware" if found_by_torch["bf16"] else "emulated, slower than fp32",
    }
    for index, gpu in enumerate(found_by_torch["gpus"]):
        findings[f"cuda:{index}"] = gpu
    if not found_by_torch["cuda"]:
        findings["GPU"] = "none found; networks run on the CPU"
    for package, purpose in _EXTRAS.items():
        try:
            findings[package] = f"{version(package)} ({purpose})"
        except PackageNotFoundError:
            findings[package] = f"not installed ({purpose})"
    return findings


def _examine_torch() -> dict[str, Any]:
    """Return threads, bf16 support and GPUs as torch reports them."""
    command = [sys.executable, "-c", _TORCH_SCRIPT]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own text
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise PhenolensError(f"torch cannot be loaded: {reason}; install it again, see https://pytorch.org")
    found: dict[str, Any] = json.loads(done.stdout)
    return found
