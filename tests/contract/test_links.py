"""What the documentation links to is there: files, and headings within them."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"^( *)```.*?^\1```", re.DOTALL | re.MULTILINE)
ELSEWHERE = ("http://", "https://", "mailto:")


def pages() -> list[Path]:
    """All of the checkout but what others wrote, or was made here."""
    found = (page.relative_to(ROOT) for page in ROOT.rglob("*.md"))
    return [ROOT / page for page in found if not any(p.startswith(".") or p == "node_modules" for p in page.parts)]


def anchors(page: Path) -> set[str]:
    """The headings of a page as links name them."""
    headings = re.findall(r"^#+ (.+)$", CODE.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    for target in LINK.findall(CODE.sub("", page.read_text())):
        if target.startswith(ELSEWHERE):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), f"{target}: nothing there"
        assert not anchor or anchor in anchors(there), f"{target}: no such heading"
