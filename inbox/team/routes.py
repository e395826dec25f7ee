"""Notes, labels, canned replies, drafts and details of contacts over HTTP."""

from __future__ import annotations

from typing import get_args
from uuid import UUID

from flask import Blueprint, Response
from werkzeug.exceptions import NotFound

from inbox.auth.access import Permission
from inbox.contacts.schemas import ContactRow
from inbox.conversations.schemas import ConversationDone
from inbox.db.paging import Page
from inbox.errors import (
    CannedReplyExists,
    ContactFieldExists,
    ContactNotFound,
    ContactsDiffer,
    DraftConflict,
    IdempotencyConflict,
    LabelExists,
    MergeInFlight,
    NotAUser,
    TooManyOfThem,
)
from inbox.schemas import Removed
from inbox.team import bulk, canned, drafts, fields, labels, merging, notes, words
from inbox.team.canned import CANNED
from inbox.team.fields import FIELDS
from inbox.team.labels import LABELS
from inbox.team.schemas import (
    BulkBody,
    BulkDone,
    CannedReplyBody,
    CannedReplyPatch,
    CannedReplyRow,
    ContactDetail,
    ContactFieldBody,
    ContactFieldPatch,
    ContactFieldRow,
    ContactPatch,
    DraftBody,
    DraftQuery,
    DraftRow,
    LabelBody,
    LabelPatch,
    LabelRow,
    LabelsBody,
    MergeBody,
    Mode,
    NoteBody,
    NotePatch,
    NoteRow,
)
from inbox.web import access, answer, answer_page, contract, idempotency_key, requires, runtime

bp = Blueprint("team", __name__)

# --- notes -------------------------------------------------------------------------------------------------------


@bp.get("/conversations/<uuid:conversation_id>/notes")
@requires(Permission.MESSAGES_VIEW)
@contract("team", {200: list[NoteRow]})
def list_notes(conversation_id: UUID) -> Response:
    """The notes of a conversation, oldest first: the newest 500. GET /changes tells of later ones."""
    return answer_page(NoteRow, Page(notes.list_notes(runtime().db, access(), conversation_id), None))


@bp.post("/conversations/<uuid:conversation_id>/notes")
@requires(Permission.MESSAGES_SEND)
@contract("team", {201: NoteRow}, raises=[IdempotencyConflict])
def add_note(conversation_id: UUID, json: NoteBody) -> Response:
    """Tell colleagues something about a conversation. The customer never sees it."""
    new = notes.NewNote(conversation_id, json.text, idempotency_key(json.client_key))
    return answer(notes.add_note(runtime().db, access(), new), 201)


@bp.patch("/notes/<uuid:note_id>")
@requires(Permission.MESSAGES_SEND)
@contract("team", {200: NoteRow})
def edit_note(note_id: UUID, json: NotePatch) -> Response:
    """Change a note of your own."""
    return answer(notes.edit_note(runtime().db, access(), note_id, json.text))


@bp.delete("/notes/<uuid:note_id>")
@requires(Permission.MESSAGES_SEND)
@contract("team", {200: NoteRow})
def delete_note(note_id: UUID) -> Response:
    """Take back a note of your own; anybody's with accounts.manage. Its text is gone for good."""
    return answer(notes.delete_note(runtime().db, access(), note_id))


# --- labels ------------------------------------------------------------------------------------------------------


@bp.get("/accounts/<uuid:account_id>/labels")
@requires(Permission.CONVERSATIONS_VIEW)
@contract("team", {200: list[LabelRow]})
def list_labels(account_id: UUID) -> Response:
    """The labels of a number, by name."""
    return answer_page(LabelRow, Page(words.list_all(runtime().db, access(), LABELS, account_id), None))


@bp.post("/accounts/<uuid:account_id>/labels")
@requires(Permission.ACCOUNTS_MANAGE)
@contract("team", {200: LabelRow, 201: LabelRow}, raises=[LabelExists, TooManyOfThem])
def create_label(account_id: UUID, json: LabelBody) -> Response:
    """Make a label. The same call once more changes nothing (200)."""
    idempotency_key(None)  # the name is the key; one in the header has to be well-formed all the same
    row, made = words.create(runtime().db, access(), LABELS, account_id, json.model_dump())
    return answer(row, 201 if made else 200)


@bp.patch("/labels/<uuid:label_id>")
@requires(Permission.ACCOUNTS_MANAGE)
@contract("team", {200: LabelRow}, raises=[LabelExists])
def change_label(label_id: UUID, json: LabelPatch) -> Response:
    """Change the name or the colour of a label."""
    return answer(words.change(runtime().db, access(), LABELS, label_id, json.model_dump(exclude_unset=True)))


@bp.delete("/labels/<uuid:label_id>")
@requires(Permission.ACCOUNTS_MANAGE)
@contract("team", {200: Removed})
def delete_label(label_id: UUID) -> Response:
    """Take a label from all conversations, and away."""
    words.delete(runtime().db, access(), LABELS, label_id)
    return answer(Removed(id=label_id))


@bp.put("/conversations/<uuid:conversation_id>/labels")
@requires(Permission.MESSAGES_SEND)
@contract("team", {200: ConversationDone})
def set_labels(conversation_id: UUID, json: LabelsBody) -> Response:
    """Give a conversation exactly these labels."""
    row = labels.set_labels(runtime().db, access(), conversation_id, json.label_ids)
    return answer(ConversationDone(conversation=row))


@bp.post("/conversations/bulk")
@requires(Permission.CONVERSATIONS_VIEW)
@contract("team", {200: BulkDone})
def change_many(json: BulkBody) -> Response:
    """Do one thing to up to 200 conversations: status, assign, label, read. Each has an outcome of its own.

    All but read needs messages.send where they belong. What is refused does not hold back the others.
    """
    outcomes = bulk.change_many(runtime().db, access(), json, bot_stays_out=runtime().bot_stays_out)
    return answer(BulkDone(outcomes=outcomes))


# --- canned replies ----------------------------------------------------------------------------------------------


@bp.get("/accounts/<uuid:account_id>/canned-replies")
@requires(Permission.CONVERSATIONS_VIEW)
@contract("team", {200: list[CannedReplyRow]})
def list_canned(account_id: UUID) -> Response:
    """The canned replies of a number, by shortcut."""
    return answer_page(CannedReplyRow, Page(words.list_all(runtime().db, access(), CANNED, account_id), None))


@bp.post("/accounts/<uuid:account_id>/canned-replies")
@requires(Permission.ACCOUNTS_MANAGE)
@contract("team", {200: CannedReplyRow, 201: CannedReplyRow}, raises=[CannedReplyExists, TooManyOfThem])
def create_canned(account_id: UUID, json: CannedReplyBody) -> Response:
    """Make a canned reply. The same call once more changes nothing (200)."""
    idempotency_key(None)  # the shortcut is the key
    row, made = canned.create_canned(runtime().db, access(), account_id, json)
    return answer(row, 201 if made else 200)


@bp.patch("/canned-replies/<uuid:canned_reply_id>")
@requires(Permission.ACCOUNTS_MANAGE)
@contract("team", {200: CannedReplyRow}, raises=[CannedReplyExists])
def change_canned(canned_reply_id: UUID, json: CannedReplyPatch) -> Response:
    """Change the shortcut or the text of a canned reply."""
    return answer(canned.change_canned(runtime().db, access(), canned_reply_id, json))


@bp.delete("/canned-replies/<uuid:canned_reply_id>")
@requires(Permission.ACCOUNTS_MANAGE)
@contract("team", {200: Removed})
def delete_canned(canned_reply_id: UUID) -> Response:
    """Take a canned reply away."""
    words.delete(runtime().db, access(), CANNED, canned_reply_id)
    return answer(Removed(id=canned_reply_id))


# --- contacts ----------------------------------------------------------------------------------------------------


@bp.get("/accounts/<uuid:account_id>/contact-fields")
@requires(Permission.CONTACTS_VIEW)
@contract("contacts", {200: list[ContactFieldRow]})
def list_fields(account_id: UUID) -> Response:
    """The details that a number keeps of its contacts, by name."""
    return answer_page(ContactFieldRow, Page(words.list_all(runtime().db, access(), FIELDS, account_id), None))


@bp.post("/accounts/<uuid:account_id>/contact-fields")
@requires(Permission.ACCOUNTS_MANAGE)
@contract("contacts", {200: ContactFieldRow, 201: ContactFieldRow}, raises=[ContactFieldExists, TooManyOfThem])
def create_field(account_id: UUID, json: ContactFieldBody) -> Response:
    """Keep one more detail of contacts. The same call once more changes nothing (200)."""
    idempotency_key(None)  # the name is the key
    row, made = fields.create_field(runtime().db, access(), account_id, json)
    return answer(row, 201 if made else 200)


@bp.patch("/contact-fields/<uuid:contact_field_id>")
@requires(Permission.ACCOUNTS_MANAGE)
@contract("contacts", {200: ContactFieldRow}, raises=[ContactFieldExists])
def change_field(contact_field_id: UUID, json: ContactFieldPatch) -> Response:
    """Change the name or the choices of a detail. What is written already stays."""
    return answer(fields.change_field(runtime().db, access(), contact_field_id, json))


@bp.delete("/contact-fields/<uuid:contact_field_id>")
@requires(Permission.ACCOUNTS_MANAGE)
@contract("contacts", {200: Removed})
def delete_field(contact_field_id: UUID) -> Response:
    """Keep a detail no longer, of any contact."""
    words.delete(runtime().db, access(), FIELDS, contact_field_id)
    return answer(Removed(id=contact_field_id))


@bp.get("/contacts/<uuid:contact_id>")
@requires(Permission.CONTACTS_VIEW)
@contract("contacts", {200: ContactDetail}, raises=[ContactNotFound])
def get_contact(contact_id: UUID) -> Response:
    """One contact, with what the team keeps of them."""
    return answer(fields.get_contact(runtime().db, access(), contact_id))


@bp.patch("/contacts/<uuid:contact_id>")
@requires(Permission.MESSAGES_SEND)
@contract("contacts", {200: ContactDetail}, raises=[ContactNotFound])
def change_contact(contact_id: UUID, json: ContactPatch) -> Response:
    """Write details of a contact. The audit log notes which, not what."""
    return answer(fields.set_values(runtime().db, access(), contact_id, json.fields))


@bp.get("/contacts/<uuid:contact_id>/duplicates")
@requires(Permission.CONTACTS_VIEW)
@contract("contacts", {200: list[ContactRow]}, raises=[ContactNotFound])
def list_duplicates(contact_id: UUID) -> Response:
    """Contacts who may be the same person, five at most: the same number in another spelling, or the same name where
    one of the two hides the number."""
    return answer_page(ContactRow, Page(merging.duplicates(runtime().db, access(), contact_id)))


@bp.post("/contacts/<uuid:contact_id>/merge")
@requires(Permission.ACCOUNTS_MANAGE)
@contract("contacts", {200: ContactDetail}, raises=[ContactNotFound, ContactsDiffer, MergeInFlight])
def merge_contact(contact_id: UUID, json: MergeBody) -> Response:
    """Make two contacts one, for good: the other one's conversation, notes, labels and details join this one's."""
    stays_out = runtime().bot_stays_out
    return answer(merging.merge(runtime().db, access(), contact_id, json.other_id, bot_stays_out=stays_out))


# --- drafts ------------------------------------------------------------------------------------------------------


@bp.get("/conversations/<uuid:conversation_id>/drafts")
@requires(Permission.MESSAGES_SEND)
@contract("team", {200: list[DraftRow]}, raises=[NotAUser])
def list_drafts(conversation_id: UUID) -> Response:
    """What you are writing here and have not sent: a reply, a note, or both."""
    return answer_page(DraftRow, Page(drafts.list_drafts(runtime().db, access(), conversation_id), None))


@bp.put("/conversations/<uuid:conversation_id>/drafts/<mode>")
@requires(Permission.MESSAGES_SEND)
@contract("team", {200: DraftRow}, raises=[DraftConflict, NotAUser])
def save_draft(conversation_id: UUID, mode: Mode, json: DraftBody) -> Response:
    """Keep a draft for 30 days. A newer one of another device is not overwritten: 409 shows it as `draft`."""
    return answer(drafts.save_draft(runtime().db, access(), conversation_id, _known(mode), json))


@bp.delete("/conversations/<uuid:conversation_id>/drafts/<mode>")
@requires(Permission.MESSAGES_SEND)
@contract("team", {204: None}, raises=[DraftConflict, NotAUser])
def drop_draft(conversation_id: UUID, mode: Mode, query: DraftQuery) -> Response:
    """Forget a draft; with `version`, only if it is still that one."""
    drafts.drop_draft(runtime().db, access(), conversation_id, _known(mode), query.version)
    return Response(status=204)


def _known(mode: Mode) -> Mode:
    """`mode`, if there is such a draft. The path takes any word, so that a stranger is 401 and never 404."""
    if mode not in get_args(Mode):
        raise NotFound
    return mode
