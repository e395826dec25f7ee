"""Prints how the house stands: modules, functions, docstrings, cycles between rooms; of two states side by side.

    python tools/house.py [BEFORE]        # BEFORE: a revision of git, by default the one before the rooms were made

Counts what is in inbox/ without migrations; lines are all lines of the files, code is lines without docstrings,
comments and blanks.
"""

from __future__ import annotations

import ast
import io
import statistics
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

BEFORE = "ac89516"  # one package, sandbox included, 16 loose modules
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(frozen=True)
class Module:
    """A file of inbox/, by its path inside."""

    path: str
    source: str

    @property
    def lines(self) -> int:
        return len(self.source.splitlines())

    @property
    def room(self) -> str:
        return self.path.split("/")[0].removesuffix(".py")


def read(revision: str | None) -> list[Module]:
    """The modules of a revision; None: as the files are now."""
    if revision is None:
        files = {str(path): path.read_text() for path in Path("inbox").rglob("*.py")}
    else:
        archive = subprocess.run(["git", "archive", revision, "inbox"], capture_output=True, check=True).stdout
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            members = [each for each in tar.getmembers() if each.name.endswith(".py")]
            files = {each.name: tar.extractfile(each).read().decode() for each in members}  # type: ignore[union-attr]
    wanted = {name.removeprefix("inbox/"): text for name, text in files.items() if "/versions/" not in name}
    return [Module(name, text) for name, text in sorted(wanted.items()) if not name.startswith("sandbox/")]


def definitions(modules: list[Module]) -> Iterator[Definition]:
    for module in modules:
        for node in ast.walk(ast.parse(module.source)):
            if isinstance(node, Definition):
                yield node


def code_lines(node: Definition) -> int:
    """Lines of a function's body that hold code: its docstring and nested blanks are not counted."""
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    return len({line for each in body for inner in ast.walk(each) if (line := getattr(inner, "lineno", 0))})


def docstrings(found: list[Definition]) -> str:
    public = [node for node in found if not node.name.startswith("_")]
    return f"{100 * sum(ast.get_docstring(node) is not None for node in public) / max(1, len(public)):.0f} %"


def cycle(modules: list[Module]) -> str:
    """One cycle of imports between rooms at run time, or none. The factory and type-only imports are left out."""
    rooms: dict[str, set[str]] = {module.room: set() for module in modules}
    for module in modules:
        tree = ast.parse(module.source)
        guarded = [node for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node)]
        skipped = {id(inner) for node in guarded for inner in ast.walk(node)}
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.ImportFrom)
                and id(node) not in skipped
                and (node.module or "").startswith("inbox.")
            ):
                rooms[module.room].add(str(node.module).split(".")[1])
    rooms.pop("__init__", None)
    edges = {room: {other for other in others if other in rooms and other != room} for room, others in rooms.items()}
    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        return " → ".join(error.args[1])
    return "none"


def measured(modules: list[Module]) -> dict[str, str]:
    found = list(definitions(modules))
    functions = [node for node in found if not isinstance(node, ast.ClassDef)]
    lengths = sorted(code_lines(node) for node in functions)
    largest = sorted(modules, key=lambda module: -module.lines)[:5]
    longest = sorted(functions, key=code_lines)[-3:]
    return {
        "modules (loose)": f"{len(modules)} ({sum('/' not in module.path for module in modules)})",
        "lines": str(sum(module.lines for module in modules)),
        "lines of a module: median, largest": f"{statistics.median(m.lines for m in modules):.0f}, {largest[0].lines}",
        "largest modules": ", ".join(f"{module.path} {module.lines}" for module in largest),
        "functions": str(len(functions)),
        "code lines of a function: median, p90": f"{lengths[len(lengths) // 2]}, {lengths[len(lengths) * 9 // 10]}",
        "longest functions": ", ".join(f"{node.name} {code_lines(node)}" for node in reversed(longest)),
        "with 10 lines or fewer": f"{100 * sum(length <= 10 for length in lengths) / len(lengths):.0f} %",
        "docstrings, public functions": docstrings(list(functions)),
        "docstrings, public classes": docstrings([node for node in found if isinstance(node, ast.ClassDef)]),
        "cycle between rooms": cycle(modules),
    }


def main() -> None:
    before = sys.argv[1] if len(sys.argv) > 1 else BEFORE
    old, new = measured(read(before)), measured(read(None))
    for name, value in new.items():
        print(f"{name}\n    {before}: {old[name]}\n    now:     {value}")


if __name__ == "__main__":
    main()
