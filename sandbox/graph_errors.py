"""Meta's errors: codes, titles, HTTP status, and the two shapes they come in.

Source: Meta, "Cloud API > Support > Error codes"; where that page gives no HTTP status, 400.
"""

import secrets
from typing import Any

from sandbox.protocol import Answer, json_answer

HELP_PAGE = "https://developers.facebook.com/documentation/business-messaging/whatsapp/support/error-codes"

#: code → (HTTP status, title)
ERRORS: dict[int, tuple[int, str]] = {
    0: (401, "AuthException"),
    1: (400, "API Unknown"),
    2: (503, "API Service"),
    3: (500, "API Method"),
    4: (400, "API Too Many Calls"),
    10: (403, "API Permission Denied"),
    33: (400, "Parameter value is not valid"),
    100: (400, "Invalid parameter"),
    190: (401, "Access token has expired"),
    200: (403, "API Permission"),
    368: (403, "Temporarily blocked for policies violations"),
    80007: (400, "Rate limit issues"),
    130403: (400, "User is blocked by the business"),
    130429: (400, "Rate limit hit"),
    130472: (400, "User's number is part of an experiment"),
    130497: (403, "Business account is restricted from messaging users in this country"),
    131000: (500, "Something went wrong"),
    131005: (403, "Access denied"),
    131008: (400, "Required parameter is missing"),
    131009: (400, "Parameter value is not valid"),
    131016: (500, "Service unavailable"),
    131021: (400, "Recipient cannot be sender"),
    131026: (400, "Message undeliverable"),
    131030: (400, "Recipient phone number not in allowed list"),
    131031: (403, "Account has been locked"),
    131037: (400, "WhatsApp provided number needs display name approval"),
    131042: (400, "Business eligibility payment issue"),
    131045: (500, "Message failed to send due to a phone number registration error"),
    131047: (400, "Re-engagement message"),
    131048: (400, "Spam rate limit hit"),
    131049: (400, "This message was not delivered to maintain healthy ecosystem engagement"),
    131050: (400, "User has stopped marketing messages"),
    131051: (400, "Message type unknown"),
    131052: (400, "Media download error"),
    131053: (400, "Media upload error"),
    131055: (400, "Method not allowed"),
    131056: (400, "(Business Account, Consumer Account) pair rate limit hit"),
    131057: (500, "Account in maintenance mode"),
    131060: (400, "This message is unavailable"),
    131062: (400, "Business-scoped user id recipients are not supported for this message"),
    132000: (400, "Number of parameters does not match the expected number of params"),
    132001: (404, "Template name does not exist in the translation"),
    132005: (400, "Translated text too long"),
    132007: (400, "Template format character policy violated"),
    132012: (400, "Template parameter format mismatch"),
    132015: (400, "Template is paused"),
    132016: (400, "Template is disabled"),
    132068: (400, "Flow is blocked"),
    132069: (400, "Flow is throttled"),
    133000: (500, "Incomplete deregistration"),
    133004: (503, "Server temporarily unavailable"),
    133010: (400, "Phone number not registered"),
    134101: (400, "Template is still syncing"),
    135000: (400, "Generic user error"),
    137000: (400, "Identity key hash mismatch"),
    2494100: (400, "Number in maintenance"),
}

#: HTTP status → the code Meta is likeliest to put in the body, for faults that name a status only.
_CODE_OF_STATUS = {401: 190, 403: 10, 404: 33, 429: 4, 500: 131000, 502: 2, 503: 2, 504: 2}


class GraphError(Exception):
    """The request is refused: Meta's code and what was wrong in particular."""

    def __init__(self, code: int, details: str, message: str | None = None) -> None:
        super().__init__(details)
        self.code = code
        self.details = details
        self.message = message or f"(#{code}) {title_of(code)}"


def title_of(code: int) -> str:
    return ERRORS[code][1] if code in ERRORS else "Unknown error"


def error_details(code: int, details: str | None = None) -> dict[str, Any]:
    """An entry of errors[] in a webhook, as messages have it; statuses add `href`."""
    title = title_of(code)
    return {"code": code, "title": title, "message": title, "error_data": {"details": details or f"Sandbox: {title}"}}


def error_answer(error: GraphError, status: int | None = None) -> Answer:
    """The answer to a refused request, with the documented HTTP status unless another is given."""
    trace_id = "A" + secrets.token_urlsafe(16)
    body = {
        "message": error.message,
        "type": "OAuthException",
        "code": error.code,
        "error_data": {"messaging_product": "whatsapp", "details": error.details},
        "fbtrace_id": trace_id,
    }
    http_status = status or ERRORS.get(error.code, (400, ""))[0]
    return json_answer(http_status, {"error": body}, ("x-fb-trace-id", trace_id))


def answer_of_status(status: int) -> Answer:
    """A body of Meta's for an error status, whatever caused it."""
    code = _CODE_OF_STATUS.get(status, 1 if status < 500 else 131000)
    return error_answer(GraphError(code, f"Sandbox: HTTP {status} asked for"), status)
