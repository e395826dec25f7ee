"""What a bot has read: listed, added, read again, removed; and a passage that an answer names."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session, defer

from inbox.accounts.service import require_account
from inbox.auth import audit
from inbox.auth.access import Access
from inbox.clock import new_id
from inbox.db import Database
from inbox.db.transactions import whole_transaction
from inbox.db.wake import Work, wake
from inbox.errors import (
    FieldProblem,
    InvalidRequest,
    KnowledgeFixed,
    KnowledgeSourceExists,
    PassageNotFound,
    SourceNotFound,
    TooManyOfThem,
)
from inbox.knowledge.reading import forget_upload
from inbox.knowledge.schemas import (
    MOST_BYTES,
    MOST_SOURCES,
    FileSource,
    KnowledgeBody,
    KnowledgeSourceRow,
    PageSource,
    PassageRow,
)
from inbox.media.kinds_sent import bare
from inbox.media.uploads import whole_upload
from inbox.models import KnowledgePassage, KnowledgeSource

_FILES = frozenset({"application/pdf", "text/plain"})


def list_sources(db: Database, access: Access, account_id: UUID) -> list[KnowledgeSourceRow]:
    """Those of a number, the oldest first. Raises AccountNotFound, PermissionDenied."""
    query = select(KnowledgeSource).options(defer(KnowledgeSource.content, raiseload=True))
    of_it = query.where(KnowledgeSource.account_id == account_id).order_by(KnowledgeSource.id)
    with db.reading() as session:
        require_account(session, access, account_id)
        return [_row(source) for source in session.execute(of_it).scalars()]


@whole_transaction
def add_source(db: Database, access: Access, account_id: UUID, body: KnowledgeBody) -> KnowledgeSourceRow:
    """Have something read, soon.

    Raises AccountNotFound, PermissionDenied, KnowledgeSourceExists, TooManyOfThem, InvalidRequest, UploadNotFound,
    UploadIncomplete.
    """
    with db.writing() as session:
        require_account(session, access, account_id, lock=True)
        told = _told(session, account_id, body)
        count = select(func.count()).where(KnowledgeSource.account_id == account_id)
        if session.execute(count).scalar_one() >= MOST_SOURCES:
            raise TooManyOfThem
        now = db.now(session)
        made = {"id": new_id(), "account_id": account_id, "kind": body.source.type, "created_at": now, "due_at": now}
        source = KnowledgeSource(**made, **told)
        session.add(source)
        _audit(session, access, "knowledge.added", source, now)
        wake(session, Work.KNOWLEDGE)
        session.flush()
        return _row(source)


@whole_transaction(idempotent=True)
def refresh_source(db: Database, access: Access, source_id: UUID) -> KnowledgeSourceRow:
    """Read a page again, now. Raises SourceNotFound, KnowledgeFixed."""
    with db.writing() as session:
        source = _found(session, access, source_id)
        if source.kind != "page":
            raise KnowledgeFixed
        now = db.now(session)
        source.state, source.problem, source.due_at, source.attempts, source.lease = "reading", None, now, 0, None
        _audit(session, access, "knowledge.refreshed", source, now)
        wake(session, Work.KNOWLEDGE)
        session.flush()
        return _row(source)


@whole_transaction(idempotent=True)
def remove_source(db: Database, access: Access, source_id: UUID) -> None:
    """Use it no longer: its passages go as well. Raises SourceNotFound."""
    with db.writing() as session:
        source = _found(session, access, source_id)
        now = db.now(session)
        if source.upload_id is not None:
            forget_upload(session, source.upload_id)
        _audit(session, access, "knowledge.removed", source, now)
        session.delete(source)


def get_passage(db: Database, access: Access, passage_id: UUID) -> PassageRow:
    """A passage, for those who read what was answered from it. Raises PassageNotFound."""
    query = (
        select(KnowledgePassage, KnowledgeSource.name, KnowledgeSource.url)
        .join(KnowledgeSource, KnowledgeSource.id == KnowledgePassage.source_id)
        .where(KnowledgePassage.id == passage_id)
    )
    with db.reading() as session:
        found = session.execute(query).one_or_none()
    if found is None or not access.allows(found[0].account_id):
        raise PassageNotFound
    passage, name, url = found
    return PassageRow(
        id=passage.id,
        source_id=passage.source_id,
        source_name=name,
        url=url,
        page=passage.page,
        heading=passage.heading,
        text=passage.content,
    )


# --- inside ------------------------------------------------------------------------------------------------------


def _found(session: Session, access: Access, source_id: UUID) -> KnowledgeSource:
    """A source, locked after its number. Raises SourceNotFound."""
    source = session.get(KnowledgeSource, source_id)
    if source is None or not access.allows(source.account_id):
        raise SourceNotFound
    require_account(session, access, source.account_id, lock=True)
    source = session.get(KnowledgeSource, source_id, with_for_update=True, populate_existing=True)
    if source is None:
        raise SourceNotFound
    return source


def _told(session: Session, account_id: UUID, body: KnowledgeBody) -> dict[str, Any]:
    """What a request says of a new source."""
    source = body.source
    if isinstance(source, PageSource):
        known = select(KnowledgeSource.id).where(
            KnowledgeSource.account_id == account_id, KnowledgeSource.url == source.url
        )
        if session.execute(known).first() is not None:
            raise KnowledgeSourceExists
        return {"name": source.url, "url": source.url}
    if isinstance(source, FileSource):
        return _of_upload(session, account_id, source.upload_id)
    return {"name": source.name, "content": source.text}


def _of_upload(session: Session, account_id: UUID, upload_id: UUID) -> dict[str, Any]:
    upload = whole_upload(session, upload_id, account_id)
    if bare(upload.mime_type) not in _FILES:
        words, values = f"is {upload.mime_type}; send a PDF or a text", {"found": upload.mime_type}
        raise InvalidRequest([FieldProblem("/source/upload_id", "unreadable_file", words, values)])
    if upload.size > MOST_BYTES:
        most = MOST_BYTES // 1024 // 1024
        words = f"has {upload.size} bytes; at most {most} MB are read"
        raise InvalidRequest([FieldProblem("/source/upload_id", "file_too_large", words, {"megabytes": most})])
    return {"name": upload.filename or "file", "upload_id": upload.id}


def _row(source: KnowledgeSource) -> KnowledgeSourceRow:
    return KnowledgeSourceRow.model_validate(source)


def _audit(session: Session, access: Access, action: str, source: KnowledgeSource, now: datetime) -> None:
    told = {"kind": source.kind, "name": source.name}
    audit.record(session, access.principal, action, now, target=source.id, account_id=source.account_id, **told)
