"""Who has which conversation open. It is said again every 20 seconds, and forgotten when it is not."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import delete

from inbox.auth.access import Access
from inbox.conversations.service import visible
from inbox.db import Database
from inbox.db.queries import insert
from inbox.db.transactions import whole_transaction
from inbox.errors import NotAUser
from inbox.live.schemas import PresenceBody
from inbox.models import Presence


@whole_transaction(idempotent=True)
def be_present(db: Database, access: Access, body: PresenceBody) -> None:
    """Note where the caller is, or that they have left. No row that lists show changes by it.

    Raises ConversationNotFound; NotAUser for a key.
    """
    if access.principal.kind != "user":
        raise NotAUser
    me = UUID(access.principal.id)
    with db.writing() as session:
        conversation = visible(session, access, body.conversation_id)
        if body.doing == "gone":
            here = Presence.conversation_id == conversation.id, Presence.user_id == me
            session.execute(delete(Presence).where(*here))
            return
        said = {"doing": body.doing, "said_at": db.now(session)}
        row = {"conversation_id": conversation.id, "user_id": me, "account_id": conversation.account_id, **said}
        once = insert(session, Presence).values(row)
        session.execute(once.on_conflict_do_update(index_elements=["conversation_id", "user_id"], set_=said))
