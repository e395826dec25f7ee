"""How pages and programs stay up to date, over HTTP."""

from __future__ import annotations

from flask import Blueprint, Response

from inbox.auth.access import Permission
from inbox.errors import NotAUser, Resync
from inbox.live.presence import be_present
from inbox.live.schemas import ChangesQuery, ChangesRow, PresenceBody
from inbox.web import access, access_now, answer_once, contract, requires, runtime

bp = Blueprint("live", __name__)


#: Seconds since the caller was looked up, for the answer that nothing has changed. Open pages ask for it all day.
_QUIETLY = 5.0


@bp.get("/changes")
@requires(Permission.CONVERSATIONS_VIEW, within=_QUIETLY)
@contract("conversations", {200: ChangesRow, 204: None}, raises=[Resync])
def list_changes(query: ChangesQuery) -> Response:
    """What changed in an account since a position; 204 when nothing did.

    Begin without `since`, then read the lists; from then on ask with `next` of the answer before.
    """
    changes = runtime().changes.since(access(), query, access_now)
    return answer_once(None if changes is None else changes.json())


@bp.post("/presence")
@requires(Permission.CONVERSATIONS_VIEW)
@contract("team", {204: None}, raises=[NotAUser])
def say_present(json: PresenceBody) -> Response:
    """Say which conversation you have open, so that colleagues see it in GET /changes: again every 20 seconds."""
    be_present(runtime().db, access(), json)
    return Response(status=204)
