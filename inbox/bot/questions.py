"""Questions that a profile is tried with before it is saved: kept per number, asked by the preview."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from inbox.accounts.service import require_account
from inbox.auth import audit
from inbox.auth.access import Access
from inbox.bot.schemas import QuestionBody, QuestionRow
from inbox.clock import new_id
from inbox.db import Database
from inbox.db.transactions import whole_transaction
from inbox.errors import QuestionNotFound, TooManyOfThem
from inbox.models import BotQuestion

MOST_QUESTIONS = 10  #: of one number


def list_questions(db: Database, access: Access, account_id: UUID) -> list[QuestionRow]:
    """Those of a number, the oldest first. Raises AccountNotFound, PermissionDenied."""
    with db.reading() as session:
        require_account(session, access, account_id)
        return [QuestionRow.model_validate(row) for row in _of(session, account_id)]


@whole_transaction(idempotent=True)
def add_question(db: Database, access: Access, account_id: UUID, body: QuestionBody) -> QuestionRow:
    """Keep one, or find it. Raises AccountNotFound, PermissionDenied, TooManyOfThem."""
    with db.writing() as session:
        require_account(session, access, account_id, lock=True)
        there = _of(session, account_id)
        row = next((each for each in there if each.text == body.text), None)
        if row is None:
            if len(there) >= MOST_QUESTIONS:
                raise TooManyOfThem
            now = db.now(session)
            row = BotQuestion(id=new_id(), account_id=account_id, text=body.text, created_at=now)
            session.add(row)
            _audit(session, access, "bot_question.added", row, now)
        return QuestionRow.model_validate(row)


@whole_transaction(idempotent=True)
def remove_question(db: Database, access: Access, question_id: UUID) -> None:
    """Raises QuestionNotFound."""
    with db.writing() as session:
        row = session.get(BotQuestion, question_id, with_for_update=True)
        if row is None or not access.allows(row.account_id):
            raise QuestionNotFound
        _audit(session, access, "bot_question.removed", row, db.now(session))
        session.delete(row)


def _of(session: Session, account_id: UUID) -> list[BotQuestion]:
    query = select(BotQuestion).where(BotQuestion.account_id == account_id).order_by(BotQuestion.id)
    return list(session.execute(query).scalars())


def _audit(session: Session, access: Access, action: str, row: BotQuestion, now: datetime) -> None:
    audit.record(session, access.principal, action, now, target=row.id, account_id=row.account_id, text=row.text)
