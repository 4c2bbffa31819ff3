"""The page: complete, self-contained, safe against hostile names, the same every time."""

import shutil
from html.parser import HTMLParser

import pytest

from phenolens.core.errors import PhenolensError
from phenolens.report import Results, write_report

HOSTILE = '<script>alert("x")</script><img src=x onerror=alert(1)>'


class Page(HTMLParser):
    """Collects headings, what the page would fetch, and its scripts' and handlers' names."""

    def __init__(self, text):
        super().__init__()
        self.headings, self.fetched, self.handlers, self.ids = [], [], [], []
        self._in_heading = False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self._in_heading = tag in ("h1", "h2")
        for name, value in attrs:
            if name in ("src", "href", "data", "action", "srcset", "poster", "xlink:href"):
                self.fetched.append(value or "")
            if name.startswith("on"):
                self.handlers.append((tag, name))
            if name == "id":
                self.ids.append(value)

    def handle_data(self, data):
        if self._in_heading and data.strip():
            self.headings.append(data.strip())


def text_of(folder):
    return (folder / "report.html").read_text(encoding="utf-8")


def test_every_section_is_there(study, make_results):
    text = text_of(study)
    page = Page(text)
    assert page.headings[0] == make_results().name
    for section in (
        "Findings",
        "Scores",
        "Gains over baselines",
        "What it knows",
        "Unit by unit",
        "Embedding map",
        "Example images",
    ):
        assert section in page.headings
    for verdict in make_results().verdicts:
        assert verdict["claim"].split(".")[0] in text
    for said in ("the ER image is constant", "no instance masks are given", "leaking: 77 of 77 movies", "2.3.1"):
        assert said in text
    assert len(page.ids) == len(set(page.ids))


def test_nothing_is_fetched_from_anywhere(study):
    text = text_of(study)
    assert all(target.startswith(("#", "data:")) for target in Page(text).fetched)
    assert "@import" not in text
    assert 'url("http' not in text
    assert "url(http" not in text


def test_images_are_inside(study):
    assert text_of(study).count("data:image/png;base64,") >= 3


def test_hostile_names_stay_text(tmp_path, make_results):
    results = make_results()
    scores = results.scores.assign(caveat=HOSTILE)
    units = results.units.assign(unit=results.units["unit"] + HOSTILE)
    verdicts = [{**verdict, "claim": HOSTILE} for verdict in results.verdicts]
    make_results(
        name=HOSTILE,
        scores=scores,
        units=units,
        verdicts=verdicts,
        skipped=[{"task": HOSTILE, "profiling": HOSTILE, "encoder": HOSTILE, "reason": HOSTILE}],
        quarantine=[{"site_id": HOSTILE, "reason": HOSTILE}],
        panel_missing=[{"name": HOSTILE, "reason": HOSTILE, "by_recipe": True}],
    ).save(tmp_path)
    write_report(tmp_path)
    page = Page(text_of(tmp_path))
    assert "alert" not in "".join(page.fetched)
    assert not [handler for handler in page.handlers if handler[1] == "onerror"]
    assert '<script>alert("x")' not in text_of(tmp_path)
    assert "&lt;script&gt;alert" in text_of(tmp_path)


def test_a_shrunk_panel_is_shown_with_its_reasons(study):
    text = text_of(study)
    assert "The panel was shrunk: the recipe left out 1 default baseline" in text
    assert "Left out by the recipe: too slow here" in text
    assert "Not to be had: the manifest has no column" in text


def test_the_same_results_give_the_same_bytes(study, tmp_path):
    before = (study / "report.html").read_bytes()
    copy = tmp_path / "copy"
    shutil.copytree(study, copy)
    write_report(copy)
    assert (copy / "report.html").read_bytes() == before


def test_what_is_known_is_shown_beside_what_is_large_and_odd(study):
    text = text_of(study).replace("<wbr>", "")
    section = text[text.index('id="knowledge"') : text.index('id="where"')]
    assert section.index("checkpoint") < section.index("untrained")  # what is under test comes first
    for said in (
        "0.40",
        "+0.20 over its twin",
        "12%",
        "12.3 of 384",
        "41 %",
        "30 % to 50 %",
        "0.77",
        "cell count, matched",
        "0.31 [0.20, 0.40]",
        "3 dead features",
        "200 repeated rows",
    ):
        assert said in section
    assert "collapsed: 200 of 300 rows repeat" in section
    assert "nothing is left of it" in text[text.index('id="left-out"') :]


def test_what_scores_are_worth_and_where_they_gain_is_shown(study):
    text = text_of(study).replace("<wbr>", "")
    credible = text[text.index('id="credibility"') : text.index('id="knowledge"')]
    for said in ("0.80 (replicates)", "50 %", "25 %", "93 %", "0.61 [0.40, 0.80]", "0.33 [0.30, 0.30]"):
        assert said in credible
    where = text[text.index('id="where"') : text.index('id="units"')]
    for said in ("strong", "0.19 [0.10, 0.28]", "replicates", "0.17 [0.10, 0.20]", "90 %", "+0.012"):
        assert said in where


@pytest.mark.parametrize("changes", ["no comparisons", "no extras", "nan", "many units"])
def test_little_or_odd_results_still_make_a_page(tmp_path, make_results, changes):
    results = make_results()
    options = {
        "no comparisons": {"comparisons": results.comparisons.iloc[:0]},
        "no extras": {
            "verdicts": [],
            "skipped": [],
            "quarantine": [],
            "examples": [],
            "panel_missing": [],
            "evidence": {},
        },
        "nan": {"scores": results.scores.assign(low=float("nan"), high=float("nan"))},
        "many units": {"n_units": 90},
    }[changes]
    make_results(**options).save(tmp_path)
    page = write_report(tmp_path)
    assert page.stat().st_size > 10_000
    assert "Scores" in Page(text_of(tmp_path)).headings


def test_example_files_outside_the_folder_are_not_read(tmp_path, make_results):
    secret = tmp_path / "secret.png"
    secret.write_bytes(b"\x89PNG secret")
    folder = tmp_path / "study"
    make_results(examples=[{"caption": "x", "file": "../secret.png"}]).save(folder)
    try:
        write_report(folder)
    except PhenolensError:
        return
    assert "c2VjcmV0" not in text_of(folder)


def test_a_folder_without_results_is_one_line(tmp_path):
    with pytest.raises(PhenolensError, match="no results in") as caught:
        write_report(tmp_path)
    assert "\n" not in str(caught.value)


def test_answers_within_answers_are_shown_and_kept(tmp_path, make_results):
    results = make_results()
    task = results.scores["task"].iloc[0]
    shared = {"encoder": "mine", "family": "mine", "profiling": "tvn", "task": task, "chance": 0.1, "n_units": 40}
    results.parts = [
        {**shared, "part": "CORUM <b>", "value": 0.31, "interval": [0.2, 0.4], "p_labels_permuted": 0.005},
        {**shared, "part": "SIGNOR", "value": 0.11, "interval": [None, float("nan")], "p_labels_permuted": None},
    ]
    results.save(tmp_path)
    page = write_report(tmp_path).read_text(encoding="utf-8")
    assert "part by part" in page
    assert "CORUM &lt;b&gt;" in page
    assert "0.005" in page
    kept = Results.load(tmp_path).parts
    assert [part["part"] for part in kept] == ["CORUM <b>", "SIGNOR"]
    assert kept[1]["interval"] == [None, None]
