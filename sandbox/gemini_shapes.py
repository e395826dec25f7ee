"""Everything the Gemini API answers: texts, the ways to have no text, and its errors.

Source: ai.google.dev, "GenerateContentResponse" and "Troubleshooting"; google.rpc.Status for errors.
"""

import base64
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.protocol import Answer, json_answer

JSON = dict[str, Any]

_STATUS_NAMES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}

#: Clients send bytes back in either alphabet of base64.
_URL_SAFE = str.maketrans("-_", "+/")

LAST_TURN_MODEL = "Requests ending with a model turn are not supported."


def tokens_of(text: str) -> int:
    """About what a tokenizer counts: four characters each."""
    return (len(text) + 3) // 4


def content_answer(
    model: str, parts: list[JSON] | None, *, prompt: str = "", thoughts: int = 0, finish: str = "STOP", **more: Any
) -> Answer:
    """A 200 with one candidate; parts None leaves its content out. more adds keys to the candidate."""
    candidate: JSON = {"finishReason": finish, "index": 0} | more
    if parts is not None:
        candidate = {"content": {"parts": parts, "role": "model"}} | candidate
    visible = "".join(part.get("text", "") for part in parts or ())
    return json_answer(200, {"candidates": [candidate]} | _metadata(model, prompt, visible, thoughts))


def _metadata(model: str, prompt: str, visible: str, thoughts: int) -> JSON:
    prompted, answered = tokens_of(prompt), tokens_of(visible)
    usage = {"promptTokenCount": prompted, "candidatesTokenCount": answered, "totalTokenCount": prompted + answered}
    if thoughts:
        usage |= {"thoughtsTokenCount": thoughts, "totalTokenCount": prompted + answered + thoughts}
    return {"usageMetadata": usage, "modelVersion": model, "responseId": secrets.token_urlsafe(16)}


def error_answer(code: int, message: str, *details: JSON, status: str | None = None) -> Answer:
    error: JSON = {"code": code, "message": message, "status": status or _STATUS_NAMES.get(code, "UNKNOWN")}
    if details:
        error["details"] = list(details)
    return json_answer(code, {"error": error})


def detail(kind: str, **content: Any) -> JSON:
    """An entry of `details`: kind is RetryInfo, QuotaFailure, ErrorInfo, Help or BadRequest."""
    return {"@type": f"type.googleapis.com/google.rpc.{kind}"} | content


def key_invalid() -> Answer:
    info = detail(
        "ErrorInfo",
        reason="API_KEY_INVALID",
        domain="googleapis.com",
        metadata={"service": "generativelanguage.googleapis.com"},
    )
    return error_answer(400, "API key not valid. Please pass a valid API key.", info)


def key_unsupported() -> Answer:
    info = detail("ErrorInfo", reason="ACCESS_TOKEN_TYPE_UNSUPPORTED", domain="googleapis.com")
    message = "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other"
    return error_answer(401, f"{message} valid authentication credential.", info)


def model_not_found(model: str, version: str) -> Answer:
    message = f"models/{model} is not found for API version {version}, or is not supported for generateContent."
    return error_answer(404, f"{message} Call ListModels to see the list of available models.")


def model_retired(model: str) -> Answer:
    return error_answer(404, f"This model models/{model} is no longer available.")


def thinking_level_refused(level: str) -> Answer:
    return error_answer(400, f"Thinking level {level} is not supported for this model. Please retry with another one.")


def rate_limited(quota_id: str, quota_value: str, model: str, retry_delay: str | None) -> Answer:
    """A 429 with its QuotaFailure, and RetryInfo where a delay ("26s") is given."""
    violation = {
        "quotaMetric": "generativelanguage.googleapis.com/generate_content_requests",
        "quotaId": quota_id,
        "quotaDimensions": {"model": model, "location": "global"},
        "quotaValue": quota_value,
    }
    link = {
        "description": "Learn more about Gemini API quotas",
        "url": "https://ai.google.dev/gemini-api/docs/rate-limits",
    }
    details = [detail("QuotaFailure", violations=[violation]), detail("Help", links=[link])]
    if retry_delay is not None:
        details.append(detail("RetryInfo", retryDelay=retry_delay))
    return error_answer(429, "You exceeded your current quota, please check your plan and billing details.", *details)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a shape is made of: the model's id, what it would have answered, the prompt, and the fault's `seconds`."""

    model: str
    text: str
    prompt: str
    seconds: float

    def answer(self, *parts: JSON, finish: str = "STOP", thoughts: int = 0, **more: Any) -> Answer:
        """A candidate with these parts; without any, it has no content."""
        found = list(parts) or None
        return content_answer(self.model, found, prompt=self.prompt, thoughts=thoughts, finish=finish, **more)

    def half(self) -> JSON:
        return {"text": self.text[: len(self.text) // 2]}

    def without_candidates(self, **more: Any) -> Answer:
        return json_answer(200, more | _metadata(self.model, self.prompt, "", 0))


def continuation_token(rest: str) -> str:
    """What a client sends back for the rest of a text; read by `rest_of`."""
    return base64.b64encode(rest.encode()).decode()


def rest_of(token: Any) -> str | None:
    """The text a continuation token stands for; None where it is none of ours."""
    try:
        return base64.b64decode(str(token).translate(_URL_SAFE), validate=True).decode()
    except ValueError:
        return None


def _thought_parts(asked: Asked) -> Answer:
    thought = {"text": "Let me see what the customer wants.", "thought": True}
    return asked.answer(thought, {"text": asked.text, "thoughtSignature": "c2ln"}, thoughts=48)


def _safety_partial(asked: Asked) -> Answer:
    rating = {"category": "HARM_CATEGORY_DANGEROUS_CONTENT", "probability": "HIGH", "blocked": True}
    return asked.answer(asked.half(), finish="SAFETY", safetyRatings=[rating])


def _function_call(asked: Asked) -> Answer:
    call = {"name": "lookup_order", "args": {"id": "4521"}, "id": "call-1"}
    return asked.answer({"functionCall": call, "thoughtSignature": "c2FuZGJveA=="}, thoughts=32)


def _continuation(asked: Asked) -> Answer:
    token = continuation_token(asked.text[len(asked.text) // 2 :])
    return asked.answer(asked.half(), finish="CONTINUATION", continuationToken=token)


def _retiring(asked: Asked) -> Answer:
    answer: JSON = json.loads(asked.answer({"text": asked.text}).body)
    status = {"modelStage": "DEPRECATED", "message": "Will be retired.", "retirementTime": "2026-12-01T00:00:00Z"}
    return json_answer(200, answer | {"modelStatus": status})


def _fixed(make: Callable[..., Answer], *arguments: Any, **named: Any) -> "Shape":
    """A shape that is the same whatever was asked."""
    return lambda _asked: make(*arguments, **named)


_HTML_502 = b"<!DOCTYPE html><html><title>Error 502 (Server Error)!!1</title><p>The server encountered an error.</html>"
_PER_MINUTE = "GenerateRequestsPerMinutePerProjectPerModel"
_PER_DAY = "GenerateRequestsPerDayPerProjectPerModel-FreeTier"

Shape = Callable[[Asked], Answer]

SHAPES: Mapping[str, Shape] = {
    "text": lambda asked: asked.answer({"text": asked.text}),
    "thought_parts": _thought_parts,
    "max_tokens_empty": lambda asked: asked.answer(finish="MAX_TOKENS", thoughts=1024),
    "max_tokens_partial": lambda asked: asked.answer(asked.half(), finish="MAX_TOKENS", thoughts=512),
    "stop_empty": lambda asked: asked.answer(),
    "no_candidates": lambda asked: asked.without_candidates(),
    "prompt_blocked": lambda asked: asked.without_candidates(promptFeedback={"blockReason": "PROHIBITED_CONTENT"}),
    "safety_partial": _safety_partial,
    "function_call": _function_call,
    "continuation": _continuation,
    "unknown_finish": lambda asked: asked.answer(finish="A_REASON_OF_TOMORROW"),
    "retiring": _retiring,
    "invalid_json": lambda asked: Answer(200, asked.answer({"text": asked.text}).body[:-20]),
    "key_invalid": _fixed(key_invalid),
    "key_unsupported": _fixed(key_unsupported),
    "permission_denied": _fixed(error_answer, 403, "Your API key was reported as leaked."),
    "precondition": _fixed(
        error_answer, 400, "User location is not supported for the API use.", status="FAILED_PRECONDITION"
    ),
    "thinking_level": _fixed(thinking_level_refused, "MINIMAL"),
    "last_turn_model": _fixed(error_answer, 400, LAST_TURN_MODEL),
    "retired": lambda asked: model_retired(asked.model),
    "closed_to_new": lambda asked: error_answer(
        404, f"This model models/{asked.model} is no longer available to new users."
    ),
    "rate_limit_minute": lambda asked: rate_limited(_PER_MINUTE, "10", asked.model, f"{asked.seconds:g}s"),
    "rate_limit_day": lambda asked: rate_limited(_PER_DAY, "250", asked.model, None),
    "rate_limit_bare": _fixed(error_answer, 429, "Resource has been exhausted (e.g. check quota)."),
    "quota_zero": lambda asked: rate_limited(_PER_DAY, "0", asked.model, None),
    "error_list": _fixed(lambda: Answer(503, b"[%b]" % error_answer(503, "The model is overloaded.").body)),
    "internal": _fixed(error_answer, 500, "An internal error has occurred. Please retry."),
    "unavailable": _fixed(error_answer, 503, "The model is overloaded. Please try again later."),
    "deadline": _fixed(error_answer, 504, "Deadline expired before operation could complete."),
    "html_502": _fixed(Answer, 502, _HTML_502, "text/html; charset=UTF-8"),
}
