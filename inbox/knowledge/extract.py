"""The text of a PDF or a web page, in a process of its own: a hostile file takes time and memory, and never an end.

Run as a script by `inbox.knowledge.reading`, so it imports nothing of ours. It reads the file from its input and writes
one JSON object: {"parts": [{"page", "heading", "text"}], "title", "language"}, or {"problem": …}.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import resource
import sys
from typing import Any

SECONDS = 20  # of processor time
_MEMORY = 1024 * 1024 * 1024  # bytes
MOST_PAGES = 300
MOST_CHARACTERS = 500_000

_UNREAD = ["title", "script", "style", "noscript", "template", "svg", "nav", "iframe", "button", "select", "dialog"]
_BLOCKS = (
    "address article aside blockquote body br caption dd details div dl dt fieldset figcaption figure footer form "
    "header hr li main ol p pre section summary table tr ul"
).split()
_HEADINGS = ["h1", "h2", "h3", "h4", "h5", "h6"]


class Problem(Exception):
    """Why there is no text, as a code."""


def pdf(data: bytes) -> dict[str, Any]:
    """One part for each page that has text. Raises Problem."""
    from pypdf import PdfReader

    reader = PdfReader(io.BytesIO(data))
    if reader.is_encrypted and not reader.decrypt(""):
        raise Problem("encrypted")
    if len(reader.pages) > MOST_PAGES:
        raise Problem("too_many_pages")
    parts, room = [], MOST_CHARACTERS
    for number, page in enumerate(reader.pages, 1):
        text = page.extract_text()[:room]
        room -= len(text)
        if text.strip():
            parts.append({"page": number, "heading": None, "text": text})
        if room <= 0:
            raise Problem("too_long")
    title = (reader.metadata.title if reader.metadata else None) or ""
    return {"parts": parts, "title": str(title), "language": ""}


def html(data: bytes, charset: str | None) -> dict[str, Any]:
    """One part for each heading with what stands under it. Raises Problem."""
    from bs4 import BeautifulSoup
    from bs4.element import NavigableString, PreformattedString

    class Heading(NavigableString):
        """Begins a part."""

    soup = BeautifulSoup(data, "html.parser", from_encoding=charset)
    title = soup.title.get_text() if soup.title else ""
    language = str(soup.html.get("lang") or "") if soup.html else ""
    for tag in soup.find_all(_UNREAD):
        tag.extract()
    for tag in soup.find_all(_HEADINGS):
        tag.replace_with(Heading(tag.get_text(" ")))
    for tag in soup.find_all(_BLOCKS):
        tag.insert_before("\n")
        tag.insert_after("\n")
    for tag in soup.find_all(["td", "th"]):
        tag.insert_before(" | ")
    parts: list[dict[str, Any]] = [{"page": None, "heading": None, "text": ""}]
    texts: list[str] = []
    for each in soup.descendants:
        if isinstance(each, Heading):
            parts[-1]["text"] = _lines("".join(texts))
            parts.append({"page": None, "heading": " ".join(each.split()) or None, "text": ""})
            texts = []
        elif isinstance(each, NavigableString) and not isinstance(each, PreformattedString):
            texts.append(each)
    parts[-1]["text"] = _lines("".join(texts))
    if sum(len(part["text"]) for part in parts) > MOST_CHARACTERS:
        raise Problem("too_long")
    return {"parts": [part for part in parts if part["text"]], "title": " ".join(title.split()), "language": language}


def _lines(text: str) -> str:
    """Without blanks that HTML does not show, and without what begins a row of a table."""
    lines = (" ".join(line.split()).removeprefix("| ") for line in text.split("\n"))
    return "\n".join(line for line in lines if line)


def read(kind: str, charset: str | None, data: bytes) -> dict[str, Any]:
    """What is in it, or its problem. Whatever a library trips over is the file's fault."""
    try:
        return pdf(data) if kind == "pdf" else html(data, charset)
    except Problem as problem:
        return {"problem": str(problem)}
    except (MemoryError, RecursionError):
        return {"problem": "too_long"}
    except Exception:
        return {"problem": "broken"}


def main() -> None:
    """Limits first: what takes longer is killed."""
    os.nice(10)
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS + 1))
    with contextlib.suppress(ValueError):  # macOS has no such limit
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    kind, charset = sys.argv[1], sys.argv[2] or None
    sys.stdout.write(json.dumps(read(kind, charset, sys.stdin.buffer.read())))


if __name__ == "__main__":
    main()
