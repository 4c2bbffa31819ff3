"""What the commands that do no work cost: processor time and memory of each, in a process of its own.

Run with ``python benchmarks/startup.py``; writes ``results/startup.json``: the least user time of a few runs, since
whatever else runs on the machine can only add to it, and the peak memory of the last. Two libraries alone stand beside
them, for scale.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

RUNS = 5
RECIPE = {
    "name": "small",
    "dataset": {"manifest": "plates/manifest.csv"},
    "profiling": ["raw", "pca-centre-scale"],
    "tasks": [{"task": "replicate-retrieval"}, {"task": "knn-probe", "label": "perturbation", "level": "well"}],
}
REFERENCE = "import pandas, sklearn.base"  # what no recipe with a profiler can do without
COMMANDS = (
    "--help",
    "ls encoders",
    "ls tasks",
    "ls profilers",
    "ls datasets",
    "validate recipe.yaml",
    "validate plates/manifest.csv",
    "doctor",
)


def measure(command: str, folder: Path) -> dict[str, float]:
    """Run one command; return what it took."""
    return run([sys.executable, "-c", "from phenolens.cli import main; main()", *command.split()], folder)


def run(call: list[str], folder: Path) -> dict[str, float]:
    """Run a process; return what it took."""
    process = subprocess.Popen(call, cwd=folder, stdout=subprocess.DEVNULL)  # noqa: S603 - our own words
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"'{' '.join(call)}' failed")
    return {"cpu_s": round(usage.ru_utime, 2), "max_rss_mib": round(usage.ru_maxrss / 1024)}


def main() -> None:
    found = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # Not in this process: a child counts as its own peak what its parent held when it started.
        measure("simulate cells --out plates --plates 1 --wells 48 --size 64", folder)
        (folder / "recipe.yaml").write_text(yaml.safe_dump(RECIPE))
        # In turn, so that a busy minute of the machine falls on all alike.
        runs: dict[str, list[dict[str, float]]] = {}
        for _ in range(RUNS):
            runs.setdefault(REFERENCE, []).append(run([sys.executable, "-c", REFERENCE], folder))
            for command in COMMANDS:
                runs.setdefault(command, []).append(measure(command, folder))
        for command, taken in runs.items():
            found[command] = {**taken[-1], "cpu_s": min(each["cpu_s"] for each in taken)}
    out = Path(__file__).parent / "results" / "startup.json"
    out.write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
