"""A bot's knowledge over HTTP."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, Response

from inbox.auth.access import Permission
from inbox.db.paging import Page
from inbox.errors import KnowledgeFixed, KnowledgeSourceExists, TooManyOfThem, UploadIncomplete, UploadNotFound
from inbox.knowledge import service
from inbox.knowledge.schemas import KnowledgeBody, KnowledgeSourceRow, PassageRow
from inbox.schemas import Removed
from inbox.web import access, answer, answer_page, contract, idempotency_key, requires, runtime

bp = Blueprint("knowledge", __name__)


@bp.get("/accounts/<uuid:account_id>/knowledge")
@requires(Permission.SETTINGS_MANAGE)
@contract("knowledge", {200: list[KnowledgeSourceRow]})
def list_sources(account_id: UUID) -> Response:
    """What the bot of a number answers from beside its profile: files, texts and web pages."""
    return answer_page(KnowledgeSourceRow, Page(service.list_sources(runtime().db, access(), account_id), None))


@bp.post("/accounts/<uuid:account_id>/knowledge")
@requires(Permission.SETTINGS_MANAGE)
@contract(
    "knowledge",
    {201: KnowledgeSourceRow},
    raises=[KnowledgeSourceExists, TooManyOfThem, UploadNotFound, UploadIncomplete],
)
def add_source(account_id: UUID, json: KnowledgeBody) -> Response:
    """Let the bot read something. It is cut into passages, and those that fit a question go with it to the model.

    It is `ready` or `failed` soon after. A number has 50 sources and 3,000 passages at most, a file 10 MB, a PDF
    300 pages, a web page 2 MB.
    """
    idempotency_key(None)  # there is no key: what was added twice can be removed
    return answer(service.add_source(runtime().db, access(), account_id, json), 201)


@bp.post("/knowledge/<uuid:source_id>/refresh")
@requires(Permission.SETTINGS_MANAGE)
@contract("knowledge", {200: KnowledgeSourceRow}, raises=[KnowledgeFixed])
def refresh_source(source_id: UUID) -> Response:
    """Read a page again now, instead of within a day."""
    return answer(service.refresh_source(runtime().db, access(), source_id))


@bp.delete("/knowledge/<uuid:source_id>")
@requires(Permission.SETTINGS_MANAGE)
@contract("knowledge", {200: Removed})
def remove_source(source_id: UUID) -> Response:
    """Answer from it no longer. Its passages are deleted."""
    service.remove_source(runtime().db, access(), source_id)
    return answer(Removed(id=source_id))


@bp.get("/knowledge/passages/<uuid:passage_id>")
@requires(Permission.MESSAGES_VIEW)
@contract("knowledge", {200: PassageRow})
def get_passage(passage_id: UUID) -> Response:
    """A passage that an answer of the bot names in `payload.knowledge`. One whose source has changed is gone."""
    return answer(service.get_passage(runtime().db, access(), passage_id))
