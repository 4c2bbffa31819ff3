"""What this machine can do."""

import platform
from importlib.metadata import PackageNotFoundError, version

import torch

from phenolens.embedding import default_workers

_EXTRAS = {
    "ray": "embedding on a cluster",
    "tiffslide": "whole-slide images",
}


def examine() -> dict[str, str]:
    """Return what was found of hardware, libraries and optional packages, by name."""
    findings = {
        "phenolens": version("phenolens"),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "cores for reading": str(default_workers()),
        "torch threads": str(torch.get_num_threads()),
        "bf16 on this CPU": "in hardware" if _has_bf16() else "emulated, slower than fp32",
    }
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        findings[f"cuda:{index}"] = f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB"
    if not torch.cuda.is_available():
        findings["GPU"] = "none found; networks run on the CPU"
    for package, purpose in _EXTRAS.items():
        try:
            findings[package] = f"{version(package)} ({purpose})"
        except PackageNotFoundError:
            findings[package] = f"not installed ({purpose})"
    return findings


def _has_bf16() -> bool:
    found = torch.cpu.get_capabilities()
    return any(found.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))
