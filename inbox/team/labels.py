"""Labels: the words by which the conversations of a number are sorted."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from inbox.auth.access import Access
from inbox.conversations.schemas import ConversationRow
from inbox.conversations.service import get_conversation, visible
from inbox.db import Database
from inbox.db.transactions import whole_transaction
from inbox.errors import FieldProblem, InvalidRequest, LabelExists, LabelNotFound
from inbox.models import Conversation, ConversationLabel, Label
from inbox.team import words
from inbox.team.schemas import MOST_LABELS, LabelRow

#: To take one away takes it from all conversations. They do not count as changed: there may be any number of them, and
#: a page leaves out what it does not know.
LABELS = words.Kind(
    table=Label,
    row=LabelRow,
    word="name",
    most=MOST_LABELS,
    action="label",
    told=("name", "color"),
    exists=LabelExists,
    missing=LabelNotFound,
)


def set_labels(db: Database, access: Access, conversation_id: UUID, label_ids: list[UUID]) -> ConversationRow:
    """Give a conversation exactly these labels. Raises ConversationNotFound, InvalidRequest."""
    _set_labels(db, access, conversation_id, set(label_ids))
    return get_conversation(db, access, conversation_id)


@whole_transaction(idempotent=True)
def _set_labels(db: Database, access: Access, conversation_id: UUID, wanted: set[UUID]) -> None:
    with db.writing() as session:
        conversation = visible(session, access, conversation_id, lock=True)
        check_known(session, conversation.account_id, wanted)
        put_labels(session, conversation, lambda _held: wanted, db.now(session))


def put_labels(
    session: Session, conversation: Conversation, choose: Callable[[set[UUID]], set[UUID]], now: datetime
) -> None:
    """Give a conversation the labels that `choose` makes of those it has. The caller holds its row."""
    table = ConversationLabel
    held = set(session.execute(select(table.label_id).where(table.conversation_id == conversation.id)).scalars())
    wanted = choose(held)
    if held == wanted:
        return
    gone = table.conversation_id == conversation.id, table.label_id.in_(held - wanted)
    session.execute(delete(table).where(*gone))
    session.add_all(table(conversation_id=conversation.id, label_id=each) for each in wanted - held)
    conversation.changed_at = now


def check_known(session: Session, account_id: UUID, wanted: set[UUID]) -> None:
    """Raises InvalidRequest for a label that the number does not have."""
    # Held, so that nobody deletes one before this commits.
    query = words.of_account(Label, account_id).where(Label.id.in_(wanted)).with_for_update(read=True, key_share=True)
    known = {label.id for label in session.execute(query).scalars()}
    if wanted - known:
        raise InvalidRequest(
            [FieldProblem("/label_ids", "unknown_label", "names a label that this number does not have")]
        )
