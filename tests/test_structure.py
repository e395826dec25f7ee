"""The shape of the code: imports point one way, flask stays at the edge."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parent.parent / "inbox"
#: Where flask may be imported, besides routes and inbox/api, which serves them.
EDGE = {"cli.py", "cli_access.py", "cache/profile_cache.py", "__init__.py"}
#: Packages from the outside in; a module may import its own layer and those further in.
LAYERS = [
    ["sandbox", "cli", "services"],
    ["webhooks", "conversations", "bot", "accounts", "admin", "health", "auth", "api", "cache", "docs"],
    ["outbox"],
    ["gateways"],
    ["http"],
    ["models", "db", "lease", "paging", "schemas", "migrations"],
    ["resilience", "shedding"],
    ["config", "errors", "clock", "logs"],
]


def modules() -> list[tuple[Path, ast.Module]]:
    paths = [
        path for path in sorted(ROOT.rglob("*.py")) if "sandbox" not in path.parts and "versions" not in path.parts
    ]
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
            assert path.name == "routes.py" or inside.parts[0] == "api" or str(inside) in EDGE, path


def layer(part: str) -> int | None:
    return next((number for number, names in enumerate(LAYERS) if part in names), None)


#: Imports that look the wrong way, each with its reason.
ALLOWED = {
    ("gateways", "outbox.outcomes"): "whom a send goes to is the outbox's word",
    ("outbox", "accounts.tokens"): "delivering decrypts the number's token",
    ("outbox", "webhooks.ingest"): "the ingest crew runs the ingester",
    ("outbox", "accounts.removal"): "the crew that prunes purges removed numbers",
}


def test_imports_point_one_way() -> None:
    for path, tree in modules():
        here = path.relative_to(ROOT).with_suffix("").parts[0]
        mine = layer(here)
        if mine is None:
            continue
        for name in imports(tree):
            parts = name.split(".")
            theirs = layer(parts[1]) if parts[0] == "inbox" and len(parts) > 1 else None
            if theirs is None or theirs >= mine:
                continue
            assert any(here == a and name.startswith(f"inbox.{b}") for a, b in ALLOWED), f"{path} imports {name}"


def test_nothing_sleeps_while_it_could_be_woken() -> None:
    for path, tree in modules():
        calls = [ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)]
        assert "time.sleep" not in calls, path
