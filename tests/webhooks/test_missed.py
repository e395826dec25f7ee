"""A webhook that was turned away is remembered: until WhatsApp repeats it, silence proves nothing (I7)."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from inbox.db import Database
from inbox.errors import DatabaseUnavailable
from inbox.server import shedding
from inbox.server.shedding import Kind, Ticket
from inbox.webhooks import routes
from inbox.webhooks.missed import Missed
from tests.builders import sample, signed
from tests.settings import APP_SECRET

PATH = "/webhook/whatsapp"
BODY = sample("text")


@pytest.fixture
def missed(monkeypatch: pytest.MonkeyPatch) -> Missed:
    made = Missed()
    monkeypatch.setattr(routes, "missed", made)
    monkeypatch.setattr(shedding, "missed", made)
    return made


def test_a_webhook_that_is_stored_is_not_missed(stranger: FlaskClient, db: Database, missed: Missed) -> None:
    assert stranger.post(PATH, data=BODY, headers=signed(BODY, APP_SECRET)).status_code == 200
    assert missed.ago() is None


def test_a_webhook_is_missed_while_the_database_is_away(
    stranger: FlaskClient, db: Database, missed: Missed, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise DatabaseUnavailable

    monkeypatch.setattr(routes, "store_event", away)
    assert stranger.post(PATH, data=BODY, headers=signed(BODY, APP_SECRET)).status_code == 503
    assert missed.ago() is not None


def test_a_signature_that_is_not_ours_may_be_of_a_secret_that_we_lack(
    stranger: FlaskClient, db: Database, missed: Missed
) -> None:
    assert stranger.post(PATH, data=BODY, headers=signed(BODY, "another secret")).status_code == 401
    assert missed.ago() is not None


def test_what_comes_without_a_signature_is_no_webhook(stranger: FlaskClient, db: Database, missed: Missed) -> None:
    assert stranger.post(PATH, data=BODY).status_code == 401
    assert missed.ago() is None


class _Client:
    def has_left(self) -> bool:
        return False

    def refuse(self) -> None:
        pass


@pytest.mark.parametrize(
    ("kind", "counts"), [(Kind.WEBHOOK, True), (Kind.STREAMED, True), (Kind.ORDINARY, False), (Kind.HEALTH, False)]
)
def test_a_webhook_that_was_shed_is_missed(missed: Missed, kind: Kind, counts: bool) -> None:
    Ticket(kind, _Client(), 0.0, print).refuse()
    assert (missed.ago() is not None) is counts


def test_the_newest_moment_counts() -> None:
    now = 100.0
    missed = Missed(clock=lambda: now)
    missed.note()
    now = 107.0
    assert missed.ago() == 7.0
