"""Contacts over HTTP."""

from __future__ import annotations

from flask import Blueprint, Response

from inbox.auth.access import Permission
from inbox.contacts import lists
from inbox.contacts.schemas import ContactQuery, ContactRow
from inbox.errors import AccountNotFound
from inbox.web import access, answer_page, contract, requires, runtime

bp = Blueprint("contacts", __name__)


@bp.get("/contacts")
@requires(Permission.CONTACTS_VIEW)
@contract("contacts", {200: list[ContactRow]}, raises=[AccountNotFound])
def list_contacts(query: ContactQuery) -> Response:
    """Contacts of one account, or of all that the caller may see; newest first."""
    return answer_page(ContactRow, lists.list_contacts(runtime().db, access(), query))
