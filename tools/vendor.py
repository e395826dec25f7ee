"""Fetches what the page needs from npm, checks it, and writes it to inbox/page/static/vendor.

    python tools/vendor.py

What is written is committed: neither running nor changing the page needs npm. Run this after changing a version here;
`npm view NAME@VERSION dist.integrity` tells the new hash. Making the font smaller takes `pip install fonttools brotli`.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
VENDOR = ROOT / "inbox" / "page" / "static" / "vendor"


@dataclass(frozen=True)
class Package:
    """A package of npm, in the one version that is used, with the hash of its file."""

    name: str
    version: str
    sha512: str
    licence: str = "LICENSE"

    def fetch(self) -> dict[str, bytes]:
        """Its files by their paths. Raises ValueError when they are not those that were chosen."""
        with tempfile.TemporaryDirectory() as folder:
            command = ["npm", "pack", "--silent", "--pack-destination", folder, f"{self.name}@{self.version}"]
            subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=300)
            packed = next(Path(folder).glob("*.tgz")).read_bytes()
        if base64.b64encode(hashlib.sha512(packed).digest()).decode() != self.sha512:
            raise ValueError(f"{self.name}@{self.version} is not the file that was chosen")
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            files = [member for member in archive.getmembers() if member.isfile()]
            return {each.name.partition("/")[2]: archive.extractfile(each).read() for each in files}  # type: ignore[union-attr]


PREACT = Package(
    "preact", "11.2.0", "/HfHI/7N84e6GrWBJ3J280z3mLaRJiDcSvj/A+y/4AbLnND/1UlGHe1sR6oYuTGwId0nP7dqDU9OnLxMPZ7xBg=="
)
SIGNALS_CORE = Package(
    "@preact/signals-core",
    "1.14.5",
    "vcRv7Ityz5JVmeiVqIluLFzT/PDS/AlhHUpw3/aUWqcVUs6bDGIPXE/6RSC4evBNWYvnniozg5Syfj33al3gkg==",
)
SIGNALS = Package(
    "@preact/signals",
    "2.11.4",
    "Rb+5RPo9gWSaHtzJeauhHxiC8KP/IF2DEPkHPEOGOnuy2wnJzRqyeLRankUCYd6ADqtxS6GnWGv6Ie343d8aYw==",
)
HTM = Package(
    "htm", "3.1.1", "983Vyg8NwUE7JkZ6NmOqpCZ+sh1bKv2iYTlUkzlWmA5JD2acKoxd4KVxbMmxX/85mtfdnDmTFoNKcg5DGAvxNQ=="
)
UPLOT = Package(
    "uplot", "1.6.32", "KIMVnG68zvu5XXUbC4LQEPnhwOxBuLyW1AHtpm6IKTXImkbLgkMy+jabjLgSLMasNuGGzQm/ep3tOkyTxpiQIw=="
)
LUCIDE = Package(
    "lucide-static",
    "1.62.0",
    "WBZA/m2PvkFpMGHDtsBck5P2A9G4ehLlYu4GwwICcmEm1BvYVgj00lCDxKRWLlbMlOibLaiwdQ88G5pHkSWgwA==",
)
INTER = Package(
    "@fontsource-variable/inter",
    "5.3.0",
    "OupL48va4JNofb97w6NYeF9S7W/kHNKM0Er8Dem5nqi4jeOLrVJDoE8tZEpnMJmtkvNbB1EIPPwHcdkF6b1oUA==",
)
EMOJI = Package(
    "emoji-picker-element-data",
    "1.8.0",
    "VfRuRJNEDLS1JKlNS4olaqhjX5S1nnZ+ZHG73b/dV8QeZyi0yPruTPEE72EmF6XO3k/9hj3lybMIYMOYXb/57A==",
)
#: Only the test that checks the page's types fetches this one; nothing of it is kept.
TYPESCRIPT = Package(
    "typescript", "5.9.3", "jl1vZzPDinLr9eUt3J/t7V6FgNEw9QjvBPdysz9KfQDD41fQrC2Y4vKQdiaUpFT4bXlb1RHhLpp8wtm6M5TgSw=="
)

#: Where modules that name each other by package find each other here.
_NEIGHBOURS = {
    "preact": "./preact.js",
    "preact/hooks": "./hooks.js",
    "@preact/signals-core": "./signals-core.js",
}
COMPONENTS = 2  # the group of what only stands within emoji, such as tones of skin
_SOURCE_MAP = re.compile(r"\n?//# sourceMappingURL=\S+\s*$")
_DRAWING = re.compile(r"<(path|circle|rect|line|polyline|polygon|ellipse) [^>]*/>")

ICONS = """
    activity arrow-down arrow-down-up arrow-left arrow-right badge-check bell bell-off book-open bot bot-off building-2
    check check-check chevron-down chevron-left chevron-right chevron-up circle circle-alert circle-check circle-dashed
    circle-question-mark circle-x clock clock-fading contact copy download ellipsis ellipsis-vertical external-link eye
    file file-text flag hand history hourglass image inbox info key-round keyboard link list-filter lock log-out mail
    mail-open map-pin menu message-square-text mic minus monitor moon panel-right paperclip pause pencil phone play plus
    refresh-cw reply rotate-ccw search send send-horizontal settings shield-check smile square-slash star sticker
    sticky-note sun tag trash-2 triangle-alert undo-2 user user-check user-plus users video volume-2 volume-x webhook
    wifi-off x zap
""".split()


def module(source: bytes) -> str:
    """A module of a package, whose neighbours stand beside it."""
    text = _SOURCE_MAP.sub("\n", source.decode())
    return re.sub(r'(from|import)\s*"([^"]+)"', lambda found: f'{found[1]}"{_NEIGHBOURS[found[2]]}"', text)


def sprite(files: dict[str, bytes], names: Iterable[str]) -> str:
    """One file with a symbol for each icon; its stroke is chosen where it is used."""
    symbols = [
        f'<symbol id="{name}" viewBox="0 0 24 24">{"".join(_drawings(files[f"icons/{name}.svg"]))}</symbol>'
        for name in sorted(names)
    ]
    return '<svg xmlns="http://www.w3.org/2000/svg">\n' + "\n".join(symbols) + "\n</svg>\n"


def _drawings(icon: bytes) -> list[str]:
    return [re.sub(r"\s+/>", "/>", found[0]) for found in _DRAWING.finditer(icon.decode())]


def emoji(data: bytes) -> str:
    """Each sign with its name, the words it is found by, and its group; those that are parts of others are left out."""
    rows = [each for each in json.loads(data) if each.get("group", COMPONENTS) != COMPONENTS]
    rows.sort(key=lambda each: each["order"])
    told = [[each["emoji"], each["annotation"], " ".join(each.get("tags", [])), each["group"]] for each in rows]
    return "[\n" + ",\n".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in told) + "\n]\n"


def smaller(font: bytes) -> bytes:
    """The font with the weights and the features that the page uses: two thirds of its size."""
    from fontTools import subset
    from fontTools.ttLib import TTFont
    from fontTools.varLib.instancer import instantiateVariableFont

    options = subset.Options()
    options.layout_features = ["kern", "liga", "calt", "ccmp", "locl", "mark", "mkmk", "tnum"]
    subsetter = subset.Subsetter(options)
    with TTFont(io.BytesIO(font), recalcTimestamp=False) as whole:
        subsetter.populate(unicodes=whole.getBestCmap())
        subsetter.subset(whole)
        whole.flavor, between = None, io.BytesIO()
        whole.save(between)  # the next step needs it read again: glyphs are told apart by name there
    with TTFont(between, recalcTimestamp=False) as few:
        light = instantiateVariableFont(few, {"wght": (400, 600)})
        light.flavor, made = "woff2", io.BytesIO()
        light.save(made)
    return made.getvalue()


def write(folder: Path, name: str, content: str | bytes) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)


def licence(package: Package, files: dict[str, bytes]) -> None:
    """The licence beside what it is for, with the version that is here."""
    name = package.name.lstrip("@").replace("/", "-")
    write(VENDOR / "licences", f"{name}.txt", f"{package.name} {package.version}\n\n".encode() + files[package.licence])


def main() -> None:
    """Fetch, check and write everything."""
    modules = {
        PREACT: {"preact.js": "dist/preact.mjs", "hooks.js": "hooks/dist/hooks.mjs"},
        SIGNALS_CORE: {"signals-core.js": "dist/signals-core.mjs"},
        SIGNALS: {"signals.js": "dist/signals.mjs"},
        HTM: {"htm.js": "dist/htm.mjs"},
    }
    for package, wanted in modules.items():
        files = package.fetch()
        licence(package, files)
        for name, path in wanted.items():
            write(VENDOR, name, module(files[path]))
    others = {package: package.fetch() for package in (UPLOT, LUCIDE, INTER, EMOJI)}
    for package, files in others.items():
        licence(package, files)
    plot = others[UPLOT]["dist/uPlot.iife.min.js"].decode()
    write(VENDOR, "uplot.js", f"{plot.rstrip()}\nexport default uPlot;\n")
    write(VENDOR, "uplot.css", others[UPLOT]["dist/uPlot.min.css"])
    write(VENDOR, "icons.svg", sprite(others[LUCIDE], ICONS))
    write(VENDOR, "inter.woff2", smaller(others[INTER]["files/inter-latin-wght-normal.woff2"]))
    for language in ("en", "fr"):
        write(VENDOR, f"emoji-{language}.json", emoji(others[EMOJI][f"{language}/cldr/data.json"]))


if __name__ == "__main__":
    main()
