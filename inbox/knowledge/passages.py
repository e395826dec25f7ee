"""Cutting a text into passages: a few paragraphs each, so that what answers a question stands together."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from inbox.db.clean import clean_text

LONGEST = 1000  #: characters of a passage
MAX_HEADING = 200
_PARAGRAPHS = re.compile(r"\n\s*\n")
_SENTENCE_END = re.compile(r"[.!?\u2026\u3002][)\]\u00bb\u201d\"]*\s")
_HEADING = re.compile(r"#{1,6}\s+(?P<words>.+?)\s*#*\s*")  # of Markdown
_BLANKS = re.compile(r"[^\S\n]+")


@dataclass(frozen=True, slots=True)
class Part:
    """Something to be cut up by itself: a page, or what stands under a heading."""

    text: str
    page: int | None = None
    heading: str | None = None


def cut(parts: Iterable[Part]) -> list[Part]:
    """Passages of at most LONGEST characters, in order: whole paragraphs, else whole sentences, where they fit."""
    return [Part(text, part.page, (part.heading or "")[:MAX_HEADING] or None) for part in parts for text in _cut(part)]


def sections(text: str) -> Iterator[Part]:
    """A text by its Markdown headings; one part, if it has none."""
    heading: str | None = None
    lines: list[str] = []
    for line in text.splitlines():
        found = _HEADING.fullmatch(line)
        if found is None:
            lines.append(line)
            continue
        yield Part("\n".join(lines), heading=heading)
        heading, lines = found["words"], []
    yield Part("\n".join(lines), heading=heading)


def _cut(part: Part) -> Iterator[str]:
    held = ""
    for piece in _pieces(clean_text(part.text)):
        if held and len(held) + 2 + len(piece) > LONGEST:
            yield held
            held = ""
        held = f"{held}\n\n{piece}" if held else piece
    if held:
        yield held


def _pieces(text: str) -> Iterator[str]:
    """Paragraphs, and of one that is too long what fits."""
    for paragraph in _PARAGRAPHS.split(text):
        rest = _BLANKS.sub(" ", paragraph).strip()
        while len(rest) > LONGEST:
            end = _end(rest[:LONGEST])
            yield rest[:end].strip()
            rest = rest[end:].strip()
        if rest:
            yield rest


def _end(room: str) -> int:
    """Where to cut: behind the last sentence or line, else the last word, unless that leaves less than half."""
    ends = [found.end() for found in _SENTENCE_END.finditer(room)]
    for end in (max(ends, default=0), room.rfind("\n") + 1, room.rfind(" ") + 1):
        if end > LONGEST // 2:
            return end
    return len(room)
