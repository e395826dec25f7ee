"""Fails every test that lets a secret, or at INFO and above a customer's words, get into a log.

What is secret is noted where it is made or used, so that no test has to think of it: the settings, every token that
our code makes or is shown, passwords, access tokens, and the texts that builders put into messages. What is logged is
what our handler writes, and the output of the processes a test has started.
"""

from __future__ import annotations

import json
import logging
import re
import secrets as stdlib_secrets
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any
from urllib.parse import quote

import pytest

from inbox import logs
from inbox.auth import passwords
from inbox.auth.identities import Identities
from inbox.cipher import TokenCipher
from tests import builders
from tests.e2e import processes

KEPT = 500  # of each kind, the newest: fixtures that many tests share make theirs once
SHORTEST = 8  # characters; a shorter one may be a word that occurs anyway
_VARIABLES = re.compile(r"KEY|SECRET|TOKEN|PASSWORD")


class Scan:
    """What must not be told, and what was."""

    def __init__(self) -> None:
        self._secrets: OrderedDict[str, str] = OrderedDict()
        self._words: OrderedDict[str, str] = OrderedDict()
        self._lines: list[tuple[int, str]] = []
        self._processes: list[processes.Process] = []

    def secret(self, text: Any, kind: str) -> None:
        """`text` must not be logged at any level."""
        _note(self._secrets, text, kind)

    def words(self, text: Any) -> None:
        """A customer wrote `text`: it must not be logged at INFO or above."""
        _note(self._words, text, "a customer's text")

    def logged(self, level: int, line: str) -> None:
        self._lines.append((level, line))

    def started(self, process: processes.Process) -> None:
        self._processes.append(process)

    def begin(self) -> None:
        """A test begins: what was logged before is not its doing."""
        self._lines.clear()
        self._processes.clear()

    def leaks(self) -> list[str]:
        """What was told, as "kind in: line", without telling it again."""
        outputs = [(logging.INFO, line) for each in self._processes for line in _output(each)]
        lines = self._lines + outputs
        return _found(self._secrets, [line for _, line in lines]) + _found(
            self._words, [line for level, line in lines if level >= logging.INFO]
        )


def _note(known: OrderedDict[str, str], text: Any, kind: str) -> None:
    if isinstance(text, str) and len(text) >= SHORTEST and len(set(text)) > 1:
        known[text] = kind
        known.move_to_end(text)
        if len(known) > KEPT:
            known.popitem(last=False)


def _output(process: processes.Process) -> list[str]:
    return process.output().splitlines() if process.log.exists() else []


def _found(known: OrderedDict[str, str], lines: list[str]) -> list[str]:
    whole = "\n".join(lines)
    told = [(text, form, kind) for text, kind in known.items() for form in _forms(text) if form in whole]
    return [f"{kind} in: {line.replace(form, '[it]')}" for text, form, kind in told for line in lines if form in line]


def _forms(text: str) -> set[str]:
    return {
        text,
        quote(text, safe="", errors="surrogatepass"),
        json.dumps(text)[1:-1],
        json.dumps(text, ensure_ascii=False)[1:-1],
    }


scan = Scan()


@pytest.fixture(autouse=True)
def log_scan() -> Iterator[Scan]:
    """Around every test."""
    scan.begin()
    yield scan
    leaks = scan.leaks()
    if leaks:
        pytest.fail("logged what must not be:\n" + "\n".join(leaks[:10]), pytrace=False)


# --- where secrets come from, and where lines go -----------------------------------------------------------------


def _watch(owner: Any, name: str, note: Callable[..., None], *, result: bool = False) -> None:
    """Let `note` see each call of `owner.name`, and with `result` what it returned."""
    original = getattr(owner, name)

    @wraps(original)
    def watched(*args: Any, **kwargs: Any) -> Any:
        if not result:
            note(*args, **kwargs)
            return original(*args, **kwargs)
        made = original(*args, **kwargs)
        note(made, *args, **kwargs)
        return made

    setattr(owner, name, watched)


def _made(token: str, *_args: Any, **_kwargs: Any) -> None:
    if sys._getframe(2).f_globals.get("__name__", "").startswith("inbox."):
        scan.secret(token, "a token")


def _of_settings(_handler: Any, known: Any) -> None:
    for each in known:
        scan.secret(each, "a setting")


def _of_process(_process: Any, _command: Any, _log: Any, environment: dict[str, str], *_root: Any) -> None:
    for name, value in environment.items():
        if _VARIABLES.search(name):
            for each in value.split(","):
                scan.secret(each, name)


def _line(line: str, _handler: Any, record: logging.LogRecord) -> None:
    scan.logged(record.levelno, line)


_watch(stdlib_secrets, "token_urlsafe", _made, result=True)
_watch(logs._Handler, "__init__", _of_settings)
_watch(logs._Handler, "format", _line, result=True)
_watch(TokenCipher, "encrypt", lambda _cipher, token: scan.secret(token, "an access token"))
_watch(Identities, "identify", lambda _identities, token, **_: scan.secret(token, "a token that was shown"))
_watch(passwords, "generate_password_hash", lambda password, *_: scan.secret(password, "a password"))
_watch(passwords, "check_password_hash", lambda _hash, password: scan.secret(password, "a password"))
_watch(builders, "text_message", lambda text="hello", **_: scan.words(text))
_watch(processes.Process, "__init__", _of_process)
_watch(processes.Process, "__init__", lambda process, *_args, **_kwargs: scan.started(process))
