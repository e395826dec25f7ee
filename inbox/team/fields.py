"""Details of contacts that a number defines for itself: what they are, and what is written in them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from inbox.accounts.service import require_account
from inbox.auth import audit
from inbox.auth.access import Access
from inbox.contacts.lists import CONTACT, contact_rows
from inbox.db import Database
from inbox.db.queries import values_of
from inbox.db.transactions import whole_transaction
from inbox.errors import (
    ContactFieldExists,
    ContactFieldNotFound,
    ContactNotFound,
    FieldProblem,
    InvalidRequest,
)
from inbox.models import CONTACTS, Contact, ContactField
from inbox.team import words
from inbox.team.schemas import (
    MAX_NUMBER,
    MAX_VALUE,
    MOST_FIELDS,
    ContactDetail,
    ContactFieldBody,
    ContactFieldPatch,
    ContactFieldRow,
    Value,
)

FIELDS = words.Kind(
    table=ContactField,
    row=ContactFieldRow,
    word="name",
    most=MOST_FIELDS,
    action="contact_field",
    told=("name", "kind", "choices"),
    exists=ContactFieldExists,
    missing=ContactFieldNotFound,
)


def create_field(
    db: Database, access: Access, account_id: UUID, body: ContactFieldBody
) -> tuple[ContactFieldRow, bool]:
    """As words.create. Raises InvalidRequest as well."""
    if (body.kind == "choice") is not bool(body.choices):
        raise InvalidRequest(
            [FieldProblem("/choices", "choices_of_a_choice", "must be there for a choice, and for nothing else")]
        )
    return words.create(db, access, FIELDS, account_id, body.model_dump())


def change_field(db: Database, access: Access, field_id: UUID, patch: ContactFieldPatch) -> ContactFieldRow:
    """As words.change. A value that is no choice any more stays until it is changed. Raises InvalidRequest as well."""
    values = patch.model_dump(exclude_unset=True)
    if "choices" in values and not _is_choice(db, field_id):
        raise InvalidRequest([FieldProblem("/choices", "choices_of_a_choice", "is for choices alone")])
    return words.change(db, access, FIELDS, field_id, values)


def _is_choice(db: Database, field_id: UUID) -> bool:
    with db.reading() as session:
        kind = session.execute(select(ContactField.kind).where(ContactField.id == field_id)).scalar_one_or_none()
    return kind in ("choice", None)  # one that is not there is told by words.change


# --- of one contact ----------------------------------------------------------------------------------------------


def get_contact(db: Database, access: Access, contact_id: UUID) -> ContactDetail:
    """A contact with its details. Raises ContactNotFound."""
    with db.reading() as session:
        return contact_detail(session, seen_contact(session, access, contact_id))


@whole_transaction(idempotent=True)
def set_values(db: Database, access: Access, contact_id: UUID, given: Mapping[UUID, Value | None]) -> ContactDetail:
    """Write these details, the others stay; None takes one away. Raises ContactNotFound, InvalidRequest."""
    with db.writing() as session:
        contact = seen_contact(session, access, contact_id, lock=True)
        known = {field.id: field for field in _fields_of(session, contact.account_id)}
        problems = [
            problem
            for field_id, value in given.items()
            if (problem := _problem(f"/fields/{field_id}", known.get(field_id), value))
        ]
        if problems:
            raise InvalidRequest(problems)
        before = contact.fields
        wanted = {key: value for key, value in before.items() if UUID(key) in known and UUID(key) not in given}
        wanted |= {str(field_id): value for field_id, value in given.items() if value is not None}
        changed = sorted(known[each].name for each in given if before.get(str(each)) != wanted.get(str(each)))
        if changed:
            contact.fields, contact.updated_at = wanted, db.now(session)
            where = {"target": contact.id, "account_id": contact.account_id}
            now = contact.updated_at
            audit.record(session, access.principal, "contact.updated", now, **where, fields=changed)
        return contact_detail(session, contact)


def seen_contact(session: Session, access: Access, contact_id: UUID, *, lock: bool = False) -> Contact:
    """Raises ContactNotFound, also for a contact of a number that the caller may not see."""
    contact = session.get(Contact, contact_id, with_for_update=lock or None)
    if contact is None or not access.allows(contact.account_id):
        raise ContactNotFound
    require_account(session, access, contact.account_id)
    return contact


def contact_detail(session: Session, contact: Contact) -> ContactDetail:
    """As the wire shows it."""
    session.flush()
    known = {str(field.id) for field in _fields_of(session, contact.account_id)}
    (row,) = contact_rows(values_of(session.execute(select(*CONTACT).where(CONTACTS.c.id == contact.id))))
    return ContactDetail(**row.model_dump(), fields={key: each for key, each in contact.fields.items() if key in known})


def _fields_of(session: Session, account_id: UUID) -> list[ContactField]:
    return list(session.execute(words.of_account(ContactField, account_id)).scalars())


def _problem(pointer: str, field: ContactField | None, value: Value | None) -> FieldProblem | None:
    """What is wrong with a value."""
    if field is None:
        return FieldProblem(pointer, "unknown_field", "is not a detail of this number's contacts")
    if value is None:
        return None
    is_number = isinstance(value, int | float)
    match field.kind:
        case "number":
            fits = is_number and abs(value) <= MAX_NUMBER  # type: ignore[arg-type]
            return None if fits else FieldProblem(pointer, "not_a_number", "must be a number")
        case "date":
            fits = isinstance(value, str) and _is_date(value)
            return None if fits else FieldProblem(pointer, "not_a_date", "must be a date, such as 2026-11-20")
        case "choice":
            fits = value in field.choices
            return None if fits else FieldProblem(pointer, "not_a_choice", "must be one of its choices")
    if is_number or not str(value).strip() or len(str(value)) > MAX_VALUE:
        sentence = f"must be a text of at most {MAX_VALUE} characters"
        return FieldProblem(pointer, "not_a_text", sentence, {"most": MAX_VALUE})
    return None


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
