"""What all JSON routes share.

A route is a few lines: `@bp.get(…)`, `@requires(permission)` or `@public(why)`, `@spec.validate(…)`, one service
call. Errors map themselves (`problems`).
"""

from inbox.api.answers import answer, answer_page
from inbox.api.callers import access, member, principal, public, requires
from inbox.api.contract import described, raises, spec
from inbox.api.files import answer_file
from inbox.api.requests import idempotency_key
from inbox.api.wiring import services

__all__ = [
    "access",
    "answer",
    "answer_file",
    "answer_page",
    "described",
    "idempotency_key",
    "member",
    "principal",
    "public",
    "raises",
    "requires",
    "services",
    "spec",
]
