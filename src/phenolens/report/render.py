"""One folder of results in, one self-contained HTML page out."""

import base64
import hashlib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from phenolens.core import numbers
from phenolens.core.files import write_whole
from phenolens.diagnosis.records import AfterIntervention, BaselineDifference
from phenolens.report import leftovers, text
from phenolens.report.card_page import card_page
from phenolens.report.caveats import caveats
from phenolens.report.comparisons import matrices
from phenolens.report.confusions import confusions_by_task
from phenolens.report.data_answers import bars, data_answer
from phenolens.report.embedding_map import EmbeddingMaps, embedding_maps, perplexity_note
from phenolens.report.encoder_cards import EncoderCard, encoder_cards
from phenolens.report.examples import AS_IT_IS, CHANGED
from phenolens.report.headlines import headlines
from phenolens.report.names import with_short_names
from phenolens.report.neighbours import neighbour_panels, plate_images
from phenolens.report.pages import pages, sentences_by_task
from phenolens.report.plates import plate_maps
from phenolens.report.results import Results
from phenolens.report.samples import read_samples, read_sheet
from phenolens.report.scores import mark_title, parts_by_task, task_scores
from phenolens.report.section_figures import section_figures
from phenolens.report.summary import facts, findings, scope
from phenolens.report.tables import NAVIGATION, SECTIONS, tables
from phenolens.report.units import task_units

_PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Example:
    """An example image, or why it cannot be shown."""

    caption: str
    source: str
    problem: str


def write_report(folder: Path) -> Path:
    """Write ``report.html``, and the card alone as ``card.md``, into a results folder.

    The page needs nothing but itself: the script, the style, the data and the images are inside, and a
    content security policy forbids it to load anything or to run a script that is not its own. The same
    results give the same bytes.

    Parameters
    ----------
    folder
        A folder that :meth:`phenolens.report.Results.save` wrote to, with ``embeddings/*.h5ad`` if a map
        is wanted.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    PhenolensError
        If the folder holds no readable results.
    """
    folder = Path(folder)
    results = Results.load(folder)
    page = folder / "report.html"
    write_whole(page, _render(results, folder).encode())
    write_whole(folder / "card.md", card_page(results).encode())
    return page


def _render(results: Results, folder: Path) -> str:
    results, renamed = with_short_names(results)
    tasks = task_scores(results.scores)
    shown = headlines(results.evidence, tasks)
    cards = encoder_cards(results, shown, renamed)
    data = data_answer(shown)
    found = findings(results)
    figures = section_figures(results, cards, data, tasks, shown)
    laid_out = tables(results.evidence)
    reservations = caveats(results, tasks)
    sheet = read_sheet(folder)
    samples = read_samples(folder, results.encoders, sheet)
    maps = embedding_maps(samples, sheet)
    scripts = [_asset("common.js"), _asset("report.js")]
    return (
        _environment()
        .get_template("template.html.j2")
        .render(
            results=results,
            facts=facts(results.dataset),
            scope=scope(results),
            cards=cards,
            truths=_truths(results, cards),
            data=data,
            bars=bars(results, shown),
            caveats=reservations,
            caveat_numbers={each.note: number for number, each in enumerate(reservations, 1) if each.note},
            tasks=tasks,
            parts=parts_by_task(results.parts),
            by_task=sentences_by_task(found, shown),
            matrices=matrices(
                results.evidence.of(BaselineDifference), {task.task: task.higher_is_better for task in tasks}
            ),
            sections=SECTIONS,
            nav=NAVIGATION,
            pages=pages(figures, tasks, shown, found, laid_out),
            tables=laid_out,
            units=task_units(tasks, results.units),
            confusions=confusions_by_task(results.confusions, tasks, {each.task: each.profiling for each in shown}),
            maps=maps,
            maps_note=perplexity_note(),
            map_counts=_map_counts(maps),
            sheet=sheet,
            sheet_source=Markup(sheet.source),  # noqa: S704 - base64
            neighbours=neighbour_panels(samples, sheet),
            plates=plate_maps(samples, results.units, [(each.task, each.profiling) for each in shown]),
            plate_images=plate_images(samples, sheet),
            examples=[_example(folder, e) for e in results.examples],
            changed=[_example(folder, e) for e in _changed(folder, results)],
            nuclei=[_example(folder, e) for e in results.nuclei],
            skipped_scores=leftovers.gather_skipped(results.skipped),
            skipped_parts=leftovers.gather_skipped(results.evidence.skipped),
            quarantine=leftovers.quarantine(results.quarantine),
            panel_missing=leftovers.panel_missing(results.panel_missing),
            provenance=leftovers.provenance(results.provenance, results.dataset),
            style=_asset("report.css"),
            scripts=scripts,
            script_hashes=[_digest(s) for s in scripts],
        )
    )


def _truths(results: Results, cards: Sequence[EncoderCard]) -> list[tuple[EncoderCard, str]]:
    """Return the encoders of which the recipe says what they are, with that."""
    known = {each["encoder"]: str(each.get("truth", "")) for each in results.encoders}
    return [(card, known[card.encoder]) for card in cards if known.get(card.encoder)]


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("phenolens.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.tests["known"] = math.isfinite
    environment.filters |= {
        "breakable": text.breakable,
        "number": numbers.number,
        "interval": numbers.interval,
        "count": numbers.count,
        "script_json": text.script_json,
    }
    environment.globals["mark_title"] = mark_title
    return environment


def _asset(name: str) -> Markup:
    return _inline(files("phenolens.report").joinpath("templates", name).read_text(encoding="utf-8"))


def _inline(source: str) -> Markup:
    # Browsers hash what they parse, and parsing turns every line end into a line feed.
    source = source.replace("\r\n", "\n").replace("\r", "\n")
    if re.search(r"</(script|style)|<!--", source, flags=re.IGNORECASE):
        raise ValueError("a script or style that holds its own end tag cannot be inlined")
    return Markup(source)  # noqa: S704 - ours, never a stranger's


def _digest(script: Markup) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _changed(folder: Path, results: Results) -> list[dict[str, Any]]:
    """Return caption and file of the images that show what interventions do; an earlier study may have left others."""
    names = {each.intervention for each in results.evidence.of(AfterIntervention)}
    if not names or not (folder / CHANGED).is_file():
        return []
    images = pd.read_csv(folder / CHANGED, dtype=str, keep_default_na=False)
    return images[images["caption"].isin({AS_IT_IS, *names})].to_dict(orient="records")


def _example(folder: Path, example: dict[str, Any]) -> Example:
    caption, name = str(example.get("caption", "")), str(example.get("file", ""))
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        return Example(caption, "", f"{name} lies outside the results folder")
    if not path.is_file():
        return Example(caption, "", f"{name} is not there")
    content = path.read_bytes()
    if not content.startswith(_PNG):
        return Example(caption, "", f"{name} is not a PNG image")
    return Example(caption, "data:image/png;base64," + base64.b64encode(content).decode(), "")


def _map_counts(maps: EmbeddingMaps) -> list[str]:
    counts = dict.fromkeys(
        f"{m['shown']:,} of {m['total']:,} sites" if m["shown"] < m["total"] else f"all {m['total']:,} sites"
        for m in maps.data["maps"]
    )
    return list(counts)
