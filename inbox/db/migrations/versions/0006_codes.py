"""states are codes: why a number is paused; and when nothing was left of a removed one

Revision: 0006, after 0005
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_PERSON = "paused_by_a_person"  # was a code already
#: The sentences that stood in the rows, by the code that stands there from now on.
_SENTENCES = {
    "no_token": "There is no access token.",
    "unreadable_token": "ENCRYPTION_KEYS: none of the keys can read a stored access token",
    "account_disabled": "WhatsApp has disabled the account.",
    "refused": "WhatsApp refuses what this number sends.",
    "token_refused": "WhatsApp does not accept the access token.",
    "no_capability": "The app lacks the capability to send messages.",
    "no_send_permission": "The access token lacks the permission to send messages.",
    "number_unknown": "The phone number id does not exist, or not any more.",
    "token_expired": "The access token has expired or was revoked.",
    "policy_violation": "WhatsApp has blocked the account for a policy violation.",
    "no_permission": "The access token lacks a permission.",
    "account_locked": "WhatsApp has locked the account.",
    "display_name": "The display name of the number is not approved.",
    "payment_method": "There is a problem with the payment method of the WhatsApp account.",
    "not_set_up": "The number is not properly registered.",
    "deregistration": "An earlier deregistration of the number is incomplete.",
    "pin_wrong": "The two-step PIN is wrong.",
    "not_verified": "The number must be verified first.",
    "pin_tries": "Too many wrong PINs were tried.",
    "pin_too_fast": "The PIN was entered too fast.",
    "not_registered": "The number is not registered.",
    "payment_terms": "The payment terms have not been accepted.",
}
_accounts = sa.table(
    "whatsapp_accounts",
    sa.column("name", sa.String),
    sa.column("paused_reason", sa.String),
    sa.column("deleted_at", sa.DateTime(timezone=True)),
    sa.column("updated_at", sa.DateTime(timezone=True)),
    sa.column("purged_at", sa.DateTime(timezone=True)),
)


def upgrade() -> None:
    op.add_column("whatsapp_accounts", sa.Column("purged_at", sa.DateTime(timezone=True), nullable=True))
    emptied = _accounts.update().where(_accounts.c.deleted_at.is_not(None), _accounts.c.name == "")
    op.execute(emptied.values(purged_at=_accounts.c.updated_at))
    codes = sa.case(
        {sentence: code for code, sentence in _SENTENCES.items()}, value=_accounts.c.paused_reason, else_="refused"
    )
    told = _accounts.update().where(_accounts.c.paused_reason.is_not(None), _accounts.c.paused_reason != _PERSON)
    op.execute(told.values(paused_reason=codes))


def downgrade() -> None:
    sentences = sa.case(_SENTENCES, value=_accounts.c.paused_reason, else_=_accounts.c.paused_reason)
    op.execute(_accounts.update().where(_accounts.c.paused_reason.is_not(None)).values(paused_reason=sentences))
    op.drop_column("whatsapp_accounts", "purged_at")
