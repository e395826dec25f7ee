"""The scanner of logs finds what it is there to find. See log_scan.py, which watches every other test."""

from __future__ import annotations

import logging
import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

from inbox import logs
from tests.log_scan import Scan

ROOT = Path(__file__).parent.parent

LEAK = """
from tests.conftest import *  # noqa: F403
import logging
from inbox import logs
from inbox.auth import keys, passwords
from inbox.auth.access import Role
from tests.builders import text_message

def say(*words):
    logs.configure("json", "DEBUG", ())
    logs._SECRETS = logs._HINTS = __import__("re").compile("(?!)")  # as if nothing were redacted
    for word in words:
        logging.getLogger("inbox").info("look: %s", word)

def test_a_key(db):
    say(keys.create(db, name="Leaky", role=Role.ADMIN).secret)

def test_a_setting(config, app):
    say(config.gemini_api_key)

def test_an_access_token(runtime):
    runtime.cipher.encrypt("EAAGsomethingsecret")
    say({"token": "EAAGsomethingsecret"})

def test_a_password():
    passwords.generate_password_hash("correct horse, battery & staple")
    say("?password=correct%20horse%2C%20battery%20%26%20staple")

def test_a_token_that_was_shown(client):
    client.get("/accounts", headers={"Authorization": "Bearer inbox_session_" + "y" * 43})
    say("inbox_session_" + "y" * 43)

def test_a_customers_text():
    text_message("My doctor says it is the left knee")
    say("My doctor says it is the left knee")

def test_nothing(client):
    text_message("My dentist says it is the right one")
    client.get("/accounts")
    logging.getLogger("inbox").debug("My dentist says it is the right one")
    say("all is well")
"""


def test_every_leak_fails_its_test_and_is_not_told_again(tmp_path: Path) -> None:
    """In a pytest of its own, since each of these tests is to fail."""
    (tmp_path / "test_leaks.py").write_text(LEAK)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-n",
        "0",
        "-p",
        "no:cacheprovider",
        "-c",
        str(ROOT / "pyproject.toml"),
    ]
    done = subprocess.run(
        [*command, "--rootdir", str(ROOT), str(tmp_path / "test_leaks.py"), "-k", "not postgresql"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert "7 passed" in done.stdout, done.stdout + done.stderr  # the tests themselves find nothing wrong
    assert "6 errors" in done.stdout, done.stdout
    for kind in (
        "a token",
        "a setting",
        "an access token",
        "a password",
        "a token that was shown",
        "a customer's text",
    ):
        assert f"{kind} in: " in done.stdout
    told = [line for line in done.stdout.splitlines() if " in: " in line]
    assert len(told) >= 6
    assert not [line for line in told if "left knee" in line or "battery" in line or "yyyy" in line or "EAAG" in line]


@pytest.fixture
def scan() -> Scan:
    return Scan()


def test_a_secret_is_found_in_the_spellings_of_json_and_addresses(scan: Scan) -> None:
    scan.secret('pass"word/with ü', "a password")
    for line in ('pass"word/with ü', 'pass\\"word/with ü', 'pass\\"word/with \\u00fc', "pass%22word%2Fwith%20%C3%BC"):
        scan.begin()
        scan.logged(logging.DEBUG, f"at the start {line} at the end")
        assert scan.leaks() == ["a password in: at the start [it] at the end"]


def test_what_a_customer_wrote_may_be_told_to_those_who_debug(scan: Scan) -> None:
    scan.words("the left knee")
    scan.logged(logging.DEBUG, "the left knee")
    assert scan.leaks() == []
    scan.logged(logging.INFO, "the left knee")
    assert scan.leaks() == ["a customer's text in: [it]"]


def test_any_text_can_be_a_secret(scan: Scan) -> None:
    scan.secret("half a smile \ud83d", "a password")
    scan.logged(logging.INFO, "all is well")
    assert scan.leaks() == []


def test_short_words_are_no_secrets(scan: Scan) -> None:
    scan.secret("hello", "a password")
    scan.secret("xxxxxxxxxxxx", "a setting")
    scan.logged(logging.INFO, "hello xxxxxxxxxxxx")
    assert scan.leaks() == []


def test_tokens_that_our_code_makes_are_noted_and_those_of_tests_are_not(log_scan: Scan) -> None:
    mine = secrets.token_urlsafe(32)
    logs.configure("text", "INFO")
    logging.getLogger("inbox").info("a test made %s", mine)
    assert log_scan.leaks() == []
