"""Whether WhatsApp takes what we know of a number, over HTTP: what `accounts check` says at the command line."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, Response

from inbox.auth.access import Permission
from inbox.errors import TemporarilyUnavailable
from inbox.operations.doctor.number_check import Checked, check_number
from inbox.web import access, answer, contract, requires, runtime

bp = Blueprint("doctor", __name__)


@bp.post("/accounts/<uuid:account_id>/check")
@requires(Permission.ACCOUNTS_MANAGE)
@contract("accounts", {200: Checked}, raises=[TemporarilyUnavailable])
def check_account(account_id: UUID) -> Response:
    """Ask WhatsApp whether a number's token, webhooks and app secret fit; it takes some seconds.

    What it says of the number's quality, limit and name is kept. A token that it refuses pauses the number.
    """
    return answer(Checked(findings=check_number(runtime(), access(), account_id)))
