"""The pages of the documentation, taken apart: headings, links and blocks of code."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]

_BLOCK = re.compile(r"(?P<before>(?:<!-- *(?P<mark>\w+) *-->\n)?)^```(?P<kind>\w*)\n(?P<text>.*?)^```$", re.M | re.S)


@dataclass(frozen=True)
class Block:
    """A block of code: its page, its language, its text, and the mark above it (``<!-- runs -->``)."""

    page: Path
    kind: str
    text: str
    mark: str
    line: int

    def __str__(self) -> str:
        return f"{name_of(self.page)}:{self.line}"


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks_of(page: Path) -> list[Block]:
    text = page.read_text()
    return [
        Block(page, found["kind"], found["text"], found["mark"] or "", text[: found.start()].count("\n") + 1)
        for found in _BLOCK.finditer(text)
    ]


def all_blocks(*kinds: str) -> list[Block]:
    return [block for page in PAGES for block in blocks_of(page) if block.kind in kinds]


def prose_of(page: Path) -> str:
    """Return a page without its blocks of code."""
    return _BLOCK.sub("", page.read_text())


def anchors_of(page: Path) -> set[str]:
    """Return the anchors of a page: its headings, as the site and GitHub name them, and those set by hand."""
    prose = prose_of(page)
    anchors = set(re.findall(r'<a id="([^"]+)"', prose))
    for heading in re.findall(r"^#{1,6} (.+)$", prose, re.M):
        plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
        plain = re.sub(r"[^\w\s-]", "", plain).strip().lower()
        anchors.add(re.sub(r"[-\s]+", "-", plain))
    return anchors


def links_of(page: Path) -> list[str]:
    """Return the targets of links and images of a page."""
    prose = re.sub(r"`[^`\n]*`", "", prose_of(page))
    return re.findall(r"\]\(([^)\s]+)\)", prose)
