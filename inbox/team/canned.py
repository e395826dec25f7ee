"""Canned replies: texts that people of a number send often, found by a shortcut.

A text may hold variables in braces. The page fills them in when it puts the text into a field, so that the person who
sends it reads what the customer will.
"""

from __future__ import annotations

import re
from uuid import UUID

from inbox.auth.access import Access
from inbox.conversations.service import require_visible
from inbox.db import Database
from inbox.errors import CannedReplyExists, CannedReplyNotFound, FieldProblem, InvalidRequest
from inbox.models import CannedReply
from inbox.team import words
from inbox.team.schemas import MAX_WORD, MOST_CANNED, CannedReplyBody, CannedReplyPatch, CannedReplyRow

VARIABLES = ("account.name", "contact.first_name", "contact.name", "me.name", "number")
#: What is meant as a variable: words in braces, and all in two of them, as templates have it. Other braces are text.
_VARIABLE = re.compile(r"\{\{[^{}\n]*\}\}|\{\s*[^\W\d][^{}\n\"':,;=]*\}")

CANNED = words.Kind(
    table=CannedReply,
    row=CannedReplyRow,
    word="shortcut",
    most=MOST_CANNED,
    action="canned_reply",
    told=("shortcut",),
    exists=CannedReplyExists,
    missing=CannedReplyNotFound,
)


def create_canned(db: Database, access: Access, account_id: UUID, body: CannedReplyBody) -> tuple[CannedReplyRow, bool]:
    """As words.create. Raises InvalidRequest as well."""
    _check_text(body.text)
    return words.create(db, access, CANNED, account_id, body.model_dump())


def change_canned(db: Database, access: Access, reply_id: UUID, patch: CannedReplyPatch) -> CannedReplyRow:
    """As words.change. Raises InvalidRequest as well."""
    if "text" in patch.model_fields_set:
        _check_text(patch.text)
    return words.change(db, access, CANNED, reply_id, patch.model_dump(exclude_unset=True))


def _check_text(text: str) -> None:
    require_visible(text, "/text")
    unknown = [found[0] for found in _VARIABLE.finditer(text) if found[0][1:-1] not in VARIABLES]
    if unknown:
        known = ", ".join(f"{{{name}}}" for name in VARIABLES)
        values = {"variable": unknown[0][:MAX_WORD], "known": known}
        sentence = "has no variable {variable}; known are {known}".format_map(values)
        raise InvalidRequest([FieldProblem("/text", "unknown_variable", sentence, values)])
