"""Every link and picture of the pages leads somewhere, and every page can be found."""

import re
from xml.etree import ElementTree

import pytest
import yaml
from pages import DOCS, PAGES, ROOT, anchors_of, links_of, name_of, prose_of

PICTURES = sorted(path for path in (DOCS / "images").rglob("*") if path.suffix in (".png", ".svg"))


def _nav() -> list[str]:
    class Loader(yaml.SafeLoader):
        """Knows mkdocs' tags of Python names."""

    Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda loader, suffix, node: suffix)
    found: list[str] = []

    def walk(entry: object) -> None:
        if isinstance(entry, str):
            found.append(entry)
        elif isinstance(entry, dict):
            for each in entry.values():
                walk(each)
        else:
            for each in entry:
                walk(each)

    walk(yaml.load((ROOT / "mkdocs.yml").read_text(), Loader)["nav"])  # noqa: S506 - a loader of strings
    return found


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CHANGELOG.md"], ids=name_of)
def test_links_lead_somewhere(page):
    lost = []
    for link in links_of(page):
        if re.match(r"https://[\w.-]+(/\S*)?$", link):
            continue
        file, _, anchor = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors_of(target)):
            lost.append(link)
    assert lost == []


@pytest.mark.parametrize("page", [page for page in PAGES if DOCS in page.parents], ids=name_of)
def test_pages_of_the_site_link_within_it(page):
    outside = [
        link for link in links_of(page) if link.startswith("../") and DOCS not in (page.parent / link).resolve().parents
    ]
    assert outside == []


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CHANGELOG.md"], ids=name_of)
def test_files_that_are_named_exist(page):
    named = re.findall(r"`((?:benchmarks|docs|recipes|src|tests)/[\w./*-]+)", prose_of(page))
    assert [path for path in named if not list(ROOT.glob(path.rstrip("/")))] == []


def test_every_page_is_in_the_navigation_once():
    pages = sorted(page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md"))
    assert sorted(_nav()) == pages


def test_every_page_of_docs_is_reached_from_the_start_in_three_steps():
    near = {DOCS / "index.md"}
    for _ in range(3):
        links = {(page.parent / link.partition("#")[0]).resolve() for page in near for link in links_of(page)}
        near |= {target for target in links if target.suffix == ".md" and DOCS in target.parents}
    assert sorted(map(name_of, set(DOCS.rglob("*.md")) - near)) == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_page_has_one_title(page):
    assert len(re.findall(r"^# ", prose_of(page), re.M)) == 1


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_pictures_say_in_words_what_they_show(page):
    assert [shown for shown in re.findall(r"!\[([^]]*)\]", prose_of(page)) if len(shown) < 5] == []


@pytest.mark.parametrize("picture", PICTURES, ids=name_of)
def test_pictures_are_shown(picture):
    assert any((page.parent / link).resolve() == picture for page in PAGES for link in links_of(page))


@pytest.mark.parametrize("picture", [path for path in PICTURES if path.suffix == ".svg"], ids=name_of)
def test_drawings_load_and_run_nothing(picture):
    tree = ElementTree.parse(picture)  # noqa: S314 - ours
    tags = {element.tag.removeprefix("{http://www.w3.org/2000/svg}") for element in tree.iter()}
    assert not tags & {"script", "image", "use", "foreignObject", "style"}
    assert {"title", "desc"} <= tags
    assert "http" not in picture.read_text().replace("http://www.w3.org/2000/svg", "")
