"""Google Gemini: generateContent over plain HTTP, and what its many ways of not answering mean.

Facts from Google's API reference and the google-genai 3.4.0 source (November 2026): HTTP 200 is no success, thinking
is paid out of maxOutputTokens, a history may not end with the model's turn, 3.x models refuse sampling settings.
"""

from __future__ import annotations

import logging
import math
import re
from base64 import b64encode
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import quote

from inbox.errors import (
    UpstreamError,
    UpstreamLocal,
    UpstreamMisconfigured,
    UpstreamOutcomeUnknown,
    UpstreamRejected,
    UpstreamThrottled,
)
from inbox.gateways import http
from inbox.resilience import GEMINI, remaining

log = logging.getLogger(__name__)

UPSTREAM = GEMINI.name

_SAFETY = [
    {"category": f"HARM_CATEGORY_{name}", "threshold": "BLOCK_ONLY_HIGH"}
    for name in ("HARASSMENT", "HATE_SPEECH", "SEXUALLY_EXPLICIT", "DANGEROUS_CONTENT")
]
#: Lowest thinking each model family takes (longest prefix wins), and tokens that leave room for a chat answer.
_THINKING: dict[str, tuple[dict[str, Any], int]] = {
    "gemini-3.5-flash": ({"thinkingLevel": "MINIMAL"}, 1024),
    "gemini-3.1-flash-lite": ({"thinkingLevel": "MINIMAL"}, 1024),
    "gemini-3": ({"thinkingLevel": "LOW"}, 2048),
    "gemini-4": ({"thinkingLevel": "LOW"}, 2048),
    "gemini-2.5-flash": ({"thinkingBudget": 0}, 1024),
    "gemini-2.5-pro": ({"thinkingBudget": 128}, 2048),
}
_DEFAULT_TOKENS = 4096  # for models that think as much as they like
_REQUESTS = 3  # for one answer, whatever the reasons for asking again; more if more attempts are configured

#: What a 200 of Gemini has one of, whether or not there are candidates in it. Any other object is a stranger's.
_OF_GEMINI = frozenset({"candidates", "promptFeedback", "usageMetadata", "modelVersion", "responseId"})

#: finishReasons that judge the text or our account: no repeat, a person takes over.
_REFUSALS = frozenset(
    {"SAFETY", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "TOO_MANY_TOOL_CALLS", "ESCALATION"}
    | {"PUP_LIMITED_DISABLED", "MODEL_ARMOR", "IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_OTHER"}
    | {"IMAGE_RECITATION", "NO_IMAGE"}
)


@dataclass(frozen=True, slots=True)
class InlineFile:
    """A file within a request."""

    mime_type: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of a conversation; `user` is the customer; `model` is the bot or a person, whichever answered.

    `files` stand behind the text.
    """

    role: Literal["user", "model"]
    text: str
    files: Sequence[InlineFile] = ()


@dataclass(frozen=True, slots=True)
class Generated:
    """A usable answer. `model` is the version that wrote it, which may differ from the one asked for."""

    text: str
    model: str | None
    tokens: int


class ModelGone(UpstreamRejected):
    """The model is retired, closed to this project, or out of its daily quota: another model may still answer."""


@dataclass(slots=True)
class _Asking:
    """One answer that is being asked for: what of, and how many requests may still be made for it."""

    model: str
    system: str
    turns: Sequence[Turn]
    thinking: dict[str, Any] | None
    room: int
    requests_left: int
    about: Hashable


class Gemini:
    """`base_url` holds the API version."""

    def __init__(self, base_url: str, api_key: str | None) -> None:
        self._base_url = base_url
        self._api_key = api_key

    @GEMINI.deadline
    @GEMINI.bulkhead
    def generate(self, *, model: str, system: str, turns: Sequence[Turn], about: Hashable = None) -> Generated:
        """The model's answer to the last turn, which must be the customer's.

        An empty or cut answer is asked for once more with twice the room. `about` is whose turns these are: what Gemini
        fails at again and again while it answers others is refused (code "failed").

        Raises UpstreamRejected (code says why: no use repeating), ModelGone, UpstreamMisconfigured, UpstreamThrottled,
        UpstreamUnavailable or UpstreamOutcomeUnknown; the last two may be repeated, since a generation changes nothing.
        """
        if not turns or turns[-1].role != "user":
            raise UpstreamRejected(
                UPSTREAM, "the conversation does not end with the customer", code="nothing_to_answer"
            )
        if not self._api_key:
            raise UpstreamMisconfigured(UPSTREAM, "GEMINI_API_KEY is not set", code="no_key")
        asking = _Asking(model, system, turns, *thinking_for(model), max(_REQUESTS, GEMINI.policy.attempts), about)
        try:
            return self._usable(asking)
        except UpstreamError as error:
            if error.sent and GEMINI.breaker.blames(about):
                words = "it fails at this conversation, and answers others"
                raise UpstreamRejected(UPSTREAM, words, code="failed") from error
            raise

    def _usable(self, asking: _Asking) -> Generated:
        reading = self._ask(asking)
        if reading.try_again and asking.requests_left:
            log.info("gemini answer unusable, asking once more", extra={"finish": reading.finish})
            asking.room *= 2
            reading = self._ask(asking)
        if reading.text is None:
            raise UpstreamRejected(UPSTREAM, f"no usable answer: {reading.finish}", code=reading.reason)
        return Generated(reading.text, reading.model, reading.tokens)

    @GEMINI.retry
    @GEMINI.breaker.about(lambda _self, asking: asking.about)
    def _ask(self, asking: _Asking) -> _Reading:
        answer = self._post(asking)
        if answer.status == 400 and asking.thinking and _mentions_thinking(answer):
            asking.thinking, asking.room = None, _DEFAULT_TOKENS
            answer = self._post(asking)
        if answer.status != 200:
            raise _refusal(answer)
        return _read(answer)

    def _post(self, asking: _Asking) -> http.Answer:
        if not asking.requests_left:
            raise UpstreamLocal(UPSTREAM, "asked as often as one answer is worth")
        asking.requests_left -= 1
        url = f"{self._base_url}/models/{quote(asking.model, safe='')}:generateContent"
        left = remaining() or GEMINI.policy.total
        headers = {
            "x-goog-api-key": self._api_key or "",
            "X-Server-Timeout": str(max(1, math.ceil(min(GEMINI.policy.read, left)))),  # as Google's SDKs do
        }
        return http.exchange(GEMINI, "POST", url, headers=headers, body=_request(asking))


def thinking_for(model: str) -> tuple[dict[str, Any] | None, int]:
    """The thinkingConfig and maxOutputTokens that keep thinking from eating the answer of `model`."""
    known = [prefix for prefix in _THINKING if model.startswith(prefix)]
    if not known:
        return None, _DEFAULT_TOKENS
    return _THINKING[max(known, key=len)]


def _request(asking: _Asking) -> dict[str, Any]:
    generation: dict[str, Any] = {"maxOutputTokens": asking.room}
    if asking.thinking:
        generation["thinkingConfig"] = asking.thinking
    return {
        "systemInstruction": {"parts": [{"text": asking.system}]},
        "contents": [{"role": turn.role, "parts": _parts(turn)} for turn in asking.turns],
        "generationConfig": generation,
        "safetySettings": _SAFETY,
    }


def _parts(turn: Turn) -> list[dict[str, Any]]:
    files = ({"mimeType": file.mime_type, "data": b64encode(file.data).decode()} for file in turn.files)
    return [{"text": turn.text}, *({"inlineData": file} for file in files)]


@dataclass(frozen=True, slots=True)
class _Reading:
    text: str | None  #: None: nothing to send
    finish: str
    reason: str  #: why there is no text: refused | empty_answer
    try_again: bool
    model: str | None
    tokens: int


def _read(answer: http.Answer) -> _Reading:
    """What a 200 holds, in the order that the API reference suggests to look."""
    if not isinstance(answer.data, dict):
        raise UpstreamOutcomeUnknown(UPSTREAM, "the answer is not a JSON object", http_status=200)
    candidate = _first(answer.data.get("candidates"))
    feedback = answer.data.get("promptFeedback")
    if not candidate and isinstance(feedback, dict) and feedback.get("blockReason"):
        return _reading(answer.data, None, f"prompt {feedback['blockReason']}", reason="refused", try_again=False)
    if answer.data and not answer.data.keys() & _OF_GEMINI:
        raise UpstreamOutcomeUnknown(UPSTREAM, "the answer is not of the expected shape", http_status=200)
    finish = candidate.get("finishReason")
    finish = finish if isinstance(finish, str) and finish else "NONE"
    text = _visible_text(candidate)
    if finish in _REFUSALS:
        return _reading(answer.data, None, finish, reason="refused", try_again=False)
    if finish in ("MAX_TOKENS", "CONTINUATION") and text:
        whole = whole_sentences(text)
        return _reading(answer.data, whole, finish, reason="empty_answer", try_again=whole is None)
    if finish in ("STOP", "NONE") and text:
        return _reading(answer.data, text, finish, reason="", try_again=False)
    # Nothing was judged, it just went wrong; a reason nobody has heard of is taken as one of these.
    return _reading(answer.data, None, finish, reason="empty_answer", try_again=True)


def _reading(data: dict[str, Any], text: str | None, finish: str, *, reason: str, try_again: bool) -> _Reading:
    usage = data.get("usageMetadata")
    total = usage.get("totalTokenCount") if isinstance(usage, dict) else None
    version = data.get("modelVersion")
    return _Reading(
        text=text,
        finish=finish,
        reason=reason,
        try_again=try_again,
        model=version if isinstance(version, str) else None,
        tokens=total if isinstance(total, int) else 0,
    )


def _first(candidates: Any) -> dict[str, Any]:
    first = candidates[0] if isinstance(candidates, list) and candidates else None
    return first if isinstance(first, dict) else {}


def _visible_text(candidate: dict[str, Any]) -> str:
    """The text parts of a candidate, without thoughts. Every key may be missing."""
    content = candidate.get("content")
    parts = content.get("parts") if isinstance(content, dict) else None
    texts = [
        part["text"]
        for part in (parts if isinstance(parts, list) else [])
        if isinstance(part, dict) and isinstance(part.get("text"), str) and part.get("thought") is not True
    ]
    return "".join(texts).strip()


def whole_sentences(text: str) -> str | None:
    """`text` up to its last finished sentence; None when there is none."""
    ends = [match.end() for match in re.finditer(r"[.!?…。！？؟](?=\s|$)|\n", text)]
    return text[: ends[-1]].strip() or None if ends else None


# --- errors ------------------------------------------------------------------------------------------------------


def _mentions_thinking(answer: http.Answer) -> bool:
    return "think" in _error(answer).get("message", "").lower()


def _error(answer: http.Answer) -> dict[str, Any]:
    """The error object, which the OpenAI-compatible path wraps into a list."""
    data = answer.data[0] if isinstance(answer.data, list) and answer.data else answer.data
    error = data.get("error") if isinstance(data, dict) else None
    if not isinstance(error, dict):
        return {}
    return {**error, "message": error["message"] if isinstance(error.get("message"), str) else ""}


def _refusal(answer: http.Answer) -> UpstreamError:
    """The typed error for an answer that is not 200."""
    error = _error(answer)
    status = error.get("status") if isinstance(error.get("status"), str) else None
    fields: dict[str, Any] = {"http_status": answer.status, "code": status}
    if answer.status == 429:
        return _throttled(answer, error, fields)
    if answer.status == 404:
        return ModelGone(UPSTREAM, "the model is not available", **fields)
    if answer.status in (401, 403) or _detail(error, "ErrorInfo").get("reason") == "API_KEY_INVALID":
        return UpstreamMisconfigured(UPSTREAM, "Gemini does not accept the API key", **fields)
    if status == "FAILED_PRECONDITION":
        return UpstreamMisconfigured(UPSTREAM, "Gemini needs billing, or is not offered in this country", **fields)
    words = f"Gemini refused the request (HTTP {answer.status})"
    return http.refusal(UPSTREAM, answer.status, answer.headers, scope="project", words=words, code=status)


def _throttled(answer: http.Answer, error: dict[str, Any], fields: dict[str, Any]) -> UpstreamError:
    """429 is three things: wait seconds, no more today, or not your model at all."""
    hint = _duration(_detail(error, "RetryInfo").get("retryDelay")) or http.retry_after(answer.headers)
    violations = _detail(error, "QuotaFailure").get("violations")
    for violation in violations if isinstance(violations, list) else []:
        if not isinstance(violation, dict):
            continue
        if "PerDay" in str(violation.get("quotaId")) or violation.get("quotaValue") == "0":
            return ModelGone(UPSTREAM, "the daily quota of the model is used up", **{**fields, "code": "daily_quota"})
    return UpstreamThrottled(UPSTREAM, "too many requests", scope="project", retry_after=hint, **fields)


def _detail(error: dict[str, Any], kind: str) -> dict[str, Any]:
    details = error.get("details")
    for detail in details if isinstance(details, list) else []:
        if isinstance(detail, dict) and str(detail.get("@type", "")).endswith(kind):
            return detail
    return {}


def _duration(value: Any) -> float | None:
    """Seconds of a protobuf Duration such as "26s" or "41.6s"."""
    match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)s", value) if isinstance(value, str) else None
    return float(match.group(1)) if match else None
