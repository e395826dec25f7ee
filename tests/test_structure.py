"""The shape of the code: imports point one way, flask stays at the edge."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent / "inbox"
#: Where flask may be imported, besides routes and inbox/web, which serves them.
EDGE = {
    "cli/commands.py",
    "cli/groups.py",
    "cli/legacy.py",
    "cli/logs.py",
    "cli/people.py",
    "demo/demo.py",
    "media/files.py",
    "bot/profile_cache.py",
    "page/html.py",
    "__init__.py",
}
#: Every room, from the ground up: a module imports its own room and those before it.
ROOMS = """
    version errors clock background logs metrics config cipher schemas models resilience memory db gateways auth web
    outbox accounts contacts media conversations team templates hooks reports webhooks knowledge bot privacy users
    legacy server operations live page worker runtime demo cli
    __init__
""".split()


@cache
def modules() -> list[tuple[Path, ast.Module]]:
    paths = [path for path in sorted(ROOT.rglob("*.py")) if "versions" not in path.parts]
    return [(path, ast.parse(path.read_text())) for path in paths]


@cache
def imports(tree: ast.Module, *, types: bool = False) -> set[str]:
    """Names that a module imports at run time; with `types` those under TYPE_CHECKING as well."""
    found: set[str] = set()
    skipped = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test) and not types
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "inbox":
            found |= {f"inbox.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def test_flask_is_imported_at_the_edge_only() -> None:
    for path, tree in modules():
        if any(name.split(".")[0] in ("flask", "flask_caching") for name in imports(tree)):
            inside = path.relative_to(ROOT)
            assert path.name.endswith("routes.py") or inside.parts[0] == "web" or str(inside) in EDGE, path


#: The one import, of a type only, that points upwards: routes are below what is wired for them.
UPWARDS = {("inbox/web/wiring.py", "runtime")}


def test_imports_point_one_way() -> None:
    """Type-only imports count: who reads a module has to know what it names."""
    for path, tree in modules():
        here = path.relative_to(ROOT).with_suffix("").parts[0]
        for name in imports(tree, types=True):
            top, _, inside = name.partition(".")
            if top != "inbox" or not inside or (str(path.relative_to(ROOT.parent)), inside) in UPWARDS:
                continue
            assert ROOMS.index(inside.split(".")[0]) <= ROOMS.index(here), f"{path} imports {name}"


def test_there_are_few_modules_outside_of_a_room() -> None:
    assert len(list(ROOT.glob("*.py"))) <= 9


def test_the_sandbox_imports_nothing_of_the_inbox() -> None:
    for path in sorted((ROOT.parent / "sandbox").rglob("*.py")):
        assert not [name for name in imports(ast.parse(path.read_text())) if name.split(".")[0] == "inbox"], path


def test_only_the_demo_imports_the_sandbox() -> None:
    for path, tree in modules():
        if path.relative_to(ROOT).parts[0] != "demo":
            assert not [name for name in imports(tree, types=True) if name.split(".")[0] == "sandbox"], path


def test_nothing_sleeps_while_it_could_be_woken() -> None:
    for path, tree in modules():
        calls = [ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)]
        assert "time.sleep" not in calls, path


def _is_sentence(text: object) -> bool:
    return isinstance(text, str) and " " in text.strip() and any(letter.islower() for letter in text)


def _holds_sentences(node: ast.expr) -> bool:
    """True for a sentence, and for a set, tuple, list or mapping's keys of them."""
    if isinstance(node, ast.Call):  # frozenset({…})
        return any(map(_holds_sentences, node.args))
    if isinstance(node, ast.Set | ast.Tuple | ast.List):
        return any(map(_holds_sentences, node.elts))
    if isinstance(node, ast.Dict):
        return any(key is not None and _holds_sentences(key) for key in node.keys)
    return isinstance(node, ast.Constant) and _is_sentence(node.value)


def _names_of_sentences(tree: ast.Module) -> set[str]:
    """The module's constants that hold sentences."""
    assigned = [node for node in tree.body if isinstance(node, ast.Assign) and _holds_sentences(node.value)]
    return {target.id for node in assigned for target in node.targets if isinstance(target, ast.Name)}


def test_no_decision_compares_a_sentence() -> None:
    """Sentences are for people and get polished; a decision that compares one changes its meaning with it."""
    named = {path: _names_of_sentences(tree) for path, tree in modules()}
    found = []
    for path, tree in modules():
        known = named[path] | {
            alias.name
            for node in tree.body
            if isinstance(node, ast.ImportFrom) and node.module
            for alias in node.names
            if alias.name in named.get(ROOT.parent / f"{node.module.replace('.', '/')}.py", ())
        }
        for node in ast.walk(tree):
            sides = [node.left, *node.comparators] if isinstance(node, ast.Compare) else []
            if isinstance(node, ast.MatchValue):
                sides = [node.value]
            names = {side.id for side in sides if isinstance(side, ast.Name)}
            names |= {side.attr for side in sides if isinstance(side, ast.Attribute)}
            if any(map(_holds_sentences, sides)) or names & known:
                found.append(f"{path.relative_to(ROOT)}:{node.lineno} {ast.unparse(node)}")
    assert found == []
