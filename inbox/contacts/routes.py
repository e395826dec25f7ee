"""Contacts over HTTP."""

from __future__ import annotations

from flask import Blueprint, Response
from spectree import Response as Answers

from inbox.auth.access import Permission
from inbox.contacts import lists
from inbox.contacts.schemas import ContactQuery, ContactRow
from inbox.web import access, answer_page, requires, runtime, spec

bp = Blueprint("contacts", __name__)


@bp.get("/contacts")
@requires(Permission.CONTACTS_VIEW)
@spec.validate(resp=Answers(HTTP_200=list[ContactRow]), tags=["contacts"])
def list_contacts(query: ContactQuery) -> Response:
    """Contacts of an account, newest first."""
    return answer_page(ContactRow, lists.list_contacts(runtime().db, access(), query))
