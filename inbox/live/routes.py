"""How pages and programs stay up to date, over HTTP."""

from __future__ import annotations

from flask import Blueprint, Response

from inbox.auth.access import Permission
from inbox.errors import Resync
from inbox.live.schemas import ChangesQuery, ChangesRow
from inbox.web import access, answer_once, contract, requires, runtime

bp = Blueprint("live", __name__)


@bp.get("/changes")
@requires(Permission.CONVERSATIONS_VIEW)
@contract("conversations", {200: ChangesRow, 204: None}, raises=[Resync])
def list_changes(query: ChangesQuery) -> Response:
    """What changed in an account since a position; 204 when nothing did.

    Begin without `since`, then read the lists; from then on ask with `next` of the answer before.
    """
    return answer_once(runtime().changes.since(access(), query))
