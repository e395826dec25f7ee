"""Reading what a business gives its bot: fetched, made text of, cut into passages, kept. A crew of its own does it.

A source that fails keeps the passages of the time before. A page is read again every day, and after trouble that may
pass sooner; a file and a text are read once, and what they came from is not kept.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import Any, Literal
from uuid import UUID, uuid4

from sqlalchemy import Select, func, select, text, update
from sqlalchemy.orm import Session

from inbox.clock import new_id
from inbox.db import Database
from inbox.db.clean import clean_text
from inbox.db.wake import Work, wake
from inbox.db.words import folded
from inbox.errors import UpstreamError, UpstreamRejected
from inbox.gateways.pages import PACKED, REDIRECTS, TOO_LARGE, Pages
from inbox.knowledge import extract
from inbox.knowledge.languages import CONFIGURATIONS, NO_LANGUAGE, code_of, language_of
from inbox.knowledge.passages import Part, cut, sections
from inbox.knowledge.schemas import MOST_BYTES, MOST_PASSAGES
from inbox.media.kinds import HEAD, type_of
from inbox.media.store import FileMissing, Store, key_of, read_whole
from inbox.models import LET_GO, Account, BotProfile, KnowledgePassage, KnowledgeSource, Upload

log = logging.getLogger(__name__)

Problem = Literal[
    "private", "unreachable", "failing", "refused", "not_found", "redirects", "packed", "too_large",
    "not_text", "empty", "encrypted", "broken", "too_long", "too_many_pages", "full", "gone", "busy",
]  # fmt: skip
#: Trouble that may pass: it is tried again sooner than in a day.
_PASSING = frozenset({"unreachable", "failing", "busy"})
_OF_THE_PAGE = frozenset({TOO_LARGE, REDIRECTS, PACKED})
EVERY = timedelta(days=1)
_AFTER_FAILURE = timedelta(minutes=5)
_LEASE = timedelta(minutes=3)  # fetching ends after 20 seconds, making text of it after 60
_LONGEST = 60.0  # seconds of a process that reads, whatever it waits for
_SCRIPT = str(Path(extract.__file__).absolute())
_ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TMPDIR", "LANG")  # what a program may need to start
_HTML = frozenset({"text/html", "application/xhtml+xml"})
_MAX_NAME = 240


class Unreadable(Exception):
    """There is no text in a source, and why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.problem = problem


@dataclass(frozen=True, slots=True)
class ReadClaim:
    """A source to be read until the lease ends."""

    id: UUID
    lease: UUID
    account_id: UUID
    kind: str
    url: str | None
    upload_id: UUID | None
    content: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Found:
    """What there was to read. `language` as a source keeps it; `name` empty: as it is called already."""

    passages: list[Part]
    size: int
    language: str
    name: str = ""


class Reading:
    """The claim and handle functions of the crew that reads. Of one process."""

    def __init__(self, db: Database, pages: Pages, store: Store) -> None:
        self._db = db
        self._pages = pages
        self._store = store

    def claims(self, threads: int) -> Sequence[ReadClaim]:
        """Sources that are due, at most one for each free thread."""
        with self._db.writing() as session:
            return claim(session, self._db.now(session), threads)

    def next_due(self) -> float | None:
        """Seconds until there is something to claim."""
        with self._db.reading() as session:
            at = session.scalar(_first_due())
            return None if at is None else (at - self._db.now(session)).total_seconds()

    def read(self, claim: ReadClaim) -> None:
        """Read a source, and keep what is in it or why there is nothing. No transaction is open while it is read."""
        found: Found | None = None
        problem: Problem | None = None
        try:
            found = self._found(claim)
            if not found.passages:
                problem = "empty"
        except Unreadable as error:
            problem = error.problem
        with self._db.writing() as session:
            _record(session, claim, found, problem, self._db.now(session))

    def raised(self, claim: ReadClaim) -> None:
        """Our own code failed at it: that is told, and does not come back every few minutes."""
        with self._db.writing() as session:
            _record(session, claim, None, "broken", self._db.now(session))

    # --- what there is -------------------------------------------------------------------------------------------

    def _found(self, claim: ReadClaim) -> Found:
        """Raises Unreadable."""
        if claim.kind == "text":
            return _plain(claim.content or "", len((claim.content or "").encode()))
        if claim.kind == "file":
            data = self._file(claim)
            return _read_as(data, type_of(data[:HEAD], "text/plain"), None)
        try:
            page = self._pages.fetch(claim.url or "")
        except UpstreamError as error:
            log.info("a page was not read", extra={"source_id": str(claim.id), "reason": error.reason})
            raise Unreadable(_problem_of(error)) from error
        told, _, rest = page.content_type.partition(";")
        mime_type = type_of(page.data[:HEAD], "text/plain")
        if mime_type == "text/plain" and told.strip().lower() in _HTML:
            mime_type = "text/html"
        return _read_as(page.data, mime_type, _charset(rest))

    def _file(self, claim: ReadClaim) -> bytes:
        if claim.upload_id is None:
            raise Unreadable("gone")
        try:
            return read_whole(self._store, key_of(claim.account_id, claim.upload_id))
        except FileMissing as error:
            raise Unreadable("gone") from error
        except UpstreamError as error:
            raise Unreadable("busy") from error


# --- making text of it -------------------------------------------------------------------------------------------


def _read_as(data: bytes, mime_type: str, charset: str | None) -> Found:
    if len(data) > MOST_BYTES:
        raise Unreadable("too_large")
    if mime_type == "application/pdf":
        return _extracted("pdf", data, "")
    if mime_type == "text/html":
        return _extracted("html", data, charset or "")
    if mime_type != "text/plain" or b"\0" in data:
        raise Unreadable("not_text")
    return _plain(_decoded(data, charset), len(data))


def _plain(content: str, size: int) -> Found:
    if len(content) > extract.MOST_CHARACTERS:
        raise Unreadable("too_long")
    return Found(cut(sections(content)), size, _language(content))


def _decoded(data: bytes, charset: str | None) -> str:
    for each in (charset, "utf-8-sig"):
        try:
            return data.decode(each or "utf-8-sig")
        except (LookupError, ValueError):
            continue
    return data.decode("cp1252", "replace")


def _charset(parameters: str) -> str | None:
    """Of a Content-Type."""
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset" and value.strip(" \"'").isascii():
            return value.strip(" \"'")[:40] or None
    return None


def _extracted(kind: str, data: bytes, charset: str) -> Found:
    """By a process of its own, which is killed when it takes too long. It is given none of our settings."""
    command = [sys.executable, "-I", _SCRIPT, kind, charset]
    env = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    try:
        done = subprocess.run(  # noqa: S603 (a script of ours)
            command, input=data, stdout=PIPE, stderr=DEVNULL, timeout=_LONGEST, env=env, check=False
        )
        told = json.loads(done.stdout)
    except (subprocess.TimeoutExpired, ValueError) as error:  # it was killed, by us or by its own limits
        log.warning("a file takes too long to read", extra={"kind": kind, "size": len(data)})
        raise Unreadable("too_long") from error
    except OSError as error:  # no memory or no process is left
        raise Unreadable("busy") from error
    if "problem" in told:
        raise Unreadable(told["problem"])
    passages = cut(Part(part["text"], part["page"], clean_text(part["heading"] or "")) for part in told["parts"])
    language = _language("\n".join(part.text for part in passages), told["language"][:2].lower())
    name = " ".join(clean_text(told["title"]).split())[:_MAX_NAME] if kind == "html" else ""
    return Found(passages, len(data), language, name)


def _language(content: str, told: str = "") -> str:
    return CONFIGURATIONS.get(language_of(content) or told, NO_LANGUAGE)


def _problem_of(error: UpstreamError) -> Problem:
    if error.reason == "NotPublicError":
        return "private"
    if error.code in _OF_THE_PAGE:
        return error.code  # type: ignore[return-value]  # one of those above
    if error.http_status in (404, 410):
        return "not_found"
    if isinstance(error, UpstreamRejected) or error.http_status in (401, 403):
        return "refused"
    return "unreachable" if error.http_status is None else "failing"


# --- claiming ----------------------------------------------------------------------------------------------------

_IN_USE = KnowledgeSource.account_id.in_(select(Account.id).where(Account.deleted_at.is_(None)))


def _first_due() -> Select[datetime | None]:
    due = select(KnowledgeSource.due_at).where(KnowledgeSource.due_at.is_not(None), _IN_USE)
    return due.order_by(KnowledgeSource.due_at).limit(1)


def claim(session: Session, now: datetime, limit: int) -> list[ReadClaim]:
    """Lease what is due, what has waited longest first."""
    due = (
        select(KnowledgeSource)
        .where(KnowledgeSource.due_at <= now, _IN_USE)
        .order_by(KnowledgeSource.due_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    claims = []
    for source in session.execute(due).scalars():
        source.lease, source.due_at, source.attempts = uuid4(), now + _LEASE, source.attempts + 1
        own = {name: getattr(source, name) for name in ReadClaim.__dataclass_fields__}
        claims.append(ReadClaim(**own))
    return claims


# --- recording ---------------------------------------------------------------------------------------------------


def _record(session: Session, claim: ReadClaim, found: Found | None, problem: Problem | None, now: datetime) -> None:
    """A lease that ended meanwhile makes it somebody else's, and a source that is gone nobody's: nothing is kept."""
    account = select(Account.id).where(Account.id == claim.account_id).with_for_update(key_share=True)
    session.execute(account)  # the passages of a number are counted by one at a time
    source = session.get(KnowledgeSource, claim.id, with_for_update=True)
    if source is None or source.lease != claim.lease:
        return
    if found is not None and problem is None and _of_others(session, source) + len(found.passages) > MOST_PASSAGES:
        problem = "full"
    source.lease, source.problem = None, problem
    if found is not None and problem is None:
        language = found.language if found.language != NO_LANGUAGE else _of_profile(session, source.account_id)
        _keep(session, source, found.passages, language)
        source.state, source.attempts, source.read_at = "ready", 0, now
        source.size, source.language, source.passages = found.size, language, len(found.passages)
        source.name = found.name or source.name
    else:
        source.state = "failed"
    source.due_at = _next_time(source, now)
    if source.due_at is None:
        _let_go(session, source)
    else:
        wake(session, Work.KNOWLEDGE, source.due_at)
    outcome = {"source_id": str(source.id), "state": source.state, "reason": problem, "passages": source.passages}
    log.info("a source was read", extra=outcome)


def _next_time(source: KnowledgeSource, now: datetime) -> datetime | None:
    if source.problem in _PASSING:
        wait: timedelta = min(_AFTER_FAILURE * 3 ** min(source.attempts - 1, 6), EVERY)
        return now + wait
    return now + EVERY if source.kind == "page" else None


def _let_go(session: Session, source: KnowledgeSource) -> None:
    """It is not read again, so what it came from is not needed: the sweep takes the file."""
    if source.upload_id is not None:
        forget_upload(session, source.upload_id)
    source.upload_id = source.content = None


def forget_upload(session: Session, upload_id: UUID) -> None:
    """Let the next sweep take a file that was handed over, if nobody has sent it."""
    session.execute(update(Upload).where(Upload.id == upload_id).values(created_at=LET_GO))


def _of_others(session: Session, source: KnowledgeSource) -> int:
    mine = KnowledgeSource.account_id == source.account_id, KnowledgeSource.id != source.id
    return int(session.execute(select(func.coalesce(func.sum(KnowledgeSource.passages), 0)).where(*mine)).scalar_one())


def _of_profile(session: Session, account_id: UUID) -> str:
    """The language of the number's profile, where the text itself does not tell."""
    query = select(BotProfile.content).where(BotProfile.account_id == account_id)
    content: dict[str, Any] = session.execute(query).scalar_one_or_none() or {}
    rules = content.get("template_config", {}).get("system_rules", {})
    code = code_of(content.get("language") or rules.get("language"))
    return CONFIGURATIONS[code] if code else NO_LANGUAGE


def _keep(session: Session, source: KnowledgeSource, parts: Sequence[Part], language: str) -> None:
    """Make the passages of a source these. One that says the same keeps its id: answers name it."""
    mine = select(KnowledgePassage).where(KnowledgePassage.source_id == source.id).order_by(KnowledgePassage.number)
    there = list(session.execute(mine).scalars())
    same = {(row.content, row.heading, row.page, row.language): row for row in there}
    new, kept = [], set()
    for number, part in enumerate(parts):
        row = same.pop((part.text, part.heading, part.page, language), None)
        if row is None:
            new.append(_passage(source, number, part, language))
        else:
            row.number = number
            kept.add(row.seq)
    for row in there:
        if row.seq not in kept:
            session.delete(row)
    session.add_all(new)
    session.flush()
    if session.get_bind().dialect.name == "sqlite" and new:
        session.execute(_INDEX, [_words_of(row) for row in new])


def _passage(source: KnowledgeSource, number: int, part: Part, language: str) -> KnowledgePassage:
    of_it = {"account_id": source.account_id, "source_id": source.id}
    return KnowledgePassage(
        id=new_id(), **of_it, number=number, page=part.page, heading=part.heading, language=language, content=part.text
    )


_INDEX = text("INSERT OR REPLACE INTO knowledge_words (rowid, account, content) VALUES (:seq, :account, :content)")


def _words_of(row: KnowledgePassage) -> dict[str, Any]:
    return {"seq": row.seq, "account": row.account_id.hex, "content": folded(f"{row.heading or ''} {row.content}")}
