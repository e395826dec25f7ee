"""Every package that runs is pinned, with its hashes, and every direct one has its reason written down."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
#: One requirement of requirements.txt: its pin, then its hashes.
_PIN = re.compile(r"^(\S+==\S+)((?: \\\n    --hash=sha256:[0-9a-f]{64})+)$", re.M)


def pinned(text: str) -> dict[str, Requirement]:
    """By canonical name. Raises for a line that is no requirement."""
    lines = [line.partition("#")[0].strip(" \\") for line in text.splitlines() if "--hash" not in line]
    found = [Requirement(line) for line in lines if line]
    return {canonicalize_name(each.name): each for each in found}


def needed(roots: dict[str, Requirement]) -> dict[str, set[str]]:
    """Everything reachable from `roots` in this environment, with who needs it."""
    found: dict[str, set[str]] = {}
    waiting = [(each, "requirements.txt") for each in roots.values()]
    while waiting:
        requirement, by = waiting.pop()
        name = canonicalize_name(requirement.name)
        known = name in found
        found.setdefault(name, set()).add(by)
        if known and not requirement.extras:
            continue
        for text in metadata.requires(name) or []:
            inner = Requirement(text)
            extras = requirement.extras or {""}
            if by != name and (
                inner.marker is None or any(inner.marker.evaluate({"extra": extra}) for extra in extras)
            ):
                waiting.append((inner, name))
    return found


def test_whatever_runs_is_pinned_to_the_version_that_is_installed() -> None:
    pins = pinned((ROOT / "requirements.txt").read_text())
    inexact = [str(each) for each in pins.values() if not re.fullmatch(r"==[^*,]+", str(each.specifier))]
    assert inexact == []
    reachable = needed(pins)
    assert {name: by for name, by in reachable.items() if name not in pins} == {}
    wrong = {name: metadata.version(name) for name in pins if not pins[name].specifier.contains(metadata.version(name))}
    assert wrong == {}


def test_every_pin_has_hashes() -> None:
    text = (ROOT / "requirements.txt").read_text()
    assert len(_PIN.findall(text)) == len(pinned(text))


def test_what_is_named_is_pinned_and_nothing_that_nobody_needs() -> None:
    direct = pinned((ROOT / "requirements.in").read_text())
    pins = pinned((ROOT / "requirements.txt").read_text())
    assert {name: str(pins[name].specifier) for name in direct} == {
        n: str(each.specifier) for n, each in direct.items()
    }
    assert pins.keys() <= needed(direct).keys() | direct.keys()


def test_each_direct_dependency_has_a_reason() -> None:
    direct = (ROOT / "requirements.in").read_text()
    rows = re.findall(r"^\| (\S+) \| (.+) \|$", (ROOT / "docs" / "dependencies.md").read_text(), re.M)
    listed = {canonicalize_name(name) for name, why in rows if name not in ("package", "---") and len(why) > 5}
    assert listed == pinned(direct).keys()


def test_what_is_pinned_for_tests_is_exact_as_well() -> None:
    text = (ROOT / "requirements-dev.txt").read_text()
    assert [str(each) for each in pinned(text).values() if not str(each.specifier).startswith("==")] == []
