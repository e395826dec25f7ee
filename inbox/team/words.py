"""What is kept of a number and found by a word: labels and contacts' details by their name, replies by their shortcut.

Case does not tell two words apart. The account's row is locked first by all who change them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from inbox.accounts.service import require_account
from inbox.auth import audit
from inbox.auth.access import Access
from inbox.clock import new_id
from inbox.db import Database
from inbox.db.transactions import whole_transaction
from inbox.errors import DomainError, TooManyOfThem
from inbox.models import CannedReply, ContactField, Label
from inbox.schemas import Row

W = TypeVar("W", Label, CannedReply, ContactField)
R = TypeVar("R", bound=Row)


@dataclass(frozen=True)
class Kind(Generic[W, R]):
    """Labels, canned replies, or details of contacts: what tells them apart."""

    table: type[W]
    row: type[R]  #: as the wire shows one
    word: str  #: the field by which it is found; the column `<word>_key` has it without case
    most: int  #: of one number
    action: str  #: in the audit log
    told: tuple[str, ...]  #: fields whose values the audit log tells; of others only that they changed
    exists: type[DomainError]
    missing: type[DomainError]


def list_all(db: Database, access: Access, kind: Kind[W, R], account_id: UUID) -> list[R]:
    """Those of a number, by their word. Raises AccountNotFound, PermissionDenied."""
    with db.reading() as session:
        require_account(session, access, account_id)
        rows = session.execute(of_account(kind.table, account_id).order_by(_key_of(kind))).scalars()
        return [kind.row.model_validate(row) for row in rows]


@whole_transaction(idempotent=True)
def create(
    db: Database, access: Access, kind: Kind[W, R], account_id: UUID, values: Mapping[str, Any]
) -> tuple[R, bool]:
    """The row, and whether it was made now: the same call again finds it.

    Raises AccountNotFound, PermissionDenied, `kind.exists` (with other values), TooManyOfThem.
    """
    with db.writing() as session:
        require_account(session, access, account_id, lock=True)
        known = _by_word(session, kind, account_id, values[kind.word])
        if known is not None:
            if any(getattr(known, name) != value for name, value in values.items()):
                raise kind.exists
            return kind.row.model_validate(known), False
        count = select(func.count()).where(kind.table.account_id == account_id)
        if session.execute(count).scalar_one() >= kind.most:
            raise TooManyOfThem
        key = {f"{kind.word}_key": values[kind.word].casefold()}
        made = kind.table(id=new_id(), account_id=account_id, created_at=db.now(session), **values, **key)
        session.add(made)
        session.flush()
        _note(db, session, access, kind, "created", made, **{kind.word: values[kind.word]})
        return kind.row.model_validate(made), True


@whole_transaction(idempotent=True)
def change(db: Database, access: Access, kind: Kind[W, R], id_: UUID, values: Mapping[str, Any]) -> R:
    """Change the fields in `values`. Raises `kind.missing`, `kind.exists`."""
    with db.writing() as session:
        row = _found(session, access, kind, id_)
        before = {name: getattr(row, name) for name in values}
        changed = {name: value for name, value in values.items() if before[name] != value}
        if kind.word in changed:
            other = _by_word(session, kind, row.account_id, changed[kind.word])
            if other is not None and other.id != row.id:
                raise kind.exists
            setattr(row, f"{kind.word}_key", changed[kind.word].casefold())
        word = getattr(row, kind.word)
        for name, value in changed.items():
            setattr(row, name, value)
        if changed:
            told, silent = changed.keys() & set(kind.told), sorted(changed.keys() - set(kind.told))
            pairs = {"before": {name: before[name] for name in told}, "after": {name: changed[name] for name in told}}
            details = (pairs if told else {}) | ({kind.word: word, "fields": silent} if silent else {})
            _note(db, session, access, kind, "updated", row, **details)
        session.flush()
        session.refresh(row)
        return kind.row.model_validate(row)


@whole_transaction(idempotent=True)
def delete(db: Database, access: Access, kind: Kind[W, R], id_: UUID) -> None:
    """Take it away. Raises `kind.missing`."""
    with db.writing() as session:
        row = _found(session, access, kind, id_)
        _note(db, session, access, kind, "deleted", row, **{kind.word: getattr(row, kind.word)})
        session.delete(row)


def of_account(table: type[W], account_id: UUID) -> Select[W]:
    """Those of a number."""
    return select(table).where(table.account_id == account_id)


def _found(session: Session, access: Access, kind: Kind[W, R], id_: UUID) -> W:
    """The one with this id, which nobody else changes meanwhile. Raises `kind.missing`, of another number as well."""
    table = kind.table
    account_id = session.execute(select(table.account_id).where(table.id == id_)).scalar_one_or_none()
    if account_id is None or not access.allows(account_id):
        raise kind.missing
    require_account(session, access, account_id, lock=True)
    row = session.get(table, id_)
    if row is None:
        raise kind.missing
    return row


def _by_word(session: Session, kind: Kind[W, R], account_id: UUID, word: str) -> W | None:
    query = of_account(kind.table, account_id).where(_key_of(kind) == word.casefold())
    return session.execute(query).scalar_one_or_none()


def _key_of(kind: Kind[W, R]) -> Any:
    return getattr(kind.table, f"{kind.word}_key")


def _note(db: Database, session: Session, access: Access, kind: Kind[W, R], what: str, row: W, **details: Any) -> None:
    where = {"target": row.id, "account_id": row.account_id}
    audit.record(session, access.principal, f"{kind.action}.{what}", db.now(session), **where, **details)
