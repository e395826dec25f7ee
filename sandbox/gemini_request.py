"""What generateContent accepts, and what it refuses whatever the model would say.

Source: ai.google.dev, "Generating content" and "Gemini thinking". Names are proto JSON: camelCase or snake_case.
"""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.gemini_models import Model
from sandbox.gemini_shapes import JSON, error_answer, thinking_level_refused
from sandbox.protocol import Answer

_BODY_KEYS = {
    "contents", "systemInstruction", "generationConfig", "safetySettings", "tools", "toolConfig", "cachedContent",
    "serviceTier", "store", "labels", "continuationToken", "model",
}  # fmt: skip

_CONFIG_KEYS = {
    "maxOutputTokens", "temperature", "topP", "topK", "candidateCount", "stopSequences", "seed", "presencePenalty",
    "frequencyPenalty", "responseLogprobs", "logprobs", "mediaResolution", "responseModalities", "responseMimeType",
    "responseSchema", "responseJsonSchema", "thinkingConfig", "speechConfig", "imageConfig", "routingConfig",
    "audioTimestamp", "enableEnhancedCivicAnswers",
}  # fmt: skip

#: Files that may stand within a request; of all of them together so many bytes, in base64.
_FILE_TYPES = {
    *("image/png", "image/jpeg", "image/webp", "image/heic", "image/heif", "application/pdf"),
    *("audio/wav", "audio/mp3", "audio/aiff", "audio/aac", "audio/ogg", "audio/flac"),
}
MAX_FILES = 20 * 1024 * 1024

_THINKING_KEYS = {"thinkingLevel", "thinkingBudget", "includeThoughts"}

#: Tokens a model thinks before a short answer, by level; they count towards maxOutputTokens.
_THOUGHT_TOKENS = {"MINIMAL": 0, "LOW": 60, "MEDIUM": 200, "HIGH": 600}

_SNAKE = re.compile(r"_([a-z])")


class Refused(Exception):
    """The request is answered with an error."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer


@dataclass(frozen=True, slots=True)
class GeminiRequest:
    """What was asked of the model, for whoever answers in its place."""

    model: str
    system_text: str
    turns: tuple[tuple[str, str], ...]  #: role ("user" or "model") and text, oldest first
    body: JSON  #: as it was sent, names in camelCase
    files: tuple[tuple[str, bytes], ...] = ()  #: type and content, oldest first

    @property
    def last_user_text(self) -> str:
        return next((text for role, text in reversed(self.turns) if role == "user"), "")

    @property
    def prompt(self) -> str:
        return self.system_text + "".join(text for _, text in self.turns)


def read_request(content: Any, model: str) -> GeminiRequest:
    """The JSON of a request, checked as far as every model checks it; raises Refused."""
    body = _known(content, _BODY_KEYS, "request")
    if "generationConfig" in body:
        body["generationConfig"] = _known(body["generationConfig"], _CONFIG_KEYS, "generation_config")
    contents = body.get("contents")
    if not isinstance(contents, list) or not contents:
        raise Refused(error_answer(400, "* GenerateContentRequest.contents: contents is not specified\n"))
    turns = tuple(_turn(content, number) for number, content in enumerate(contents))
    system = body.get("systemInstruction") or {}
    inside = [part.get("inlineData") or part.get("inline_data") for content in contents for part in content["parts"]]
    files = tuple(_file(each) for each in inside if each is not None)
    if sum(len(data) for _, data in files) > MAX_FILES * 3 // 4:
        raise Refused(error_answer(400, "Request payload size exceeds the limit: 20971520 bytes."))
    return GeminiRequest(model, _text_of(system), turns, body, files)


def _file(inline: Any) -> tuple[str, bytes]:
    """Raises Refused."""
    file = _known(inline, {"mimeType", "data"}, "contents.parts.inline_data")
    try:
        data = base64.b64decode(file.get("data", ""), validate=True)
    except (TypeError, ValueError):
        message = "Invalid value at 'contents.parts.inline_data.data', Base64 decoding failed"
        raise Refused(error_answer(400, message)) from None
    kind = file.get("mimeType")
    if kind not in _FILE_TYPES:
        raise Refused(error_answer(400, f"Unsupported MIME type: {kind}"))
    if not data:
        raise Refused(error_answer(400, "Unable to process input image. Please retry or report."))
    return kind, data


def _turn(content: Any, number: int) -> tuple[str, str]:
    role = content.get("role", "user") if isinstance(content, Mapping) else None
    if role not in ("user", "model", "function"):
        raise Refused(error_answer(400, "Please use a valid role: user, model."))
    parts = content.get("parts")
    if not isinstance(parts, list) or not parts or not all(isinstance(part, Mapping) and part for part in parts):
        where = f"contents[{number}].parts"
        raise Refused(error_answer(400, f"* GenerateContentRequest.{where}: contents.parts must not be empty.\n"))
    return role, _text_of(content)


def _text_of(content: Any) -> str:
    parts = content.get("parts") if isinstance(content, Mapping) else None
    parts = [parts] if isinstance(parts, Mapping) else parts or []
    return "\n".join(part["text"] for part in parts if isinstance(part.get("text"), str) and not part.get("thought"))


def _known(value: Any, keys: set[str], where: str) -> JSON:
    """The object with its names in camelCase, which proto JSON also takes as snake_case; raises Refused."""
    if not isinstance(value, Mapping):
        raise Refused(error_answer(400, f"Invalid value at '{where}', an object is needed"))
    camel = {_SNAKE.sub(lambda found: found[1].upper(), name): each for name, each in value.items()}
    if unknown := sorted(set(camel) - keys):
        message = f"Invalid JSON payload received. Unknown name \"{unknown[0]}\" at '{where}': Cannot find field."
        raise Refused(error_answer(400, message))
    return camel


def thought_tokens(thinking: Any, model: Model) -> int:
    """How much this model thinks, as it is told; raises Refused where it does not take what it is told."""
    thinking = _known(thinking, _THINKING_KEYS, "generation_config.thinking_config")
    level, budget = thinking.get("thinkingLevel"), thinking.get("thinkingBudget")
    if level is not None and budget is not None:
        raise Refused(error_answer(400, "You can only set one of thinking budget and thinking level."))
    if level is not None and str(level).upper() not in model.levels:
        raise Refused(thinking_level_refused(str(level)))
    if isinstance(budget, int) and not model.levels:
        return min(budget, 200) if budget >= 0 else 200
    return _THOUGHT_TOKENS[str(level or model.level).upper()]


def check_config(config: Mapping[str, Any]) -> None:
    limit = config.get("maxOutputTokens")
    if limit is not None and (not isinstance(limit, int) or not 1 <= limit <= 65536):
        raise Refused(error_answer(400, "max_output_tokens must be from 1 to 65536"))
    if "responseSchema" in config and "responseJsonSchema" in config:
        raise Refused(error_answer(400, "Only one of response_schema and response_json_schema may be set."))
