"""The page's files, as they are sent: one address for each release of all of them, packed once."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache, partial
from graphlib import TopologicalSorter
from pathlib import Path, PurePosixPath

import brotli

from inbox.conversations.shapes import limits
from inbox.page.bundles import Around, Base, bundle, later, unpacked

ROOT = Path(__file__).parent
STATIC, WORDS = ROOT / "static", ROOT / "words"
LANGUAGES = ("en", "fr")
PREFIX = "/assets"
_VENDOR = "vendor/"
#: Draws with every library that all pages have; they are in one file. Others, as the charts', stay with who needs them.
_DRAWS = "ui/base.js"
_LIBRARIES = "bundles/vendor.js"
#: Keys that begin so are said in these pages or parts only (of fields: when one is wrong), and in the server's own.
#: They do not weigh on the inbox.
_OF_PAGES = {
    "fields": ("field.",),
    "more": (
        *("details.", "emoji.", "file.", "help.", "keys.", "live.", "notes.", "palette.", "road."),
        "settings.section.",
    ),
    "settings": (
        *("audit.", "bot.", "pause.", "set.", "settings."),
        *(
            "problem.account_",
            "problem.bot_",
            "problem.contact_field_",
            "problem.has_no_password",
            "problem.knowledge_",
        ),
        *("problem.last_admin", "problem.role_", "problem.user_", "problem.webhook_"),
    ),
    "status": ("demo.", "pause.", "status."),
    "writing": ("send.", "template."),
}
_OF_THE_SERVER = ("error.", "shell.late.", "shell.noscript", "sign_in.note.", "sign_in.refused.")
#: Whose styles a page has: those that every page has, then its own.
_EVERY, _BASE = "every", ["style/tokens.css", "style/base.css", "style/ui.css"]
_LOOKS = {"bot": ("settings", "bot")}
_TYPES = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
    ".woff2": "font/woff2",
}
_PACKED = {".css", ".js", ".json", ".svg", ".txt"}
#: How files are packed for browsers, the smallest first. The inbox's largest takes a seventh of a second.
PACKINGS: Mapping[str, Callable[[bytes], bytes]] = {
    "br": partial(brotli.compress, quality=10),
    "gzip": partial(gzip.compress, compresslevel=9, mtime=0),
}
_KEPT = 500  # packed files: there are some 120
_making = threading.Lock()
_IMPORTED = re.compile(
    r"""^\s*(?:import|export)\b[^"';]*["'](\.[^"']+)["']|\bfrom\s*["'](\.[^"']+)["']""", re.MULTILINE
)

_COMMENT = re.compile(r"[ \t]*/\*[^*]*\*+(?:[^/*][^*]*\*+)*/\n?")  # of styles
_BROKEN = re.compile(r"\s*\n\s*")  # between rules and within them: a line's end says no more than a blank

#: Comments as we write them. A test holds what is left against the original, token by token.
_BLOCK = re.compile(r"^[ \t]*/\*(?:[^*]|\*(?!/))*\*/[ \t]*$", re.MULTILINE)
_LINE = re.compile(r"^[ \t]*//.*$", re.MULTILINE)
_TRAILING = re.compile(r"[ \t]+// [^\n\"'`]*$", re.MULTILINE)  # with quotes it may be part of a text
_CAST = re.compile(r"/\*\* @type \{[^*\n]*\} \*/ ?")


@dataclass(frozen=True)
class Asset:
    """A file as it is sent. `packs`: it is smaller when it is packed."""

    content: bytes = field(repr=False)
    mimetype: str
    packs: bool

    def packed(self, encoding: str) -> bytes:
        """In one of PACKINGS: done once, when the first browser asks for it."""
        return _packed(self.content, encoding)


@lru_cache(_KEPT)
def _packed(content: bytes, encoding: str) -> bytes:
    return PACKINGS[encoding](content)


@dataclass(frozen=True)
class Assets:
    """All files by their paths. `release` is a hash over them, so that what is under one address never changes."""

    files: Mapping[str, Asset]
    release: str

    def address(self, path: str) -> str:
        """Where browsers find a file. Raises KeyError for one that is not there."""
        self.files[path]
        return f"{PREFIX}/{self.release}/{path}"

    def modules(self, entry: str) -> list[str]:
        """The paths of a module and of all that it imports, directly or not, the entry last: what a browser fetches."""
        return _needed(entry, {path: file.content.decode() for path, file in self.files.items() if _is_script(path)})

    def scripts(self, entry: str, *, joined: bool) -> tuple[str, list[str]]:
        """The script that begins a page, and what it will ask for: bundles, or modules one by one."""
        *needed, last = self.modules(entry)
        if not joined:
            return last, needed
        libraries = self.modules(_DRAWS)
        return bundle_of(entry), [_LIBRARIES, *(path for path in needed if _is_foreign(path) and path not in libraries)]

    def styles(self, page: str | None = None, *, joined: bool) -> list[str]:
        """The paths of what every page looks like and of what this one adds: one for each, or all that they are of."""
        wanted = (_EVERY, page) if page else (_EVERY,)
        if joined:
            return [path for each in wanted if (path := _joined(each)) in self.files]
        return [path for each in wanted for path in _styles(each, self.files)]


def bundle_of(entry: str) -> str:
    """The path of the file that holds all of a page's own modules."""
    return f"bundles/{_name(entry)}.js"


def _name(entry: str) -> str:
    return entry.partition("/")[0]


def _joined(page: str) -> str:
    return f"bundles/{page}.css"


def _styles(page: str, paths: Iterable[str]) -> list[str]:
    """Those of a page: style/inbox.css, style/inbox-details.css …"""
    own = re.compile(rf"style/({'|'.join(_LOOKS.get(page, (page,)))})(-\w+)?\.css")
    return _BASE if page == _EVERY else sorted(filter(own.fullmatch, paths), key=len)


def imported(path: str, source: str) -> list[str]:
    """The paths that a module names in static imports."""
    named = [first or second for first, second in _IMPORTED.findall(source)]
    return [_resolved(PurePosixPath(path).parent, name) for name in named]


def _resolved(folder: PurePosixPath, name: str) -> str:
    parts = list(folder.parts)
    for part in name.split("/"):
        if part == "..":
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "/".join(parts)


def _is_script(path: str) -> bool:
    return path.endswith(".js")


def _is_foreign(path: str) -> bool:
    return path.startswith(_VENDOR)


def _is_style(path: str) -> bool:
    """One of ours: a vendored one keeps its licence."""
    return path.endswith(".css") and not _is_foreign(path)


def _needed(entry: str, sources: Mapping[str, str]) -> list[str]:
    """Modules in the order of need: each stands behind what it imports."""
    needs: dict[str, list[str]] = {}
    waiting = [entry]
    while waiting:
        path = waiting.pop()
        if path not in needs:
            needs[path] = [each for each in imported(path, sources[path]) if each in sources]
            waiting += needs[path]
    return list(TopologicalSorter(needs).static_order())


def _bundles(sources: Mapping[str, str]) -> dict[str, str]:
    """By path: all of a page's own modules in one, those of each part that it loads later, and the libraries of all."""
    libraries = Base("./vendor.js", list(filter(_is_foreign, _needed(_DRAWS, sources))), "$v")
    entries = [path for path in sources if path.endswith("/main.js")]
    own = {entry: [path for path in _needed(entry, sources) if not _is_foreign(path)] for entry in entries}
    wanted = {entry: {part for path in own[entry] for part in _later(path, sources[path])} for entry in entries}
    parts = set().union(*wanted.values())  # they may hold the module that asks for them
    pages = {part: entry for entry in entries if entry not in parts for part in wanted[entry]}

    def outside(path: str) -> str | None:
        """Where a bundle finds a file."""
        if path in pages:
            return f"./{_name(path)}.js"
        return f"../{path}" if path in sources else None

    around = Around(outside, _meant, lent=libraries.modules, mark=libraries.mark)
    modules = {path: unpacked(sources[path]) for path in libraries.modules}
    made = {_LIBRARIES: bundle({**modules, "the entry": ""}, around)}
    for entry in entries:
        page = pages.get(entry)
        if page:
            bases = [libraries, Base(f"./{_name(page)}.js", own[page])]
            around = Around(outside, _meant, bases=bases, mark="$l", is_part=True)
        else:
            lent = {path for part in pages if pages[part] == entry for path in own[part]}
            around = Around(outside, _meant, lent=lent, bases=[libraries])
        held = set(own[page]) if page else set()
        made[bundle_of(entry)] = bundle({path: sources[path] for path in own[entry] if path not in held}, around)
    return made


def _later(path: str, source: str) -> list[str]:
    return [_meant(path, name) for name in later(source)]


def _meant(path: str, name: str) -> str:
    return _resolved(PurePosixPath(path).parent, name)


def assets(*, fresh: bool = False) -> Assets:
    """The page's files, read once; `fresh` looks whether they have changed since, for people who work on them.

    To make them takes 0.3 s of CPU, so one thread does, and those that ask meanwhile wait for it.
    """
    with _making:
        return _assets(_newest() if fresh else 0)


@cache
def _assets(_newest: int) -> Assets:
    contents = {str(path.relative_to(STATIC)): path.read_bytes() for path in _files()}
    for language in LANGUAGES:
        for page in (None, *_OF_PAGES):
            contents[f"words/{page}-{language}.js" if page else f"words/{language}.js"] = _module_of_words(
                language, page
            )
    contents["words/limits.js"] = f"export default {json.dumps(limits())};\n".encode()
    for path in filter(_is_script, contents):
        if not _is_foreign(path):
            contents[path] = without_comments(contents[path].decode()).encode()
    for path in filter(_is_style, contents):
        contents[path] = _COMMENT.sub("", contents[path].decode()).encode()
    for page in (_EVERY, *{_name(path) for path in contents if path.endswith("/main.js")}):
        if styles := _styles(page, contents):
            joined = "\n".join(contents[path].decode() for path in styles)
            contents[_joined(page)] = _BROKEN.sub("\n", joined).encode()
    scripts = {path: content.decode() for path, content in contents.items() if _is_script(path)}
    contents |= {path: text.encode() for path, text in _bundles(scripts).items()}
    digest = hashlib.sha256()
    for path, content in sorted(contents.items()):
        digest.update(f"{path}\0{len(content)}\0".encode() + content)
    files = {path: _asset(path, content) for path, content in contents.items()}
    return Assets(files, digest.hexdigest()[:16])


def without_comments(source: str) -> str:
    """A script of ours without its comments and casts of types, but for comments with quotes behind a statement.

    They are a third of what browsers would load. Everything else stays, so an error names the right line.
    """
    source = _BLOCK.sub(lambda found: "\n" * found[0].count("\n"), source)
    return _TRAILING.sub("", _LINE.sub("", _CAST.sub("", source)))


def _newest() -> int:
    paths = [*_files(), *WORDS.glob("*.json")]
    return hash(tuple((str(path), path.stat().st_mtime_ns) for path in paths))


def _files() -> list[Path]:
    return sorted(path for path in STATIC.rglob("*") if path.suffix in _TYPES)


def _module_of_words(language: str, page: str | None) -> bytes:
    """The words as a module, as they come with the code: those of a page, or those that all pages share."""
    words = json.loads((WORDS / f"{language}.json").read_text())
    words = {key: text for key, text in words.items() if not key.startswith(_OF_THE_SERVER) and _is_said(key, page)}
    return f"export default {json.dumps(words, ensure_ascii=False, separators=(',', ':'))};\n".encode()


def _is_said(key: str, page: str | None) -> bool:
    """In that page alone, or in some of which it is one; None: in all."""
    if page is not None:
        return key.startswith(_OF_PAGES[page])
    return not any(map(key.startswith, _OF_PAGES.values()))


def _asset(path: str, content: bytes) -> Asset:
    suffix = PurePosixPath(path).suffix
    return Asset(content, _TYPES[suffix], suffix in _PACKED)
