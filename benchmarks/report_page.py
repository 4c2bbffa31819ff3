"""What the report costs: 6 encoders, 20,000 profiles each, 300 thumbnails.

Run with ``python benchmarks/report_page.py``; writes ``results/report_page.json``: the time to write the page and its
processor time (others may use the machine), its size, and where Playwright and Chromium are there the time to the first
paint, the time to draw the map once, and what the console said.
"""

import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests" / "report"))

N_SITES, DIM, N_THUMBNAILS, N_UNITS = 20_000, 384, 300, 300
_PAINT = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
_DRAW = """() => {
  const select = document.querySelector('.map-column');
  const start = performance.now();
  select.dispatchEvent(new Event('change'));
  return performance.now() - start;
}"""


def measure(folder: Path) -> dict[str, Any]:
    from made_up_study import FOUR, Made, write_study

    from phenolens.report import write_report

    encoders = FOUR | {f"encoder {number}": Made(0.6, beats=True, concepts=("shape",)) for number in (5, 6)}
    write_study(folder, encoders, n_sites=N_SITES, dim=DIM, n_thumbnails=N_THUMBNAILS, n_units=N_UNITS)
    wall, used = time.perf_counter(), cpu_time()
    page = write_report(folder)
    found: dict[str, Any] = {
        "encoders": len(encoders),
        "profiles": N_SITES,
        "thumbnails": N_THUMBNAILS,
        "build_s": round(time.perf_counter() - wall, 1),
        "build_cpu_s": round(cpu_time() - used, 1),
        "size_mib": round(page.stat().st_size / 2**20, 1),
    }
    return found | paint(page)


def cpu_time() -> float:
    """Return the processor time of this process and of those that it has started."""
    return sum(os.times()[:4])


def paint(page: Path) -> dict[str, Any]:
    """Return what a browser takes and says, the least of a few runs; nothing where there is none."""
    chromium = shutil.which("chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return {}
    if chromium is None:
        return {}
    paints, draws, said = [], [], []
    with sync_playwright() as running:
        browser = running.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for _ in range(3):
            opened = browser.new_page(viewport={"width": 1400, "height": 900})
            opened.on("console", lambda message: said.append(message.text))
            opened.goto(page.as_uri())
            paints.append(opened.evaluate(_PAINT) / 1000)
            draws.append(opened.evaluate(_DRAW))
            opened.close()
        browser.close()
    return {"first_paint_s": round(min(paints), 2), "map_drawn_ms": round(min(draws), 1), "console": said}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder))
    (HERE / "results" / "report_page.json").write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found))
