"""The documents name what is there: files, functions, rooms, invariants."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.test_structure import ROOMS

ROOT = Path(__file__).parent.parent.parent
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text()
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_the_readme_is_a_page_for_newcomers() -> None:
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) <= 150
    assert len(re.findall(r"bin/pytest$", text, re.MULTILINE)) == 1  # what CI runs


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_no_link_leads_nowhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", document.read_text()):
        if "://" not in target:
            assert (document.parent / target).exists(), target


def test_the_map_has_every_room() -> None:
    told = re.findall(r"^\| (`[^|]+) \|", ARCHITECTURE, re.MULTILINE)
    rooms = [name.strip("/") for cell in told for name in re.findall(r"`([\w/]+)`", cell)]
    assert rooms == ROOMS


def test_the_road_names_functions_that_are_there() -> None:
    named = re.findall(r"`([\w/]+\.py)`[\s(]+`(\w+)`", ARCHITECTURE)
    assert len(named) > 20
    for path, name in named:
        source = (ROOT / "inbox" / path).read_text()
        assert re.search(rf"^\s*(def|class) {name}\b", source, re.MULTILINE), f"{path} {name}"


def test_every_module_that_a_document_names_is_there() -> None:
    for document in DOCUMENTS:
        for path in re.findall(r"`(?:inbox/)?((?:\w+/)+\w+\.py)`", document.read_text()):
            assert (ROOT / "inbox" / path).exists() or (ROOT / path).exists(), f"{document.name}: {path}"


def test_every_invariant_that_the_code_cites_is_defined() -> None:
    defined = set(re.findall(r"^- \*\*(I\d+)\*\*", ARCHITECTURE, re.MULTILINE))
    assert defined == {f"I{n}" for n in range(1, 18)}
    sources = [path.read_text() for folder in ("inbox", "tests") for path in (ROOT / folder).rglob("*.py")]
    cited = {number for source in sources for number in re.findall(r"\b(I\d{1,2})\b(?!\.)", source)}
    assert cited <= defined
