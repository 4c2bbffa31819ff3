"""What the commands that do no work cost: processor time and memory of each, in a process of its own.

Run with ``python benchmarks/startup.py``; writes ``results/startup.json``: the least user time of a few runs, since
whatever else runs on the machine can only add to it, and the peak memory of the last.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

RUNS = 3
RECIPE = {
    "name": "small",
    "dataset": {"manifest": "plates/manifest.csv"},
    "profiling": ["raw", "pca-centre-scale"],
    "tasks": [{"task": "replicate-retrieval"}, {"task": "knn-probe", "label": "perturbation", "level": "well"}],
}
COMMANDS = ("--help", "ls encoders", "validate recipe.yaml")


def measure(command: str, folder: Path) -> dict[str, float]:
    """Run one command; return what it took."""
    call = [sys.executable, "-c", "from phenolens.cli import main; main()", *command.split()]
    process = subprocess.Popen(call, cwd=folder, stdout=subprocess.DEVNULL)  # noqa: S603 - our own words
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"'{command}' failed")
    return {"cpu_s": round(usage.ru_utime, 2), "max_rss_mib": round(usage.ru_maxrss / 1024)}


def main() -> None:
    found = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # Not in this process: a child counts as its own peak what its parent held when it started.
        measure("simulate cells --out plates --plates 1 --wells 48 --size 64", folder)
        (folder / "recipe.yaml").write_text(yaml.safe_dump(RECIPE))
        for command in COMMANDS:
            runs = [measure(command, folder) for _ in range(RUNS)]
            found[command] = {**runs[-1], "cpu_s": min(run["cpu_s"] for run in runs)}
    out = Path(__file__).parent / "results" / "startup.json"
    out.write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
