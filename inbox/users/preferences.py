"""What somebody has chosen for themselves: how the page looks, sounds and behaves for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, StrictBool, ValidationError

from inbox.auth import audit
from inbox.auth.access import Principal
from inbox.auth.generation import rights_changed
from inbox.auth.identities import principal_of
from inbox.db import Database
from inbox.db.transactions import whole_transaction
from inbox.errors import NotAUser
from inbox.models import User
from inbox.schemas import LEFT_OUT, Body, Row
from inbox.users.schemas import Name

Language = Literal["en", "fr"]
Theme = Literal["system", "light", "dark"]
Notify = Literal["nothing", "mine", "needs_human", "all"]
ListOrder = Literal["newest", "waiting"]
NotifyField = Annotated[
    Notify,
    Field(description="Of which messages the browser tells: mine; needs_human: mine, and when a person is needed."),
]


class Preferences(Row):
    """What a user has chosen. What they have not chosen has its default."""

    language: Language | None = Field(None, description="null: what the browser asks for.")
    theme: Theme = "system"
    list_order: ListOrder = "newest"
    details: bool = Field(default=True, description="The details of a conversation stand beside it.")
    keys: bool = Field(default=True, description="Single keys are commands.")
    enter_sends: bool = Field(default=True, description="Enter sends; else it begins a line, and Ctrl+Enter sends.")
    sound: bool = False
    notify: NotifyField = "mine"
    notify_text: bool = Field(default=False, description="Notifications show the message itself.")


class PreferencesPatch(Body):
    """What is to be different; the rest stays."""

    language: Language | None = None
    theme: Theme = LEFT_OUT
    list_order: ListOrder = LEFT_OUT
    details: StrictBool = LEFT_OUT
    keys: StrictBool = LEFT_OUT
    enter_sends: StrictBool = LEFT_OUT
    sound: StrictBool = LEFT_OUT
    notify: NotifyField = LEFT_OUT
    notify_text: StrictBool = LEFT_OUT


class MePatch(Body):
    """What users may change of themselves. What is left out stays."""

    name: Name | None = Field(None, description="How others see you; null: by your e-mail address.")
    preferences: PreferencesPatch = Field(default_factory=PreferencesPatch)


def preferences_of(principal: Principal) -> Preferences | None:
    """What the caller has chosen; None for a key. What another release has stored and we do not know is passed over."""
    if principal.kind != "user":
        return None
    return Preferences.model_validate(_known(principal.preferences))


def _known(stored: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in stored.items() if name in Preferences.model_fields and _valid(name, value)}


def _valid(name: str, value: Any) -> bool:
    try:
        Preferences.model_validate({name: value}, strict=True)
    except ValidationError:
        return False
    return True


@whole_transaction(idempotent=True)
def change_me(db: Database, caller: Principal, patch: MePatch) -> Principal:
    """The caller as they are afterwards. Raises NotAUser for a key."""
    if caller.kind != "user":
        raise NotAUser
    with db.writing() as session:
        user = session.get_one(User, UUID(caller.id), with_for_update=True)
        now = db.now(session)
        if "name" in patch.model_fields_set and patch.name != user.name:
            audit.record(session, caller, "user.renamed", now, target=user.id, before=user.name, after=patch.name)
            user.name = patch.name
        user.preferences = {**user.preferences, **patch.preferences.model_dump(exclude_unset=True)}
        user.updated_at = now
        rights_changed(session)  # a principal holds both
        session.flush()
        return principal_of(session, user, caller.expires_at)
