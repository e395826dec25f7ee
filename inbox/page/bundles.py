"""The modules of a page in one file, as production sends them: a third fewer bytes, and one request instead of ninety.

There is no build: this is done once, when a process begins, of the same files that development serves one by one. It
knows the statements that our modules are written with and refuses all others; a test holds every module to them.

The libraries that every page is made of are a bundle of their own, and so is a part that a page loads later. Bundles
take from each other what is there already: a module is never there twice, so what it keeps is one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

_IMPORT = re.compile(r'^import\s+(?:([^";]*?)\s+from\s+)?"([^"]+)";[ \t]*$', re.MULTILINE)
_EXPORT_FROM = re.compile(r'^export\s+(\*|\{[^}]*\})\s+from\s+"([^"]+)";[ \t]*$', re.MULTILINE)
_DECLARED = re.compile(r"^export (?=(?:async )?(?:function\*?|const|class) (\w+))", re.MULTILINE)
_LISTED = re.compile(r"^export (\{[^}]*\});[ \t]*$", re.MULTILINE)
_LEFT = re.compile(r"^(?:import|export)\b.*$", re.MULTILINE)
_WHERE = "import.meta.url"
_LATER = re.compile(r'\bimport\("([^"]+)"\)')
#: How the vendored modules write the same, being packed.
_PACKED = re.compile(r'(?<![\w$.])(import|export)(\{[^}]*\})(?:from("[^"]+"))?(?:;|$)')
_PACKED_DEFAULT = re.compile(r"(?<![\w$.])export default (?=function\()")
_INDENTED = re.compile(r"\n\s+(?=\S)")  # in markup over several lines it means nothing either


@dataclass(frozen=True)
class Base:
    """A bundle that others take from: its address, its modules in the order of need, and how their names begin."""

    address: str
    modules: Collection[str]
    mark: str = "$"

    def names(self) -> dict[str, str]:
        """How the bundle calls its modules."""
        return {path: f"{self.mark}{number}" for number, path in enumerate(self.modules)}


@dataclass(frozen=True)
class Around:
    """What a bundle stands among.

    `outside` gives the address of what is not in it. `resolve(path, name)` is the path that a module at `path` means by
    `name`. `lent`: modules that others take from it. `bases`: the bundles that it takes from. `mark`: how the names of
    its own modules begin. `is_part`: a page loads it later, for what its entry exports.
    """

    outside: Callable[[str], str | None]
    resolve: Callable[[str, str], str]
    lent: Collection[str] = field(default=())
    bases: Collection[Base] = field(default=())
    mark: str = "$"
    is_part: bool = False


def later(source: str) -> list[str]:
    """What a module names to be loaded later."""
    return _LATER.findall(source)


def bundle(modules: Mapping[str, str], around: Around) -> str:
    """One module of all `modules`, which stand in the order of need, the entry last.

    Raises ValueError for a statement that is not known here.
    """
    own = {path: f"{around.mark}{number}" for number, path in enumerate(modules)}
    held = {path: (name, base.address) for base in around.bases for path, name in base.names().items()}
    foreign: dict[str, str] = {}
    taken: dict[str, set[str]] = {}

    def name_of(here: str, wanted: str) -> str:
        path = around.resolve(here, wanted)
        if path in own:
            return own[path]
        if path in held:
            name, address = held[path]
            taken.setdefault(address, set()).add(name)
            return name
        return foreign.setdefault(address_of(here, wanted), f"$f{len(foreign)}")

    def address_of(here: str, wanted: str) -> str:
        address = around.outside(around.resolve(here, wanted))
        if address is None:
            raise ValueError(f"{here} imports {wanted}, which is not there")
        return address

    def put_off(here: str) -> str:
        return _LATER.sub(lambda found: f'import("{address_of(here, found[1])}")', modules[here])

    *before, entry = modules
    parts = [_wrapped(path, put_off(path), own[path], name_of) for path in before]
    lines, exported = _body(entry, put_off(entry), name_of)
    parts += lines
    if around.is_part:
        parts.append(f"export {{ {', '.join(exported)} }};")
    elif lent := [own[path] for path in modules if path in around.lent]:
        parts.append(f"export {{ {', '.join(lent)} }};")
    head = [f'import * as {name} from "{address}";' for address, name in foreign.items()]
    head += [f'import {{ {", ".join(sorted(names))} }} from "{address}";' for address, names in taken.items()]
    at = "const $at = (path) => new URL(`../${path}`, import.meta.url).href;"
    return _INDENTED.sub("\n", "\n".join([*head, at, *parts, ""]))


def unpacked(source: str) -> str:
    """A vendored module with its statements as ours are written."""

    def apart(found: re.Match[str]) -> str:
        return f"\n{found[1]} {found[2]}{f' from {found[3]}' if found[3] else ''};\n"

    source, defaults = _PACKED_DEFAULT.subn("\nconst $default = ", _PACKED.sub(apart, source))
    return f"{source.rstrip()}\nexport {{ $default as default }};\n" if defaults else source


def _wrapped(path: str, source: str, name: str, name_of: Callable[[str, str], str]) -> str:
    lines, exported = _body(path, source, name_of)
    return "\n".join(
        [f"// {path}", f"const {name} = (() => {{", *lines, f"return {{ {', '.join(exported)} }};", "})();"]
    )


def _body(path: str, source: str, name_of: Callable[[str, str], str]) -> tuple[list[str], list[str]]:
    """A module's statements without imports and exports, and what its exports are, as parts of an object."""
    exported: list[str] = []

    def passed_on(found: re.Match[str]) -> str:
        name = name_of(path, found[2])
        exported.append(f"...{name}" if found[1] == "*" else ", ".join(_picked(found[1], name)))
        return ""

    def declared(found: re.Match[str]) -> str:
        exported.append(found[1])
        return ""

    def listed(found: re.Match[str]) -> str:
        exported.extend(": ".join(dict.fromkeys(reversed(each))) for each in _names(found[1]))
        return ""

    source = _LISTED.sub(listed, _EXPORT_FROM.sub(passed_on, source))
    source = _DECLARED.sub(declared, source)
    source = _IMPORT.sub(lambda found: _bound(found[1], name_of(path, found[2])), source)
    if left := _LEFT.search(source):
        raise ValueError(f"{path}: {left[0]}")
    return [source.replace(_WHERE, f'$at("{path}")')], exported


def _bound(clause: str | None, name: str) -> str:
    """The constants that an import makes."""
    if clause is None:
        return ""
    if clause.startswith("* as "):
        return f"const {clause.removeprefix('* as ')} = {name};"
    default, brace, rest = clause.partition("{")
    made = [f"const {default.strip(' ,')} = {name}.default;"] if default.strip(" ,\n") else []
    if brace:
        pairs = [": ".join(each) if len(each) > 1 else each[0] for each in _names(rest)]
        made.append(f"const {{ {', '.join(pairs)} }} = {name};")
    return " ".join(made)


def _picked(clause: str, name: str) -> list[str]:
    return [f"{each[-1]}: {name}.{each[0]}" for each in _names(clause)]


def _names(clause: str) -> list[list[str]]:
    """What stands between braces: names, each with the one it is given when there is one."""
    return [re.split(r"\s+as\s+", each.strip()) for each in clause.strip("{} \n").split(",") if each.strip()]
