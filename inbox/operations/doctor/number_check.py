"""One number, examined for somebody who waits for it: the doctor's findings, sorted by what they are about."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal
from uuid import UUID

from pydantic import Field

from inbox.accounts.reputation import keep_found
from inbox.accounts.service import require_account
from inbox.auth.access import Access
from inbox.db import Database
from inbox.errors import TemporarilyUnavailable, UpstreamBusy
from inbox.gateways.whatsapp.pauses import pause_of
from inbox.models import Account
from inbox.operations.doctor import examine_numbers
from inbox.operations.doctor.findings import Finding, Level
from inbox.operations.doctor.subject import Subject
from inbox.operations.doctor.whatsapp import CREDENTIALS_REFUSED
from inbox.outbox.store import pause_number
from inbox.resilience import Bulkhead
from inbox.schemas import Row

About = Literal["number", "token", "account", "webhooks", "app_secret"]
#: How the subject of a finding ends, or begins where it is about what we have stored.
_ENDS: dict[str, About] = {
    " app secret": "app_secret",
    " webhooks": "webhooks",
    " account": "account",
    " token": "token",
}
#: A check holds a request's thread for as long as WhatsApp takes: one at a time, the next may wait a moment.
_CHECKS = Bulkhead("checks of numbers", 1, line=2, patience=3.0)


class CheckRow(Row):
    """One thing that was looked at. `found` and `do` are sentences in English; neither holds a secret."""

    about: About
    level: Level = Field(description="ok; warning: it works, but look; problem: something does not work.")
    code: str = Field(description="A word that stays, for sentences in other languages; `values` belong into them.")
    values: dict[str, str]
    found: str
    do: str | None


class Checked(Row):
    """What was found, the number itself first."""

    findings: list[CheckRow]


def check_number(subject: Subject, access: Access, account_id: UUID) -> list[CheckRow]:
    """What WhatsApp says of a number. What it says of its quality and name is kept; a token that it does not take
    pauses the number, as a message that is refused for it would.

    Raises AccountNotFound, PermissionDenied, TemporarilyUnavailable.
    """
    with subject.db.reading() as session:
        account = require_account(session, access, account_id)
        phone_number_id, token = account.phone_number_id, account.access_token_encrypted
    try:
        with _CHECKS.place(access.principal.id):
            findings = examine_numbers(subject, phone_number_id)
    except UpstreamBusy as busy:
        wait = math.ceil(busy.retry_after or 1.0)
        title = f"Another number is being checked. Try again in {wait} s."
        raise TemporarilyUnavailable(title, retry_after=wait) from None
    _keep(subject.db, account_id, token, findings)
    asked = any(each.what.startswith("WhatsApp") for each in findings)
    return [_row(each) for each in findings if not (asked and each.code == "tokens_stored")]  # the answer says more


def _keep(db: Database, account_id: UUID, token: str | None, findings: Sequence[Finding]) -> None:
    """Keep what WhatsApp said. `token`: that it was asked with; another one may have come meanwhile."""
    refused = next((each.values["meta"] for each in findings if each.code == CREDENTIALS_REFUSED), "")
    told = next((each.values for each in findings if "quality" in each.values), None)
    if not refused and told is None:
        return
    with db.writing() as session:
        now = db.now(session)
        if told is not None:
            keep_found(session, account_id, told, now)
        if refused:
            same = Account.access_token_encrypted.is_not_distinct_from(token)
            pause_number(session, account_id, pause_of(int(refused)), now, same)


def _row(finding: Finding) -> CheckRow:
    stored: About = "token" if finding.what.startswith("token") or finding.code == CREDENTIALS_REFUSED else "number"
    about = next((about for end, about in _ENDS.items() if finding.what.endswith(end)), stored)
    return CheckRow(
        about=about,
        level=finding.level,
        code=finding.code,
        values=dict(finding.values),
        found=finding.found,
        do=finding.do,
    )
