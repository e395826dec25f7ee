"""Are WhatsApp, Gemini, Supabase and Redis there, and do they take our credentials?

Every question is one GET that changes nothing, with limits of its own and no breaker: looking disturbs nobody.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

from inbox import http
from inbox.config import Policy
from inbox.errors import UpstreamError, UpstreamOutcomeUnknown, UpstreamUntrusted
from inbox.gateways.meta_errors import Meaning, meaning_of, plain_words
from inbox.health.doctor.findings import Clocks, Finding, ok, problem, warning
from inbox.resilience import Upstream

#: Less than a check's own limit, so that it can say what went wrong.
_CALL = Policy(total=4.0, connect=2.0, read=4.0, minimum=0.1)
_REDIS_TIMEOUT = 2.0  # seconds

_RENEW = (
    "Make a permanent token (Meta Business settings, System users, Generate token, with whatsapp_business_messaging "
    "and whatsapp_business_management) and run: flask --app wsgi accounts resume {id} --new-token (for the number of "
    "WHATSAPP_PHONE_NUMBER_ID: set WHATSAPP_ACCESS_TOKEN and run: flask --app wsgi db upgrade)"
)
_MODELS_PAGE = "https://ai.google.dev/gemini-api/docs/models"


@dataclass(frozen=True, slots=True)
class Number:
    """A business number to ask WhatsApp about."""

    label: str
    phone_number_id: str
    phone_number: str | None
    token: str = field(repr=False)


def _ask(name: str, url: str, headers: Mapping[str, str], clocks: Clocks) -> http.Answer:
    """One GET; notes the time of the answer. Raises UpstreamError."""
    upstream = Upstream(name, _CALL)
    answer = upstream.deadline(http.exchange)(upstream, "GET", url, headers=headers)
    with contextlib.suppress(ValueError, TypeError):  # without a readable Date there is nothing to compare
        clocks.saw(name, parsedate_to_datetime(answer.headers.get("Date", "")))
    return answer


def _silent(what: str, error: UpstreamError) -> Finding:
    """No answer came: how far the request got says where to look."""
    if isinstance(error, UpstreamUntrusted):
        return problem(
            what,
            "its certificate is not to be trusted, so we do not talk to it",
            "Look at this machine's clock and CA certificates, and whether a proxy reads the traffic.",
        )
    if isinstance(error, UpstreamOutcomeUnknown):
        return problem(
            what,
            f"takes the connection, but no whole answer came within {_CALL.total:g} s ({error.reason})",
            "If its status page shows nothing, look for a proxy or firewall that swallows answers.",
        )
    return problem(
        what,
        f"cannot be reached ({error.reason})",
        "Look at name resolution, the firewall and outbound connections of this host, and at the *_URL setting.",
    )


def _error_of(answer: http.Answer) -> dict[str, Any]:
    error = answer.data.get("error") if isinstance(answer.data, dict) else None
    return error if isinstance(error, dict) else {}


# --- WhatsApp ----------------------------------------------------------------------------------------------------


def whatsapp(base_url: str, number: Number, clocks: Clocks) -> list[Finding]:
    """Does WhatsApp know this number, and take its token?"""
    what = f"WhatsApp {number.label}"
    url = (
        f"{base_url}/{quote(number.phone_number_id, safe='')}?fields=display_phone_number,verified_name,quality_rating"
    )
    try:
        answer = _ask("WhatsApp", url, {"Authorization": f"Bearer {number.token}"}, clocks)
    except UpstreamError as error:
        return [_silent(what, error)]
    if answer.status == 200 and isinstance(answer.data, dict) and answer.data.get("id"):
        return [_known_number(what, number, answer.data)]
    return [_number_refused(what, number, answer)]


def _known_number(what: str, number: Number, data: dict[str, Any]) -> Finding:
    shown = "".join(filter(str.isdigit, str(data.get("display_phone_number", ""))))
    if number.phone_number and shown and shown != number.phone_number:
        return warning(
            what,
            f"the phone number id {number.phone_number_id} belongs to +{shown}, not to +{number.phone_number}",
            "Correct WHATSAPP_PHONE_NUMBER or WHATSAPP_PHONE_NUMBER_ID and run: flask --app wsgi db upgrade",
        )
    if data.get("quality_rating") == "RED":
        return warning(
            what,
            "the token is accepted, but the number's quality is low (RED): customers block or report it",
            "Look at Insights in WhatsApp Manager; Meta may limit what the number sends.",
        )
    return ok(what, f"the token is accepted; +{shown} {data.get('verified_name') or ''}".rstrip())


def _number_refused(what: str, number: Number, answer: http.Answer) -> Finding:
    error = _error_of(answer)
    code = error.get("code") if isinstance(error.get("code"), int) else None
    words = plain_words(code, f"WhatsApp answered HTTP {answer.status}.")
    shown = f"{words} (code {code})" if code is not None else words
    if code == 33 or (code == 100 and error.get("error_subcode") == 33):
        return problem(
            what,
            "WhatsApp knows no number with this phone number id, or the token may not see it",
            "Copy the Phone number ID (not the phone number) from WhatsApp Manager, API setup, into "
            "WHATSAPP_PHONE_NUMBER_ID, and use a token of the same business.",
        )
    bad_token = code in (0, 10, 190) or (code is not None and 200 <= code <= 299)
    if bad_token or (code is None and answer.status == 401):
        return problem(what, shown, _RENEW.format(id=number.phone_number_id))
    if meaning_of(code, answer.status) is Meaning.NUMBER_LIMIT:
        return warning(what, shown, "Wait some minutes and ask again.")
    if answer.status >= 500:
        return warning(what, shown, "WhatsApp is ill; messages stay queued. See https://metastatus.com")
    return problem(what, shown, "Look at the account in WhatsApp Manager.")


# --- Gemini ------------------------------------------------------------------------------------------------------


def gemini(base_url: str, api_key: str | None, model: str, setting: str, clocks: Clocks) -> list[Finding]:
    """Does the model exist, and is the key accepted? `setting` is where the model is named."""
    what = f"Gemini {model}"
    if not api_key:
        return [
            warning(
                "Gemini",
                "GEMINI_API_KEY is not set: the bot answers nobody and asks for people",
                "Make a key at https://aistudio.google.com/apikey and set GEMINI_API_KEY.",
            )
        ]
    try:
        url = f"{base_url}/models/{quote(model, safe='')}"
        answer = _ask("Gemini", url, {"x-goog-api-key": api_key}, clocks)
    except UpstreamError as error:
        return [_silent(what, error)]
    return [_model(what, answer, setting)]


def _model(what: str, answer: http.Answer, setting: str) -> Finding:
    if answer.status == 200 and isinstance(answer.data, dict) and answer.data.get("name"):
        methods = answer.data.get("supportedGenerationMethods")
        if isinstance(methods, list) and "generateContent" not in methods:
            return problem(what, "the model does not write texts", f"Set {setting} to one of {_MODELS_PAGE}")
        return ok(what, "the key is accepted and the model is there")
    if answer.status == 404:
        return problem(what, "the model does not exist, or not any more", f"Set {setting} to a model of {_MODELS_PAGE}")
    if answer.status == 429:
        return warning(what, "the quota is used up just now", "Wait, or raise the limits of the project.")
    reasons = {detail.get("reason") for detail in _error_of(answer).get("details") or [] if isinstance(detail, dict)}
    if "API_KEY_INVALID" in reasons or answer.status in (401, 403):
        return problem(
            what,
            f"Google does not accept the API key (HTTP {answer.status})",
            "Make a new key at https://aistudio.google.com/apikey, allow it the Generative Language API from this "
            "host's address, and set GEMINI_API_KEY.",
        )
    if answer.status >= 500:
        return warning(what, f"Google answers HTTP {answer.status}", "Gemini is ill; questions wait. Ask again later.")
    status = _error_of(answer).get("status")
    return problem(
        what,
        f"Google answers HTTP {answer.status} {status if isinstance(status, str) else ''}".rstrip(),
        "Look at GEMINI_API_URL, and at billing and country of the Google project.",
    )


# --- Supabase and Redis ------------------------------------------------------------------------------------------


def supabase(url: str | None, clocks: Clocks) -> list[Finding]:
    """Are the public keys there, by which tokens are checked?"""
    if url is None:
        return [ok("Supabase", "not configured")]
    try:
        answer = _ask("Supabase", f"{url}/auth/v1/.well-known/jwks.json", {}, clocks)
    except UpstreamError as error:
        return [_silent("Supabase", error)]
    if answer.status >= 500:
        return [warning("Supabase", f"answers HTTP {answer.status}", "It is ill. See https://status.supabase.com")]
    keys = answer.data.get("keys") if isinstance(answer.data, dict) else None
    if answer.status != 200 or not isinstance(keys, list):
        return [
            problem(
                "Supabase",
                f"the address does not answer as Supabase Auth does (HTTP {answer.status})",
                "Set SUPABASE_URL to the project's URL, such as https://<project>.supabase.co",
            )
        ]
    if not keys:
        return [
            warning(
                "Supabase",
                "publishes no signing keys: it signs with a shared secret, so every token has to be asked about",
                "Move the project to signing keys (Project settings, JWT keys).",
            )
        ]
    return [ok("Supabase", f"reachable, {len(keys)} signing key{'s' if len(keys) > 1 else ''}")]


def redis(url: str | None) -> list[Finding]:
    """Does it answer a PING?"""
    if url is None:
        return [ok("Redis", "not configured; each process caches for itself")]
    import redis as client  # only where it is used: it would cost every start 50 ms

    began = time.monotonic()
    try:
        with client.Redis.from_url(
            url, socket_timeout=_REDIS_TIMEOUT, socket_connect_timeout=_REDIS_TIMEOUT
        ) as connection:
            connection.ping()
    except (client.RedisError, ValueError) as error:
        return [
            warning(
                "Redis",
                f"does not answer ({type(error).__name__}); each process caches for itself meanwhile",
                "Start it or correct REDIS_URL; without REDIS_URL it is not used at all.",
            )
        ]
    return [ok("Redis", f"answers in {(time.monotonic() - began) * 1000:.0f} ms")]
