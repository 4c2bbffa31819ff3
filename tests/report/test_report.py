"""The page and the card: complete, of one mind with the records, self-contained, safe against hostile names."""

import itertools
import shutil
from dataclasses import dataclass, replace
from html.parser import HTMLParser

import pandas as pd
import pytest

from phenolens.core.errors import PhenolensError
from phenolens.diagnosis.evidence import Evidence
from phenolens.diagnosis.records import Activity, BaselineDifference, Record
from phenolens.evaluation import Estimate, Skipped
from phenolens.report import Results, write_report
from phenolens.report.caveats import caveats
from phenolens.report.comparisons import matrices
from phenolens.report.scores import task_scores
from phenolens.report.tables import IN_FILES_ONLY, SAID_BY_VERDICTS, SECTIONS, tables
from phenolens.report.units import task_units

pytestmark = pytest.mark.integration

HOSTILE = '<script>alert("x")</script><img src=x onerror=alert(1)>'


class Page(HTMLParser):
    """Collects headings, text, what the page would fetch, and its handlers and ids."""

    def __init__(self, folder):
        super().__init__()
        self.source = (folder / "report.html").read_text(encoding="utf-8")
        self.headings, self.fetched, self.handlers, self.ids, self.parts = [], [], [], [], []
        self._tag = ""
        self.feed(self.source)

    def handle_starttag(self, tag, attrs):
        self._tag = tag if tag not in ("wbr", "br") else self._tag
        for name, value in attrs:
            if name in ("src", "href", "data", "action", "srcset", "poster", "xlink:href"):
                self.fetched.append(value or "")
            if name.startswith("on"):
                self.handlers.append((tag, name))
            if name == "id":
                self.ids.append(value)

    def handle_data(self, data):
        if self._tag in ("h1", "h2", "h3") and data.strip():
            self.headings.append(data.strip())
        if self._tag not in ("script", "style"):
            self.parts.append(data)

    @property
    def text(self):
        return "".join(self.parts)


@pytest.fixture(scope="session")
def page(study):
    return Page(study)


def written(results, folder):
    """Return the page of changed results."""
    results.save(folder)
    write_report(folder)
    return Page(folder)


def test_every_section_is_there(page, results):
    assert page.headings[0] == results.name
    for heading in ("Before you believe it", "Scores", "Embedding map", "Nearest neighbours", "Example images"):
        assert heading in page.headings
    for encoder in {entry["encoder"] for entry in results.encoders if not entry["baseline"]}:
        assert f'title="{encoder}"' in page.source
    assert set(SECTIONS.values()) - {SECTIONS["further"]} <= set(page.headings)
    assert len(page.ids) == len(set(page.ids))
    assert results.provenance["versions"]["torch"] in page.text


def test_every_verdict_is_shown_by_its_title_and_not_its_code(study, page, results):
    card = (study / "card.md").read_text()
    assert {"gain", "leak", "activity"} <= {verdict.kind for verdict in results.verdicts}
    for verdict in results.verdicts:
        assert verdict.claim in page.text
        assert verdict.title in page.text
        assert f"- **{verdict.title}** " in card
        assert verdict.claim in card
    assert "gain_over_untrained" not in page.text + card


def test_what_is_skipped_and_left_out_is_shown_with_its_reason(study, page, results):
    card = (study / "card.md").read_text()
    assert results.skipped
    assert results.evidence.skipped
    for each in (*results.skipped, *results.evidence.skipped):
        reason = each.reason.removeprefix(f"{each.task}: ")
        assert reason in page.text
        assert f": {reason}." in card
    (site,) = results.quarantine
    assert site["site_id"] in page.text
    left_out = sum(each["by_recipe"] for each in results.panel_missing)
    assert f"The recipe left out {left_out} default baselines" in page.text
    assert "Left out by the recipe: a small study" in page.text


def test_every_record_is_in_a_table_or_said_by_a_verdict(results):
    kinds = {type(record) for record in results.evidence.records}
    shown = tables(results.evidence)
    assert shown["further"] == []
    titles = [table.title for section in shown.values() for table in section]
    # Explained variance has two tables.
    assert len(titles) == len(set(titles)) == len(kinds - {*IN_FILES_ONLY, *SAID_BY_VERDICTS}) + 1


@dataclass(frozen=True)
class Discovery(Record):
    """Something that the report has never heard of.

    Its fields need no words there.
    """

    encoder: str
    new_effect: Estimate
    n_things: int
    names: tuple[str, ...] = ()


def test_a_record_that_the_report_does_not_know_is_shown(tmp_path, results):
    found = Discovery("network", Estimate(0.314, 0.2, 0.4), 1234, ("this", "that"))
    results.evidence = Evidence((*results.evidence.records, found), results.evidence.skipped)
    page = written(results, tmp_path)
    section = page.text[page.text.index("Something that the report has never heard of") :]
    for said in ("new effect", "0.31 [0.20, 0.40]", "1,234", "this and that"):
        assert said in section
    assert "| network | 0.31 [0.20, 0.40] | 1,234 | this and that |" in (tmp_path / "card.md").read_text()


def test_matrices_colour_what_is_claimed_and_significant(tmp_path, results):
    records = results.evidence.of(BaselineDifference)
    adjusted = itertools.cycle([0.01, 0.5])  # also of those that are not claimed, whose p values the card leaves NaN
    records = [replace(each, estimate=replace(each.estimate, p_adjusted=next(adjusted))) for each in records]
    significant = [each for each in records if each.is_claimed and each.is_significant]
    claimed = [each for each in records if each.is_claimed]
    assert 0 < len(significant) < len(claimed) < sum(each.is_significant for each in records)
    results.evidence = Evidence(tuple(records))
    page = written(results, tmp_path)
    assert page.source.count(' significant"') == len(significant)
    of_tested = [each for each in records if not each.encoder_is_baseline]
    assert page.source.count('<td class="better') + page.source.count('<td class="worse') == len(of_tested)


def test_gains_stand_in_the_order_in_which_they_matter(results):
    found = matrices(results.evidence.of(BaselineDifference), {})
    assert found
    for matrix in found.values():
        for rows in matrix.blocks.values():
            roles = [row.role for row in rows if row.role in ("best baseline", "best untrained network")]
            assert [row.role for row in rows[: len(roles)]] == roles == sorted(roles)


def test_active_perturbations_are_counted_as_the_card_counts_them(results):
    counted = {(each.task, each.profiling, each.encoder): each for each in results.evidence.of(Activity)}
    checked = 0
    for shown in task_units(task_scores(results.scores), results.units).values():
        activity = counted.get((shown.task.task, shown.profiling, shown.best))
        if activity is not None:
            assert shown.significant == (activity.n_active, activity.n_units)
            checked += 1
            if activity.best_baseline == shown.reference:
                assert shown.significant_reference[0] == activity.n_active_of_best
    assert checked


def test_a_caveat_is_told_once_and_a_leak_by_its_verdict(results):
    results.scores["notes"] = [["one; with a semicolon", "two"] for _ in range(len(results.scores))]
    found = caveats(results, task_scores(results.scores))
    notes = [each.text for each in found if each.title == "Note on scores"]
    assert [text.partition(".")[0] for text in notes] == ["One; with a semicolon", "Two"]
    leaks = [verdict for verdict in results.verdicts if verdict.kind == "leak"]
    assert leaks
    assert sum("are on both sides of the split" in each.text for each in found) == len(leaks)


def test_nothing_is_fetched_from_anywhere(page):
    assert all(target.startswith(("#", "data:")) for target in page.fetched)
    assert "@import" not in page.source
    assert 'url("http' not in page.source
    assert "url(http" not in page.source


def test_images_are_inside(page, results):
    assert results.examples
    changed = 2  # a site as it is, and blurred
    assert (
        page.source.count('<img src="data:image/png;base64,') == len(results.examples) + len(results.nuclei) + changed
    )
    assert page.source.count("url(&#34;data:") + page.source.count('url("data:image/jpeg;base64,') == 1


LITERALS = {"kind", "reference", "grade", "way", "fit", "encoding", "dominated_by"}


def hostile(record):
    """Return a record with hostile words in all of its fields that hold words freely."""
    words = {name for name, value in vars(record).items() if isinstance(value, str) and name not in LITERALS}
    return replace(record, **dict.fromkeys(words, HOSTILE))


def test_hostile_names_stay_text(tmp_path, results):
    results.name = HOSTILE
    for column in ("encoder", "encoder_id", "profiling", "task", "metric", "unit", "leak"):
        results.scores[column] += HOSTILE
    results.scores["notes"] = [[HOSTILE]] * len(results.scores)
    for column in ("encoder", "profiling", "task", "unit", "stratum"):
        results.units[column] += HOSTILE
    results.verdicts = list(map(hostile, results.verdicts))
    results.skipped = [Skipped(*[HOSTILE] * 6)]
    results.evidence = Evidence(tuple(map(hostile, results.evidence.records)), tuple(results.skipped))
    results.quarantine = [{"site_id": HOSTILE, "reason": HOSTILE}]
    results.panel_missing = [{"name": HOSTILE, "reason": HOSTILE, "by_recipe": True}]
    results.provenance["recipe"] = HOSTILE
    page = written(results, tmp_path)
    assert "alert" not in "".join(page.fetched)
    assert not page.handlers
    assert '<script>alert("x")' not in page.source
    assert "&lt;script&gt;alert" in page.source


def test_the_same_results_give_the_same_bytes(study, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(study, copy)
    write_report(copy)
    for name in ("report.html", "card.md"):
        assert (copy / name).read_bytes() == (study / name).read_bytes()


def test_results_without_anything_further_make_a_page(tmp_path, results):
    results.verdicts, results.skipped, results.quarantine, results.examples = [], [], [], []
    results.panel_missing, results.parts, results.evidence = [], [], Evidence()
    results.scores[["low", "high"]] = float("nan")
    results.scores["notes"] = [[]] * len(results.scores)
    page = written(results, tmp_path)
    assert "No baseline was scored in the same question." in page.text
    assert "Nothing was evaluated for this question." in page.text
    assert "Scores" in page.headings


def test_of_many_units_the_best_are_listed_and_all_are_drawn(tmp_path, results):
    copies = [results.units.assign(unit=results.units["unit"] + f" {number}") for number in range(60)]
    results.units = pd.concat(copies, ignore_index=True)
    page = written(results, tmp_path)
    assert "each encoder sorted by itself" in page.text
    first = next(iter(task_units(task_scores(results.scores), results.units).values()))
    assert first.n_units > 60
    assert sum(map(len, first.blocks)) == 12


def test_example_files_outside_the_folder_are_not_read(tmp_path, results):
    (tmp_path / "secret.png").write_bytes(b"\x89PNG secret")
    results.examples = [{"caption": "x", "file": "../secret.png"}]
    page = written(results, tmp_path / "study")
    assert "lies outside the results folder" in page.text
    assert "c2VjcmV0" not in page.source


def test_a_folder_without_results_is_one_line(tmp_path):
    with pytest.raises(PhenolensError, match="no results in") as caught:
        write_report(tmp_path)
    assert "\n" not in str(caught.value)


def test_parts_of_a_task_are_shown_and_kept(tmp_path, results):
    part = results.parts[0]
    assert part["encoder"] in set(results.scores["encoder"])
    odd = {**part, "part": "CORUM <b>", "interval": [None, float("nan")], "p_labels_permuted": 0.005}
    results.parts = [part, odd]
    page = written(results, tmp_path)
    assert "Parts of " in page.text
    assert part["part"] in page.text
    assert "CORUM &lt;b&gt;" in page.source.replace("<wbr>", "")
    assert "0.005" in page.text
    kept = Results.load(tmp_path).parts
    assert kept[0] == part
    assert kept[1]["interval"] == [None, None]


def test_the_score_over_the_layers_of_a_network_is_drawn(study):
    page = study.joinpath("report.html").read_text()
    assert page.count("network by layer: replicate retrieval: activity. pool mean: from") == 2  # raw and robust-z
