"""Dead letters over HTTP."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, Response

from inbox.auth.access import Permission
from inbox.operations.dead_letters import service
from inbox.operations.dead_letters.schemas import (
    DeadLetterContent,
    DeadLetterQuery,
    DeadLetterRow,
    ReplayBody,
    Replayed,
    ReplayedMany,
)
from inbox.web import access, answer, answer_page, contract, requires, runtime

bp = Blueprint("dead_letters", __name__)


@bp.get("/dead-letters")
@requires(Permission.ROLES_MANAGE, everywhere=True)
@contract("admin", {200: list[DeadLetterRow]})
def list_dead_letters(query: DeadLetterQuery) -> Response:
    """What came in and could not be stored, with the reason; newest first."""
    return answer_page(DeadLetterRow, service.list_dead_letters(runtime().db, query))


@bp.get("/dead-letters/<uuid:letter_id>")
@requires(Permission.ROLES_MANAGE, everywhere=True)
@contract("admin", {200: DeadLetterContent})
def get_dead_letter(letter_id: UUID) -> Response:
    """One, with what it holds: that may be a customer's message, so it takes the right to read those as well."""
    return answer(service.get_dead_letter(runtime().db, access().principal, letter_id))


@bp.post("/dead-letters/replay")
@requires(Permission.ROLES_MANAGE, everywhere=True)
@contract("admin", {200: ReplayedMany})
def replay_dead_letters(json: ReplayBody) -> Response:
    """Try many again, oldest first: all, or those with one reason. What was replayed before is left alone."""
    return answer(service.replay_dead_letters(runtime().db, access().principal, json.reason))


@bp.post("/dead-letters/<uuid:letter_id>/replay")
@requires(Permission.ROLES_MANAGE, everywhere=True)
@contract("admin", {200: Replayed})
def replay_dead_letter(letter_id: UUID) -> Response:
    """Try it again, as if it had just come. The same again changes nothing; it says what became of it if it failed."""
    return answer(service.replay_dead_letter(runtime().db, access().principal, letter_id))
