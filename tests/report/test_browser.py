"""The page in a browser: every control works, nothing is loaded, no name runs, and axe finds nothing serious."""

from dataclasses import replace

import pytest
from in_browser import NEEDS_CHROMIUM, Opened, chromium
from made_up_study import FOUR, Made, write_study

from phenolens.report import Results, write_report

pytestmark = [pytest.mark.integration, NEEDS_CHROMIUM]

HOSTILE = "\"'><script>window.hacked=1</script><img src=x onerror=window.hacked=1>=cmd()|{{7*7}}\u202e"
WIDTHS = (1400, 900, 390)


@pytest.fixture(scope="module")
def browser():
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plain")
    write_study(folder)
    return write_report(folder).as_uri()


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """Return the page of a study whose names, sentences and metadata are hostile."""
    folder = tmp_path_factory.mktemp("hostile")
    results = write_study(
        folder, {HOSTILE: Made(0.75, beats=True, concepts=("texture",), side="biology")}, word=HOSTILE
    )
    verdicts = [replace(verdict, title=HOSTILE) for verdict in results.verdicts]
    changed = replace(results, name=HOSTILE, verdicts=verdicts, quarantine=[{"site_id": HOSTILE, "reason": HOSTILE}])
    changed.save(folder)
    assert Results.load(folder).name == HOSTILE
    return write_report(folder).as_uri()


def use_everything(page):
    """Follow every link of the page, open all that is folded, and use every control."""
    for link in page.locator("nav a").all():
        target = link.get_attribute("href")
        link.click()
        assert page.locator(target).is_visible()
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    for name in ("encoder", "column"):
        select = page.locator(f".map-{name}")
        for option in range(select.locator("option").count()):
            select.select_option(index=option)
    page.locator(".map-column").select_option(index=0)
    page.locator(".map-legend button").first.click()
    page.locator(".map-clear").click()
    page.locator(".map-plot").focus()
    for key in ("ArrowLeft", "ArrowUp", "+", "-", "n", "n"):
        page.keyboard.press(key)
    page.locator(".map-reset").click()
    page.locator(".theme").click()


def test_every_section_and_control_works_and_nothing_leaves_the_page(browser, plain):
    with Opened(browser, plain) as opened:
        use_everything(opened.page)
        assert opened.page.locator(".map-tip").inner_text().startswith("site")
        assert opened.page.locator(".map-tip .tile").count() == 1
        assert opened.said == []
        assert opened.leaves("data:", "blob:") == []


def test_hostile_names_are_shown_and_not_run(browser, hostile):
    with Opened(browser, hostile) as opened:
        use_everything(opened.page)
        assert opened.page.evaluate("window.hacked") is None
        assert opened.page.locator("main script:not([type='application/json']), main img[src='x']").count() == 0
        assert opened.page.locator("h1").inner_text().startswith("\"'><script>")
        assert HOSTILE in opened.page.locator(".map-tip").inner_text()
        assert opened.said == []
        assert opened.leaves("data:", "blob:") == []


def test_the_first_screen_holds_the_answers_on_all_four_encoders(browser, plain):
    with Opened(browser, plain) as opened:
        cards = opened.page.locator(".card").all()
        assert len(cards) == len(FOUR)
        for card in cards:
            assert card.locator(".word").count() == 4
            box = card.bounding_box()
            assert box["y"] + box["height"] <= 900


@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_is_never_wider_than_the_window(browser, plain, hostile, width):
    for path in (plain, hostile):
        with Opened(browser, path, width) as opened:
            opened.page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
            assert opened.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_gains_need_no_sideways_scroll(browser, plain):
    with Opened(browser, plain) as opened:
        opened.page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
        beside = "(table) => table.parentElement.scrollWidth - table.parentElement.clientWidth"
        found = opened.page.evaluate(f"[...document.querySelectorAll('.matrix')].map({beside})")
        assert found
        assert max(found) <= 0


def test_a_table_downloads_as_csv_without_formulas(browser, hostile, tmp_path):
    with Opened(browser, hostile) as opened:
        opened.page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
        with opened.page.expect_download() as download:
            opened.page.locator("#beats .csv").first.click()
        download.value.save_as(tmp_path / "table.csv")
    lines = (tmp_path / "table.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("Encoder,Profiling,mAP")
    assert any("0.75" in line and "hacked" in line for line in lines[1:])
    assert not any(line.startswith(("=", "@")) for line in lines)


def test_the_theme_can_be_chosen(browser, plain):
    background = "getComputedStyle(document.body).backgroundColor"
    with Opened(browser, plain, scheme="dark") as dark, Opened(browser, plain) as light:
        assert dark.page.evaluate(background) != light.page.evaluate(background)
        dark.page.locator(".theme").click()
        assert dark.page.evaluate(background) == light.page.evaluate(background)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(browser, plain, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-playwright-python")
    with Opened(browser, plain, scheme=scheme) as opened:
        opened.page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
        found = axe.Axe().run(opened.page).response
    assert {"color-contrast", "image-alt", "button-name"} & {each["id"] for each in found["passes"]}
    serious = {
        each["id"]: each["nodes"][0]["html"]
        for each in found["violations"]
        if each["impact"] in ("serious", "critical")
    }
    assert serious == {}


def test_the_page_reads_without_a_script(browser, plain):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(plain)
    assert page.locator(".card .word").count() == 4 * len(FOUR)
    assert page.locator("button:visible").count() == len(["Whole map"])
    context.close()
