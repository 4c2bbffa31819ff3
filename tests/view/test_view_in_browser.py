"""The explorer in a browser: brush, look, compare, colour and export, with hostile names, and nothing leaves."""

import re
from contextlib import contextmanager

import pytest
from in_browser import NEEDS_CHROMIUM, Opened, chromium, playwright
from small_study import HOSTILE, N_SITES

from phenolens.datasets import read_manifest

pytestmark = [pytest.mark.integration, NEEDS_CHROMIUM]


@pytest.fixture(scope="module")
def browser():
    with chromium() as opened:
        yield opened


@contextmanager
def explorer(browser, server, *args, **options):
    """Open the explorer, and wait until it has drawn."""
    with Opened(browser, server.url, *args, **options) as opened:
        expect(opened, ".thumb").not_to_have_count(0)
        expect(opened, ".map-busy").to_have_text("")
        yield opened


def expect(opened, selector):
    return playwright.expect(opened.page.locator(selector))


def leaves(opened, server):
    """Return what was asked for from elsewhere."""
    return opened.leaves(server.url, f"blob:{server.url.partition('/' + server.token)[0]}", "data:,")


def draw_around_all(page):
    """Draw a line around all sites."""
    box = page.locator(".map-plot").bounding_box()
    left, top, right, bottom = box["x"] + 3, box["y"] + 3, box["x"] + box["width"] - 3, box["y"] + box["height"] - 3
    page.mouse.move(left, top)
    page.mouse.down()
    for x, y in ((right, top), (right, bottom), (left, bottom)):
        page.mouse.move(x, y, steps=3)
    page.mouse.up()


def click_through(opened, folder):
    """Use the explorer as a reader does; return the exported selection."""
    page = opened.page
    names = page.locator(".map-encoder option").all_inner_texts()
    page.locator(".map-encoder").select_option(index=1)
    expect(opened, "#map-note").to_have_text(f"All {N_SITES} sites, laid out by t-SNE.")
    assert page.locator(".by-encoder h3").all_inner_texts() == names

    for option in range(page.locator(".map-column option").count()):
        page.locator(".map-column").select_option(index=option)
    page.locator(".map-column").select_option(index=0)
    expect(opened, ".map-legend button").to_have_count(6)

    page.locator(".map-legend button").nth(2).click()
    draw_around_all(page)
    expect(opened, "#count").to_have_text("8 sites selected")  # of the category that is brought out
    page.locator(".map-clear").click()
    draw_around_all(page)
    expect(opened, "#count").to_have_text(f"{N_SITES} sites selected")
    page.locator("#unselect").click()
    expect(opened, "#export").to_be_disabled()

    page.locator(".map-plot").focus()
    for key in ("n", "n", "n", "p", "Space", "Enter", "+", "ArrowLeft", "-"):
        page.keyboard.press(key)
    expect(opened, "#count").to_have_text("1 site selected")
    expect(opened, "#site-name").to_contain_text("site1")
    picture = page.locator("#image")
    expect(opened, "#size").to_have_text(re.compile("^40 . 40 pixels · 0.5 µm per pixel$"))
    playwright.expect(picture).to_have_js_property("naturalWidth", 40)

    before = picture.get_attribute("src")
    page.locator("#contrast").select_option("extremes")
    playwright.expect(picture).not_to_have_attribute("src", before)
    page.locator(".channel .low").first.fill("120")
    expect(opened, "#contrast").to_have_value("given")
    page.locator(".channel input[type=checkbox]").nth(1).uncheck()
    page.locator(".channel input[type=color]").first.fill("#00ffcc")
    playwright.expect(picture).to_have_attribute("src", "image/1?contrast=given&c=0,00ffcc,120,199")
    page.locator("#standard").click()
    page.locator("#actual").click()

    page.locator(".by-encoder").first.locator(".thumb").first.click()
    expect(opened, "#site-name").not_to_contain_text("site1 ·")
    assert page.locator(".thumb.perturbation").count() > 0

    page.locator(".map-reset").click()
    page.locator("#in-view").click()
    expect(opened, "#count").to_have_text(f"{N_SITES} sites selected")
    with page.expect_download() as download:
        page.locator("#export").click()
    download.value.save_as(folder / "selection.csv")
    page.locator(".theme").click()
    return read_manifest(folder / "selection.csv")


def test_everything_works_and_nothing_leaves(browser, server, tmp_path):
    with explorer(browser, server) as opened:
        exported = click_through(opened, tmp_path)
        assert len(exported) == N_SITES
        exported.check_files()
        opened.page.locator("input[name=mode]").nth(1).check()
        draw_around_all(opened.page)  # moves the map
        expect(opened, "#count").to_have_text(f"{N_SITES} sites selected")
        assert opened.said == []
        assert leaves(opened, server) == []


def test_hostile_names_are_shown_and_not_run(browser, hostile_server, tmp_path):
    with explorer(browser, hostile_server) as opened:
        exported = click_through(opened, tmp_path)
        assert set(exported.table.index) == {f"site{i}{HOSTILE}" for i in range(N_SITES)}
        page = opened.page
        assert HOSTILE in page.locator("#name").text_content()
        assert HOSTILE in page.locator("#site-name").text_content()
        assert page.evaluate("window.hacked") is None
        assert page.locator("main script, img[src='x']").count() == 0
        assert opened.said == []
        assert leaves(opened, hostile_server) == []


def test_touching_a_site_shows_its_image(browser, server):
    with explorer(browser, server) as opened:
        opened.page.locator(".map-plot").focus()
        opened.page.keyboard.press("n")
        expect(opened, ".map-tip").to_contain_text("site0")
        playwright.expect(opened.page.locator(".map-tip img")).to_have_js_property("naturalWidth", 96)


@pytest.mark.parametrize("width", [1400, 900, 390])
def test_the_page_is_never_wider_than_the_window(browser, hostile_server, width):
    with explorer(browser, hostile_server, width) as opened:
        opened.page.locator("#in-view").click()
        assert opened.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(browser, server, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-playwright-python")
    with explorer(browser, server, scheme=scheme) as opened:
        opened.page.locator("#in-view").click()
        found = axe.Axe().run(opened.page).response
    assert {"color-contrast", "image-alt", "button-name", "label"} & {each["id"] for each in found["passes"]}
    serious = {
        each["id"]: each["nodes"][0]["html"]
        for each in found["violations"]
        if each["impact"] in ("serious", "critical")
    }
    assert serious == {}


def test_it_says_when_the_server_has_ended(browser, server):
    with explorer(browser, server) as opened:
        opened.page.route("**/*", lambda route: route.abort())
        opened.page.locator(".map-encoder").select_option(index=1)
        expect(opened, "#trouble").to_have_text("The explorer has ended; start phenolens view again.")
