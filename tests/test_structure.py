"""The shape of the code: imports point one way, flask stays at the edge."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parent.parent / "inbox"
#: Where flask may be imported, besides routes and inbox/web, which serves them.
EDGE = {"cli/commands.py", "cli/people.py", "bot/profile_cache.py", "__init__.py"}
#: Every room, from the ground up: a module imports its own room and those before it.
ROOMS = """
    errors clock logs config cipher schemas models resilience memory db gateways auth web outbox accounts contacts
    conversations media webhooks bot users server operations worker runtime cli demo __init__
""".split()


def modules() -> list[tuple[Path, ast.Module]]:
    paths = [path for path in sorted(ROOT.rglob("*.py")) if "versions" not in path.parts]
    return [(path, ast.parse(path.read_text())) for path in paths]


def imports(tree: ast.Module) -> set[str]:
    """Modules imported at run time (not under TYPE_CHECKING)."""
    found: set[str] = set()
    skipped = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def test_flask_is_imported_at_the_edge_only() -> None:
    for path, tree in modules():
        if any(name.split(".")[0] in ("flask", "flask_caching", "spectree") for name in imports(tree)):
            inside = path.relative_to(ROOT)
            assert path.name in ("routes.py", "admin_routes.py") or inside.parts[0] == "web" or str(inside) in EDGE, (
                path
            )


#: Imports that look the wrong way, each with its reason.
ALLOWED = {
    ("gateways", "outbox.outcomes"): "whom a send goes to is the outbox's word",
    ("cli", "create_app"): "the demo arranges an app",
    ("cli", "services_of"): "commands work on what the factory wired",
    ("operations", "__version__"): "/health says it",
    ("web", "__version__"): "the document says it",
    ("web", "bot.profile_cache"): "one Redis for both",
    ("cli", "demo"): "a command starts it",
    ("contacts", "webhooks.parsing.records"): "the records name people",
    ("contacts", "conversations.rows"): "the list of contacts is made there",
    ("conversations", "media"): "its route is there",
}


def test_imports_point_one_way() -> None:
    for path, tree in modules():
        here = path.relative_to(ROOT).with_suffix("").parts[0]
        for name in imports(tree):
            parts = name.split(".")
            if parts[0] != "inbox" or len(parts) < 2 or parts[1] in ("create_app", "services_of", "__version__"):
                continue
            if ROOMS.index(parts[1]) > ROOMS.index(here):
                assert any(here == a and name.startswith(f"inbox.{b}") for a, b in ALLOWED), f"{path} imports {name}"


def test_nothing_sleeps_while_it_could_be_woken() -> None:
    for path, tree in modules():
        calls = [ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)]
        assert "time.sleep" not in calls, path
