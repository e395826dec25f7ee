"""One thing done to many conversations: in one transaction, and each says what became of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import lru_cache, partial
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from inbox.auth.access import Access, Permission
from inbox.conversations.readers import read_through
from inbox.conversations.rows import conversation_rows, conversations_shown, me
from inbox.conversations.schemas import ConversationRow
from inbox.conversations.service import change_status, give_to, may_answer
from inbox.db import Database, one_of
from inbox.db.queries import values_of
from inbox.db.transactions import whole_transaction
from inbox.errors import ConversationNotFound, DomainError, InvalidRequest, PermissionDenied, TooManyOfThem
from inbox.models import CONVERSATIONS, Account, Conversation
from inbox.team.labels import check_known, put_labels
from inbox.team.schemas import MOST_OF_ONE, BulkBody, BulkOutcome, GiveTo, MarkRead, PutLabels, SetStatus

Act = Callable[[Conversation], None]


@whole_transaction(idempotent=True)
def change_many(db: Database, access: Access, body: BulkBody, *, bot_stays_out: timedelta) -> list[BulkOutcome]:
    """Do it to each, in the order of the request. One that is refused does not hold back the others."""
    with db.writing() as session:
        found = _locked(session, access, body.conversation_ids)
        act = _act(session, access, body, db.now(session), bot_stays_out)
        refused = {each: problem for each in sorted(body.conversation_ids) if (problem := _try(act, found.get(each)))}
        session.flush()
        rows = _rows(session, access, found.keys() - refused.keys())
    return [_outcome(each, rows.get(each), refused.get(each)) for each in body.conversation_ids]


def _locked(session: Session, access: Access, ids: list[UUID]) -> dict[UUID, Conversation]:
    """Those that the caller may see, held in the order of their ids, as everywhere."""
    found: dict[UUID, Conversation] = {}
    for condition in one_of(session, Conversation.id, set(ids)):
        query = (
            select(Conversation)
            .join(Account, Conversation.account_id == Account.id)
            .where(condition, Account.deleted_at.is_(None))
            .order_by(Conversation.id)
            .with_for_update(of=Conversation)
        )
        found.update({each.id: each for each in session.execute(query).scalars() if access.allows(each.account_id)})
    return found


def _act(session: Session, access: Access, body: BulkBody, now: datetime, bot_stays_out: timedelta) -> Act:
    caller, do = access.principal, body.do
    may, known = lru_cache(may_answer), lru_cache(partial(_known, session))

    def act(conversation: Conversation) -> None:
        if not isinstance(do, MarkRead) and not caller.may(Permission.MESSAGES_SEND, conversation.account_id):
            raise PermissionDenied.of(Permission.MESSAGES_SEND)
        if isinstance(do, SetStatus):
            change_status(session, caller, conversation, do.status, now, bot_stays_out)
        elif isinstance(do, GiveTo):
            give_to(session, caller, conversation, do.user_id, may)
        elif isinstance(do, PutLabels):
            known(conversation.account_id, frozenset(do.add))
            put_labels(session, conversation, partial(_chosen, do), now)
        else:
            read_through(session, caller, conversation, now)

    return act


def _known(session: Session, account_id: UUID, wanted: frozenset[UUID]) -> None:
    check_known(session, account_id, set(wanted))


def _chosen(do: PutLabels, held: set[UUID]) -> set[UUID]:
    wanted = (held - set(do.remove)) | set(do.add)
    if len(wanted) > max(len(held), MOST_OF_ONE):
        raise TooManyOfThem(f"A conversation has {MOST_OF_ONE} labels at most.")
    return wanted


def _try(act: Act, conversation: Conversation | None) -> DomainError | None:
    """Why not. A refusal comes before anything of the conversation is changed."""
    try:
        if conversation is None:
            raise ConversationNotFound
        act(conversation)
    except DomainError as error:
        return error
    return None


def _rows(session: Session, access: Access, ids: set[UUID]) -> dict[UUID, ConversationRow]:
    found: dict[UUID, ConversationRow] = {}
    for condition in one_of(session, CONVERSATIONS.c.id, ids):
        shown = session.execute(conversations_shown().where(condition), me(access))
        found.update({row.id: row for row in conversation_rows(values_of(shown))})
    return found


def _outcome(conversation_id: UUID, row: ConversationRow | None, refused: DomainError | None) -> BulkOutcome:
    problem = refused.problems[0].problem if isinstance(refused, InvalidRequest) else None
    return BulkOutcome(
        conversation_id=conversation_id,
        ok=refused is None,
        code=None if refused is None else refused.code,
        title=None if refused is None else problem or refused.message,
        conversation=row,
    )
