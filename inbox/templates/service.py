"""Templates: what a number has, and sending one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from inbox.accounts.service import require_account
from inbox.auth.access import Access
from inbox.conversations.attachments import with_file
from inbox.conversations.writing import Written
from inbox.db import Database
from inbox.db.transactions import whole_transaction
from inbox.errors import (
    BadValue,
    BusinessAccountUnknown,
    FieldProblem,
    InvalidRequest,
    MarketingStopped,
    TemplateNotFound,
    TemplateNotSendable,
)
from inbox.media import kinds_sent
from inbox.media.uploads import whole_upload
from inbox.models import Contact, Conversation, Message, MessageTemplate, TemplateSync, Upload
from inbox.templates import sync
from inbox.templates.definition import Definition
from inbox.templates.schemas import ParameterRow, Refusal, TemplateList, TemplateRow

_REFUSALS: Mapping[str, Refusal] = {"PAUSED": "paused", "REJECTED": "rejected", "DISABLED": "disabled"}
#: WhatsApp's states of a template that can be sent.
SENDABLE = frozenset({"APPROVED", "REINSTATED", "FLAGGED", "UNARCHIVED"})
_WORDS: Mapping[Refusal, str] = {
    "paused": "WhatsApp has paused this template, because customers blocked or reported it. Choose another one.",
    "rejected": "WhatsApp has rejected this template. Change it in WhatsApp Manager, or choose another one.",
    "disabled": "WhatsApp has disabled this template for good. Choose another one.",
    "not_approved": "WhatsApp has not approved this template. Choose another one, or wait until it has.",
    "unsupported": "This template holds something that cannot be filled in here. Choose another one.",
}


def list_templates(db: Database, access: Access, account_id: UUID) -> TemplateList:
    """The templates of a number, by name and language. Raises AccountNotFound, PermissionDenied."""
    order = MessageTemplate.name, MessageTemplate.language
    query = select(MessageTemplate).where(MessageTemplate.account_id == account_id).order_by(*order)
    with db.reading() as session:
        require_account(session, access, account_id)
        rows = [template_row(each) for each in session.execute(query).scalars()]
        last = session.get(TemplateSync, account_id)
    return TemplateList(templates=rows, synced_at=last.synced_at if last else None, error=last.error if last else None)


@whole_transaction(idempotent=True)
def ask_again(db: Database, access: Access, account_id: UUID) -> None:
    """Let WhatsApp be asked for the templates now. Raises AccountNotFound, PermissionDenied, BusinessAccountUnknown."""
    with db.writing() as session:
        account = require_account(session, access, account_id, lock=True)
        if account.waba_id is None:
            raise BusinessAccountUnknown
        sync.make_due(session, [account_id], db.now(session))


def template_row(template: MessageTemplate) -> TemplateRow:
    """As the wire shows it."""
    definition = definition_of(template)
    return TemplateRow(
        id=template.id,
        account_id=template.account_id,
        name=template.name,
        language=template.language,
        category=template.category.lower(),
        status=template.status.lower(),
        reason=template.reason,
        refusal=refusal_of(template),
        header=definition.text_of("HEADER"),
        body=definition.text_of("BODY"),
        footer=definition.text_of("FOOTER"),
        buttons=definition.buttons,
        parameters=[ParameterRow.model_validate(each) for each in definition.parameters()],
        changed_at=template.changed_at,
    )


def definition_of(template: MessageTemplate) -> Definition:
    """Its components."""
    return Definition(template.definition.get("components") or [], template.named)


def refusal_of(template: MessageTemplate) -> Refusal | None:
    """Why it cannot be sent from here; None: it can."""
    if template.status not in SENDABLE:
        return _REFUSALS.get(template.status, "not_approved")
    return "unsupported" if definition_of(template).unsupported is not None else None


@dataclass(frozen=True, slots=True)
class FilledIn:
    """A template with its values, to be sent: `conversations.writing.Content`."""

    template_id: UUID
    values: Mapping[str, str]
    upload_id: UUID | None = None  #: the file of its header
    any_time: bool = True

    def is_of(self, message: Message) -> bool:
        """Compared by what was asked for: WhatsApp may have changed the template since."""
        asked = message.payload.get("filled_in", {})
        return {name: asked.get(name) for name in ("template_id", "parameters", "upload_id")} == self._asked()

    def write(self, session: Session, conversation: Conversation) -> Written:
        """Raises TemplateNotFound, TemplateNotSendable, MarketingStopped, InvalidRequest, UploadNotFound and
        UploadIncomplete.
        """
        template = session.get(MessageTemplate, self.template_id)
        if template is None or template.account_id != conversation.account_id:
            raise TemplateNotFound
        refusal = refusal_of(template)
        if refusal is not None:
            told = {"refusal": refusal, "whatsapp_status": template.status.lower(), "whatsapp_reason": template.reason}
            raise TemplateNotSendable(_WORDS[refusal], extra=told)
        contact = session.get_one(Contact, conversation.contact_id)
        if template.category == "MARKETING" and contact.marketing_stopped_at is not None:
            raise MarketingStopped
        definition = definition_of(template)
        upload = whole_upload(session, self.upload_id, conversation.account_id) if self.upload_id is not None else None
        if problems := self._problems(definition, upload):
            raise InvalidRequest(problems)
        components = definition.filled(self.values, upload.filename if upload is not None else None)
        sent = {"name": template.name, "language": {"code": template.language}}
        filled_in = self._asked() | {"category": template.category.lower(), "buttons": definition.buttons}
        payload = {"template": sent | ({"components": components} if components else {}), "filled_in": filled_in}
        written = Written("template", definition.rendered(self.values), payload)
        return with_file(written, upload) if upload is not None else written

    def _asked(self) -> dict[str, Any]:
        upload_id = str(self.upload_id) if self.upload_id is not None else None
        return {"template_id": str(self.template_id), "parameters": dict(self.values), "upload_id": upload_id}

    def _problems(self, definition: Definition, upload: Upload | None) -> list[FieldProblem]:
        found = definition.problems(self.values, has_file=upload is not None)
        if upload is not None and (wrong := _wrong_file(definition.file_kind, upload.mime_type)):
            found.append(FieldProblem.of("/upload_id", wrong))
        return found


def _wrong_file(wanted: str | None, mime_type: str) -> BadValue | None:
    """What is to be changed about the file of a header; None: nothing."""
    if wanted is None:
        return BadValue("no_file_here", "is not needed: the header of this template is no file. Leave it out")
    if kinds_sent.kind_of(mime_type) != wanted:
        types = ", ".join(kinds_sent.types_of(wanted))
        sentence = (
            f"is a file of type {mime_type}, and the header of this template is of kind {wanted}: hand over {types}"
        )
        return BadValue("another_file_type", sentence, types=types)
    return None
