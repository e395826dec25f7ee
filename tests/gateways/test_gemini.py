"""The Gemini gateway against the simulator: the request, every answer shape, every refusal."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbox.errors import (
    UpstreamError,
    UpstreamMisconfigured,
    UpstreamOutcomeUnknown,
    UpstreamRejected,
    UpstreamThrottled,
    UpstreamUnavailable,
)
from inbox.gateways.gemini import Gemini, ModelGone, Turn, thinking_for, whole_sentences
from sandbox import Sandbox

MODEL = "gemini-3.5-flash-lite"
TURNS = [Turn("user", "hola"), Turn("model", "¡Hola!"), Turn("user", "gracias")]


@pytest.fixture
def gemini(sandbox: Sandbox) -> Gemini:
    return Gemini(f"{sandbox.url}/v1beta", "test-gemini-key")


def generate(gemini: Gemini, model: str = MODEL) -> str:
    return gemini.generate(model=model, system="You help.", turns=TURNS).text


def bodies(sandbox: Sandbox) -> list[Any]:
    return [json.loads(request.body) for request in sandbox.requests("gemini")]


def test_the_request_is_what_the_current_models_take(sandbox: Sandbox, gemini: Gemini) -> None:
    assert generate(gemini)
    (request,) = sandbox.requests("gemini")
    (body,) = bodies(sandbox)
    assert request.headers["x-goog-api-key"] == "test-gemini-key"
    assert "key=" not in request.path
    assert request.headers["x-server-timeout"] == "1"
    assert [turn["role"] for turn in body["contents"]] == ["user", "model", "user"]
    assert body["systemInstruction"] == {"parts": [{"text": "You help."}]}
    assert body["generationConfig"] == {"maxOutputTokens": 1024, "thinkingConfig": {"thinkingLevel": "MINIMAL"}}
    assert len(body["safetySettings"]) == 4


def test_a_conversation_that_does_not_end_with_the_customer_is_not_sent(sandbox: Sandbox, gemini: Gemini) -> None:
    for turns in ([], TURNS[:2]):
        with pytest.raises(UpstreamRejected, match="does not end with the customer"):
            gemini.generate(model=MODEL, system="s", turns=turns)
    assert sandbox.requests("gemini") == []


def test_without_a_key_nothing_is_called(sandbox: Sandbox) -> None:
    with pytest.raises(UpstreamMisconfigured, match="GEMINI_API_KEY"):
        generate(Gemini(f"{sandbox.url}/v1beta", None))
    assert sandbox.requests("gemini") == []


def test_thoughts_are_not_shown_to_customers(sandbox: Sandbox, gemini: Gemini) -> None:
    sandbox.fault("gemini", "shape", name="thought_parts")
    sandbox.gemini_responder = lambda _request: "Visible."
    assert generate(gemini) == "Visible."


@pytest.mark.parametrize("shape", ["max_tokens_empty", "stop_empty", "unknown_finish"])
def test_an_empty_answer_is_asked_for_once_more_with_more_room(sandbox: Sandbox, gemini: Gemini, shape: str) -> None:
    sandbox.fault("gemini", "shape", name=shape, times=1)
    assert generate(gemini)
    assert [body["generationConfig"]["maxOutputTokens"] for body in bodies(sandbox)] == [1024, 2048]


@pytest.mark.parametrize(
    ("shape", "code"),
    [
        ("max_tokens_empty", "empty_answer"),
        ("stop_empty", "empty_answer"),
        ("function_call", "empty_answer"),
        ("no_candidates", "empty_answer"),
    ]
    + [("prompt_blocked", "refused"), ("safety_partial", "refused")],
)
def test_what_cannot_be_shown_goes_to_a_person(sandbox: Sandbox, gemini: Gemini, shape: str, code: str) -> None:
    sandbox.fault("gemini", "shape", name=shape)
    with pytest.raises(UpstreamRejected) as caught:
        generate(gemini)
    assert caught.value.code == code
    assert len(sandbox.requests("gemini")) == (1 if code == "refused" else 2)


#: shape → the error it must become.
REFUSALS: list[tuple[str, type[UpstreamError]]] = [
    ("key_invalid", UpstreamMisconfigured),
    ("last_turn_model", UpstreamRejected),
    ("retired", ModelGone),
    ("rate_limit_minute", UpstreamThrottled),
    ("rate_limit_day", ModelGone),
    ("rate_limit_bare", UpstreamThrottled),
    ("internal", UpstreamUnavailable),
    ("unavailable", UpstreamUnavailable),
    ("deadline", UpstreamUnavailable),
    ("html_502", UpstreamUnavailable),
    ("invalid_json", UpstreamOutcomeUnknown),
]


@pytest.mark.parametrize(("shape", "expected"), REFUSALS, ids=lambda value: str(value))
def test_every_refusal_becomes_its_error(
    sandbox: Sandbox, gemini: Gemini, shape: str, expected: type[UpstreamError]
) -> None:
    sandbox.fault("gemini", "shape", name=shape)
    with pytest.raises(UpstreamError) as caught:
        generate(gemini)
    assert type(caught.value) is expected
    assert len(sandbox.requests("gemini")) == 1
    assert "test-gemini-key" not in repr(caught.value.__dict__)


def test_the_hint_of_a_429_is_a_duration_in_the_body(sandbox: Sandbox, gemini: Gemini) -> None:
    sandbox.fault("gemini", "shape", name="rate_limit_minute", seconds=45.837906927)
    with pytest.raises(UpstreamThrottled) as caught:
        generate(gemini)
    assert caught.value.retry_after == pytest.approx(45.837906927)


def test_a_model_that_refuses_our_thinking_level_is_asked_without(sandbox: Sandbox, gemini: Gemini) -> None:
    sandbox.fault("gemini", "shape", name="thinking_level", times=1)
    assert generate(gemini)
    assert ["thinkingConfig" in body["generationConfig"] for body in bodies(sandbox)] == [True, False]


def test_silence_ends_with_the_read_timeout(sandbox: Sandbox, gemini: Gemini) -> None:
    sandbox.fault("gemini", "hang", seconds=3)
    with pytest.raises(UpstreamOutcomeUnknown):
        generate(gemini)


@pytest.mark.parametrize(
    ("model", "thinking"),
    [
        ("gemini-3.5-flash-lite", {"thinkingLevel": "MINIMAL"}),
        ("gemini-3.8-flash", {"thinkingLevel": "LOW"}),
        ("gemini-3.7-flash-002", {"thinkingLevel": "LOW"}),
        ("gemini-4-argon", {"thinkingLevel": "LOW"}),
        ("gemini-2.5-flash-lite", {"thinkingBudget": 0}),
        ("gemini-2.5-pro", {"thinkingBudget": 128}),
        ("somebody-elses-model", None),
    ],
)
def test_each_family_gets_the_least_thinking_it_takes(model: str, thinking: dict[str, Any] | None) -> None:
    assert thinking_for(model)[0] == thinking


@given(st.text())
def test_cutting_at_a_sentence_keeps_a_beginning_or_nothing(text: str) -> None:
    whole = whole_sentences(text)
    assert whole is None or text.lstrip().startswith(whole)


def test_a_cut_answer_ends_with_its_last_whole_sentence() -> None:
    assert whole_sentences("We open at 9. On Sundays we are clo") == "We open at 9."
    assert whole_sentences("It costs 3.50 eur") is None
    assert whole_sentences("نعم؟ ربما") == "نعم؟"
