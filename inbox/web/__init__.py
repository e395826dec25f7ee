"""What all JSON routes share.

A route is a few lines: `@bp.get(…)`, `@requires(permission)` or `@public(why)`, `@contract(tag, responses)`, one
service call. Errors map themselves (`problems`).
"""

from inbox.web.callers import access, access_now, member, principal, public, requires
from inbox.web.contract import contract
from inbox.web.requests import idempotency_key
from inbox.web.responses import answer, answer_once, answer_page, conditional
from inbox.web.wiring import runtime

__all__ = [
    "access",
    "access_now",
    "answer",
    "answer_once",
    "answer_page",
    "conditional",
    "contract",
    "idempotency_key",
    "member",
    "principal",
    "public",
    "requires",
    "runtime",
]
