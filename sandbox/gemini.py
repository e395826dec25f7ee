"""The Gemini API (Google AI for Developers) as far as a chat bot uses it: generateContent, countTokens, models.

Source: ai.google.dev, "Generating content", "API keys" and "Models".
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from sandbox.gemini_models import MODELS, Model, find_model, is_retired
from sandbox.gemini_replies import fill_schema, reply_to
from sandbox.gemini_request import GeminiRequest, Refused, check_config, read_request, thought_tokens
from sandbox.gemini_shapes import (
    LAST_TURN_MODEL,
    SHAPES,
    Asked,
    content_answer,
    error_answer,
    key_invalid,
    key_unsupported,
    model_not_found,
    model_retired,
    rest_of,
    tokens_of,
)
from sandbox.options import Options
from sandbox.protocol import Answer, Request, json_answer

Responder = Callable[[GeminiRequest], str]


def default_responder(request: GeminiRequest) -> str:
    """A short reply in the customer's language; in JSON mode, a document that fits the schema."""
    reply = reply_to(request.last_user_text, request.system_text)
    config = request.body.get("generationConfig", {})
    schema = config.get("responseSchema") or config.get("responseJsonSchema")
    if config.get("responseMimeType") == "application/json":
        return json.dumps(fill_schema(schema, reply) if schema else {"reply": reply})
    return reply


class Gemini:
    """Answers the requests under /v1beta and /v1. `responder` writes the replies, after `seconds` of thinking."""

    name = "gemini"

    def __init__(self, options: Options) -> None:
        self._options = options
        self.responder: Responder = default_responder
        self.seconds = options.gemini_latency

    @staticmethod
    def owns(first_segment: str) -> bool:
        return first_segment in ("v1beta", "v1")

    def latency(self, request: Request) -> float:
        return self.seconds if request.path.endswith(":generateContent") else 0.0

    def answer(self, request: Request) -> Answer:
        try:
            return self._route(request)
        except Refused as refusal:
            return refusal.answer

    def error_answer(self, status: int) -> Answer:
        return error_answer(status, f"Sandbox: HTTP {status} asked for")

    def faulty_answer(self, _fault: str, params: Mapping[str, Any], request: Request, _answer: Answer | None) -> Answer:
        """A `shape`, around the text the model would have answered."""
        model = request.path.rpartition("/")[2].partition(":")[0]
        try:
            found = read_request(_json_of(request), model)
            text, prompt = self.responder(found), found.prompt
        except Refused:
            text, prompt = "Bonjour ! Comment puis-je vous aider ?", ""
        return SHAPES[params["name"]](Asked(model, text, prompt, params["seconds"]))

    def _route(self, request: Request) -> Answer:
        if refusal := self._key_refusal(request):
            return refusal
        _, version, collection, path = f"{request.path}//".split("/", 3)
        if collection != "models":
            return error_answer(404, f"Not found: {request.path}")
        name, _, method = path.rstrip("/").partition(":")
        if request.method == "GET":
            return self._get_model(name, version) if name else _list_models(request.query)
        model = find_model(name, version)
        if model is None or method not in ("generateContent", "countTokens"):
            return model_retired(name) if is_retired(name) else model_not_found(name, version)
        if method == "countTokens":
            return _count_tokens(request, model)
        return self._generate(read_request(_json_of(request), model.id), model)

    def _key_refusal(self, request: Request) -> Answer | None:
        """The key belongs into x-goog-api-key: in the URL it would end up in logs, so here that is an error."""
        key, allowed = request.headers.get("x-goog-api-key"), self._options.gemini_keys
        if "key" in request.query:
            answer = error_answer(400, "Sandbox: the API key must be sent in the x-goog-api-key header")
            return Answer(answer.status, answer.body, note="key in the URL")
        if key and "authorization" in request.headers:
            return error_answer(400, "Multiple authentication credentials received. Please pass only one.")
        if "authorization" in request.headers:
            return key_unsupported()
        if not key:
            return error_answer(403, "Method doesn't allow unregistered callers. Please use API Key.")
        return key_invalid() if allowed is not None and key not in allowed else None

    def _get_model(self, name: str, version: str) -> Answer:
        model = find_model(name, version)
        return json_answer(200, model.as_json()) if model else model_not_found(name, version)

    def _generate(self, request: GeminiRequest, model: Model) -> Answer:
        config = request.body.get("generationConfig", {})
        thoughts = thought_tokens(config.get("thinkingConfig", {}), model)
        check_config(config)
        if request.turns[-1][0] == "model" and not model.may_end_with_model:
            return error_answer(400, LAST_TURN_MODEL)
        if "continuationToken" in request.body:
            rest = rest_of(request.body["continuationToken"])
            if rest is None:
                return error_answer(400, "Invalid continuation token.")
            return content_answer(model.id, [{"text": rest}], prompt=request.prompt)
        return _within_limit(self.responder(request), thoughts, config.get("maxOutputTokens"), model, request.prompt)


def _within_limit(text: str, thoughts: int, limit: int | None, model: Model, prompt: str) -> Answer:
    """The answer, or what of it fits into maxOutputTokens after the thoughts."""
    room = None if limit is None else limit - thoughts
    if room is None or tokens_of(text) <= room:
        return content_answer(model.id, [{"text": text}], prompt=prompt, thoughts=thoughts)
    parts = [{"text": text[: room * 4]}] if room > 0 else None
    thought = min(thoughts, limit or 0)
    return content_answer(model.id, parts, prompt=prompt, thoughts=thought, finish="MAX_TOKENS")


def _json_of(request: Request) -> Any:
    try:
        return request.json()
    except ValueError:
        raise Refused(error_answer(400, "Invalid JSON payload received.")) from None


def _count_tokens(request: Request, model: Model) -> Answer:
    body = _json_of(request)
    inner = body.get("generateContentRequest", body) if isinstance(body, Mapping) else body
    count = tokens_of(read_request(inner, model.id).prompt)
    return json_answer(200, {"totalTokens": count, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": count}]})


def _list_models(query: Mapping[str, str]) -> Answer:
    """A page of models; pageToken is the number of the first one."""
    size, start = query.get("pageSize", "50"), query.get("pageToken", "0")
    if not size.isdecimal() or not start.isdecimal() or int(size) == 0:
        return error_answer(400, "Invalid page_size or page_token")
    first, past = int(start), int(start) + int(size)
    page = [model.as_json() for model in list(MODELS.values())[first:past]]
    return json_answer(200, {"models": page} | ({"nextPageToken": str(past)} if past < len(MODELS) else {}))
