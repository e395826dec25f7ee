import json

import pytest
import requests

from sandbox import GeminiRequest, Sandbox
from sandbox.fault_kinds import GEMINI_SHAPES
from sandbox.gemini_shapes import SHAPES
from tests.sandbox.helpers import generate, text_of

SYSTEM = """Tu es l'assistant de l'Atelier Essai.
Horaires : du mardi au samedi, 9h-18h
Adresse : 1 rue du Test, 75000 Paris
- Livraison : 4,90 € partout en France
"""


def instruction(text: str = SYSTEM) -> dict:
    return {"systemInstruction": {"parts": [{"text": text}]}}


def refusal_of(response: requests.Response) -> tuple[int, str]:
    error = response.json()["error"]
    assert error["code"] == response.status_code
    assert error["message"]
    return response.status_code, error["status"]


def test_an_answer_has_the_documented_shape(sandbox: Sandbox) -> None:
    answer = generate(sandbox, "Bonjour").json()
    assert answer["candidates"] == [
        {
            "content": {"parts": [{"text": "Bonjour ! Comment puis-je vous aider ?"}], "role": "model"},
            "finishReason": "STOP",
            "index": 0,
        }
    ]
    usage = answer["usageMetadata"]
    assert usage["totalTokenCount"] == usage["promptTokenCount"] + usage["candidatesTokenCount"] > 0
    assert answer["modelVersion"] == "gemini-3.5-flash-lite"
    assert answer["responseId"]


def test_the_same_question_gets_the_same_answer(sandbox: Sandbox) -> None:
    assert text_of(generate(sandbox, "Quel est le prix ?")) == text_of(generate(sandbox, "Quel est le prix ?"))


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("Quels sont vos horaires ?", "mardi au samedi, 9h-18h"),
        ("What are your opening hours?", "Here is what I can tell you: du mardi"),
        ("¿Cuál es su horario?", "Esto es lo que puedo decirle: du mardi"),
        ("Où êtes-vous ?", "1 rue du Test"),
        ("Livrez-vous à Lyon ?", "4,90 €"),
    ],
)
def test_what_the_system_instruction_says_is_repeated(sandbox: Sandbox, question: str, words: str) -> None:
    assert words in text_of(generate(sandbox, question, **instruction()))


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("Combien ça coûte ?", "prix"),
        ("How much is it?", "price"),
        ("¿Cuánto cuesta?", "precio"),
        ("Merci beaucoup", "Avec plaisir"),
        ("Thank you so much", "welcome"),
        ("Muchas gracias", "gusto"),
        ("Hello there, are you open?", "hours"),
        ("blah", "Merci pour votre message"),
    ],
)
def test_without_a_fact_the_answer_is_still_to_the_point(sandbox: Sandbox, question: str, words: str) -> None:
    assert words in text_of(generate(sandbox, question))


def test_the_last_question_counts(sandbox: Sandbox) -> None:
    assert "prix" in text_of(generate(sandbox, "Bonjour", "Bonjour !", "Quel est le prix ?"))


def test_the_responder_can_be_replaced(sandbox: Sandbox) -> None:
    asked: list[GeminiRequest] = []
    sandbox.gemini_responder = lambda request: asked.append(request) or "Réponse"
    assert text_of(generate(sandbox, "un", "deux", "trois", **instruction("Règles"))) == "Réponse"
    [request] = asked
    assert request.turns == (("user", "un"), ("model", "deux"), ("user", "trois"))
    assert (request.system_text, request.last_user_text, request.model) == ("Règles", "trois", "gemini-3.5-flash-lite")


def test_a_responder_that_fails_is_an_internal_error(sandbox: Sandbox) -> None:
    sandbox.gemini_responder = lambda request: {}["missing"]
    assert refusal_of(generate(sandbox, "x")) == (500, "INTERNAL")


def test_json_mode_answers_a_document_that_fits_the_schema(sandbox: Sandbox) -> None:
    schema = {
        "type": "OBJECT",
        "properties": {
            "intent": {"type": "STRING", "enum": ["hours", "price"]},
            "reply": {"type": "STRING"},
            "other": {"type": "STRING"},
            "handoff": {"type": "BOOLEAN"},
            "score": {"type": "NUMBER"},
            "tags": {"type": "ARRAY"},
            "inner": {"type": "OBJECT", "properties": {}},
        },
    }
    config = {"responseMimeType": "application/json", "responseSchema": schema}
    document = json.loads(text_of(generate(sandbox, "Merci", generationConfig=config)))
    assert document["reply"].startswith("Avec plaisir")
    assert document == {
        "intent": "hours", "reply": document["reply"], "other": "", "handoff": False, "score": 0.0, "tags": [],
        "inner": {},
    }  # fmt: skip
    plain = generate(sandbox, "Merci", generationConfig={"responseMimeType": "application/json"})
    assert list(json.loads(text_of(plain))) == ["reply"]


def test_names_may_be_written_with_underscores(sandbox: Sandbox) -> None:
    body = {"system_instruction": {"parts": {"text": SYSTEM}}, "generation_config": {"max_output_tokens": 100}}
    assert "9h-18h" in text_of(generate(sandbox, "Quels horaires ?", **body))


def test_thinking_is_paid_out_of_the_output_limit(sandbox: Sandbox) -> None:
    def answer(limit: int, level: str) -> dict:
        config = {"maxOutputTokens": limit, "thinkingConfig": {"thinkingLevel": level}}
        return generate(sandbox, "Bonjour", generationConfig=config).json()

    assert answer(20, "MINIMAL")["candidates"][0]["finishReason"] == "STOP"
    cut = answer(62, "LOW")
    assert cut["candidates"][0]["content"]["parts"] == [{"text": "Bonjour "}]
    nothing = answer(60, "LOW")
    assert nothing["candidates"][0] == {"finishReason": "MAX_TOKENS", "index": 0}
    assert nothing["usageMetadata"]["thoughtsTokenCount"] == 60


def test_a_latency_can_be_set(make_sandbox) -> None:
    sandbox = make_sandbox(gemini_latency=600)
    with pytest.raises(requests.ReadTimeout):
        requests.post(
            f"{sandbox.url}/v1/models/gemini-3.8-flash:generateContent",
            json={"contents": [{"parts": [{"text": "x"}]}]},
            headers={"x-goog-api-key": "k"},
            timeout=0.05,
        )
    sandbox.gemini.seconds = 0
    assert generate(sandbox, "x").status_code == 200


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"contents": []}, 400),
        ({"contents": "Bonjour"}, 400),
        ({"contents": [{"role": "assistant", "parts": [{"text": "x"}]}]}, 400),
        ({"contents": [{"role": "user"}]}, 400),
        ({"contents": [{"role": "user", "parts": [{}]}]}, 400),
        ({"contents": ["x"]}, 400),
        ({"instruction": "x"}, 400),
        ({"generationConfig": []}, 400),
        ({"generationConfig": {"maxTokens": 5}}, 400),
        ({"generationConfig": {"maxOutputTokens": 0}}, 400),
        ({"generationConfig": {"responseSchema": {}, "responseJsonSchema": {}}}, 400),
        ({"generationConfig": {"thinkingConfig": {"effort": "low"}}}, 400),
        ({"generationConfig": {"thinkingConfig": {"thinkingLevel": "LOW", "thinkingBudget": 5}}}, 400),
        ({"generationConfig": {"thinkingConfig": {"thinkingLevel": "EXTREME"}}}, 400),
        ({"continuationToken": "é"}, 400),
    ],
)
def test_a_request_that_is_wrong_is_an_invalid_argument(sandbox: Sandbox, body: dict, status: int) -> None:
    assert refusal_of(generate(sandbox, "Bonjour", **body)) == (status, "INVALID_ARGUMENT")


def test_a_body_that_is_no_json_is_an_invalid_argument(sandbox: Sandbox) -> None:
    url = f"{sandbox.url}/v1/models/gemini-3.8-flash:generateContent"
    assert refusal_of(requests.post(url, data=b"{", headers={"x-goog-api-key": "k"}, timeout=5))[0] == 400


def test_a_request_that_ends_with_the_models_turn_is_refused(sandbox: Sandbox) -> None:
    refusal = generate(sandbox, "Bonjour", "Bonjour !")
    assert refusal_of(refusal) == (400, "INVALID_ARGUMENT")
    assert refusal.json()["error"]["message"] == "Requests ending with a model turn are not supported."
    assert generate(sandbox, "Bonjour", "Bonjour !", model="gemini-3.5-flash").status_code == 200


@pytest.mark.parametrize(
    ("model", "level", "status"),
    [
        ("gemini-3.8-flash", "MINIMAL", 400),
        ("gemini-3.7-flash", "minimal", 400),
        ("gemini-3.8-flash", "LOW", 200),
        ("gemini-3.5-flash-lite", "MINIMAL", 200),
        ("gemini-2.5-flash", "LOW", 400),
    ],
)
def test_thinking_levels_are_not_the_same_for_every_model(
    sandbox: Sandbox, model: str, level: str, status: int
) -> None:
    config = {"thinkingConfig": {"thinkingLevel": level}}
    assert generate(sandbox, "Bonjour", model=model, generationConfig=config).status_code == status


def test_older_models_take_a_thinking_budget_and_newer_ones_tolerate_it(sandbox: Sandbox) -> None:
    for model, thoughts in (("gemini-2.5-flash", 50), ("gemini-3.8-flash", 200)):
        config = {"thinkingConfig": {"thinkingBudget": 50}}
        answer = generate(sandbox, "Bonjour", model=model, generationConfig=config).json()
        assert answer["usageMetadata"]["thoughtsTokenCount"] == thoughts


def test_sampling_parameters_are_tolerated(sandbox: Sandbox) -> None:
    config = {"temperature": 0.3, "topP": 0.9, "topK": 40, "candidateCount": 1}
    assert generate(sandbox, "Bonjour", model="gemini-3.8-flash", generationConfig=config).status_code == 200


@pytest.mark.parametrize(
    ("model", "version", "message"),
    [
        ("gemini-9", "v1beta", "not found for API version v1beta"),
        ("gemini-flash-latest", "v1", "not found for API version v1"),
        ("gemini-2.0-flash", "v1beta", "is no longer available"),
        ("gemini-1.5-pro", "v1", "is no longer available"),
    ],
)
def test_an_unknown_or_retired_model_is_not_found(sandbox: Sandbox, model: str, version: str, message: str) -> None:
    refusal = generate(sandbox, "x", model=model, version=version)
    assert refusal_of(refusal) == (404, "NOT_FOUND")
    assert message in refusal.json()["error"]["message"]


def test_an_alias_stands_for_a_model_in_v1beta(sandbox: Sandbox) -> None:
    assert generate(sandbox, "x", model="gemini-flash-latest").json()["modelVersion"] == "gemini-3.8-flash"
    assert generate(sandbox, "x", version="v1").status_code == 200


def post(sandbox: Sandbox, query: str = "", **headers: str) -> requests.Response:
    url = f"{sandbox.url}/v1beta/models/gemini-3.8-flash:generateContent{query}"
    body = {"contents": [{"role": "user", "parts": [{"text": "Bonjour"}]}]}
    return requests.post(url, json=body, headers=headers, timeout=5)


def test_only_the_configured_keys_are_taken(make_sandbox) -> None:
    sandbox = make_sandbox(gemini_keys=["AQ.good"])
    refusal = post(sandbox, **{"x-goog-api-key": "AQ.bad"})
    assert refusal_of(refusal) == (400, "INVALID_ARGUMENT")
    assert refusal.json()["error"]["details"][0]["reason"] == "API_KEY_INVALID"
    assert post(sandbox, **{"x-goog-api-key": "AQ.good"}).status_code == 200


def test_a_key_in_the_url_is_refused_and_noted(sandbox: Sandbox) -> None:
    assert refusal_of(post(sandbox, "?key=AIza123")) == (400, "INVALID_ARGUMENT")
    [request] = sandbox.requests("gemini")
    assert request.note == "key in the URL"


def test_other_credentials_are_refused(sandbox: Sandbox) -> None:
    assert refusal_of(post(sandbox)) == (403, "PERMISSION_DENIED")
    bearer = post(sandbox, Authorization="Bearer x")
    assert refusal_of(bearer) == (401, "UNAUTHENTICATED")
    assert bearer.json()["error"]["details"][0]["reason"] == "ACCESS_TOKEN_TYPE_UNSUPPORTED"
    assert refusal_of(post(sandbox, Authorization="Bearer x", **{"x-goog-api-key": "k"})) == (400, "INVALID_ARGUMENT")


def get(sandbox: Sandbox, path: str, **query: object) -> requests.Response:
    return requests.get(f"{sandbox.url}/v1beta/{path}", params=query, headers={"x-goog-api-key": "k"}, timeout=5)


def test_models_are_listed_in_pages_and_found_by_name(sandbox: Sandbox) -> None:
    first = get(sandbox, "models", pageSize=4).json()
    rest = get(sandbox, "models", pageSize=50, pageToken=first["nextPageToken"]).json()
    names = [model["name"] for model in first["models"] + rest["models"]]
    assert len(set(names)) == len(names) == 10
    assert "nextPageToken" not in rest
    assert get(sandbox, names[0]).json() == first["models"][0]
    assert get(sandbox, "models/none").status_code == 404
    assert get(sandbox, "models", pageSize="x").status_code == 400
    assert get(sandbox, "files").status_code == 404
    assert get(sandbox, "").status_code == 404


def test_tokens_are_counted(sandbox: Sandbox) -> None:
    def count(body: object) -> requests.Response:
        url = f"{sandbox.url}/v1/models/gemini-3.8-flash:countTokens"
        return requests.post(url, json=body, headers={"x-goog-api-key": "k"}, timeout=5)

    contents = {"contents": [{"role": "user", "parts": [{"text": "x" * 40}]}]}
    assert count(contents).json()["totalTokens"] == 10
    assert count({"generateContentRequest": contents}).json()["totalTokens"] == 10
    assert count({}).status_code == count([]).status_code == 400


def shape(sandbox: Sandbox, name: str, **more: object) -> requests.Response:
    sandbox.clear_faults()
    sandbox.fault("gemini", "shape", name=name, **more)
    return generate(sandbox, "Bonjour")


def test_every_shape_has_an_answer(sandbox: Sandbox) -> None:
    assert set(SHAPES) == set(GEMINI_SHAPES)


@pytest.mark.parametrize(
    ("name", "finish", "text"),
    [
        ("text", "STOP", "Bonjour ! Comment puis-je vous aider ?"),
        ("max_tokens_empty", "MAX_TOKENS", None),
        ("max_tokens_partial", "MAX_TOKENS", "Bonjour ! Comment p"),
        ("stop_empty", "STOP", None),
        ("safety_partial", "SAFETY", "Bonjour ! Comment p"),
        ("continuation", "CONTINUATION", "Bonjour ! Comment p"),
        ("unknown_finish", "A_REASON_OF_TOMORROW", None),
        ("retiring", "STOP", "Bonjour ! Comment puis-je vous aider ?"),
    ],
)
def test_a_200_may_hold_the_text_a_part_of_it_or_none(
    sandbox: Sandbox, name: str, finish: str, text: str | None
) -> None:
    response = shape(sandbox, name)
    [candidate] = response.json()["candidates"]
    assert (response.status_code, candidate["finishReason"]) == (200, finish)
    assert ("content" in candidate) == (text is not None)
    assert text is None or text_of(response) == text


def test_thoughts_are_parts_of_their_own(sandbox: Sandbox) -> None:
    parts = shape(sandbox, "thought_parts").json()["candidates"][0]["content"]["parts"]
    assert [part.get("thought", False) for part in parts] == [True, False]


def test_a_blocked_prompt_and_nothing_at_all_have_no_candidates(sandbox: Sandbox) -> None:
    blocked, nothing = shape(sandbox, "prompt_blocked").json(), shape(sandbox, "no_candidates").json()
    assert "candidates" not in blocked | nothing
    assert blocked["promptFeedback"] == {"blockReason": "PROHIBITED_CONTENT"}
    assert "promptFeedback" not in nothing


def test_a_function_call_has_its_signature(sandbox: Sandbox) -> None:
    [part] = shape(sandbox, "function_call").json()["candidates"][0]["content"]["parts"]
    assert part["functionCall"]["name"]
    assert part["thoughtSignature"]


def test_a_continuation_token_brings_the_rest(sandbox: Sandbox) -> None:
    first = shape(sandbox, "continuation")
    sandbox.clear_faults()
    token = first.json()["candidates"][0]["continuationToken"]
    rest = generate(sandbox, "Bonjour", continuationToken=token)
    assert text_of(first) + text_of(rest) == "Bonjour ! Comment puis-je vous aider ?"


def test_a_retiring_model_says_so(sandbox: Sandbox) -> None:
    assert shape(sandbox, "retiring").json()["modelStatus"]["modelStage"] == "DEPRECATED"


def test_an_answer_can_be_broken_json(sandbox: Sandbox) -> None:
    response = shape(sandbox, "invalid_json")
    assert response.status_code == 200
    with pytest.raises(ValueError, match=r"\w"):
        response.json()


@pytest.mark.parametrize(
    ("name", "status", "word"),
    [
        ("key_invalid", 400, "INVALID_ARGUMENT"),
        ("key_unsupported", 401, "UNAUTHENTICATED"),
        ("permission_denied", 403, "PERMISSION_DENIED"),
        ("precondition", 400, "FAILED_PRECONDITION"),
        ("thinking_level", 400, "INVALID_ARGUMENT"),
        ("last_turn_model", 400, "INVALID_ARGUMENT"),
        ("retired", 404, "NOT_FOUND"),
        ("closed_to_new", 404, "NOT_FOUND"),
        ("rate_limit_bare", 429, "RESOURCE_EXHAUSTED"),
        ("internal", 500, "INTERNAL"),
        ("unavailable", 503, "UNAVAILABLE"),
        ("deadline", 504, "DEADLINE_EXCEEDED"),
    ],
)
def test_an_error_has_its_status_and_word(sandbox: Sandbox, name: str, status: int, word: str) -> None:
    assert refusal_of(shape(sandbox, name)) == (status, word)


def details_of(response: requests.Response) -> dict:
    return {entry["@type"].rpartition(".")[2]: entry for entry in response.json()["error"]["details"]}


@pytest.mark.parametrize(("seconds", "delay"), [(26, "26s"), (41.6, "41.6s"), (0, "0s")])
def test_a_limit_per_minute_says_when_to_come_back(sandbox: Sandbox, seconds: float, delay: str) -> None:
    details = details_of(shape(sandbox, "rate_limit_minute", seconds=seconds))
    assert details["RetryInfo"]["retryDelay"] == delay
    assert "PerMinute" in details["QuotaFailure"]["violations"][0]["quotaId"]


@pytest.mark.parametrize(("name", "value"), [("rate_limit_day", "250"), ("quota_zero", "0")])
def test_a_limit_per_day_does_not(sandbox: Sandbox, name: str, value: str) -> None:
    details = details_of(shape(sandbox, name))
    assert "RetryInfo" not in details
    [violation] = details["QuotaFailure"]["violations"]
    assert "PerDay" in violation["quotaId"]
    assert violation["quotaValue"] == value


def test_an_error_can_come_in_a_list_or_as_html(sandbox: Sandbox) -> None:
    assert shape(sandbox, "error_list").json()[0]["error"]["code"] == 503
    html = shape(sandbox, "html_502")
    assert (html.status_code, html.text[:9], html.headers["Content-Type"][:9]) == (502, "<!DOCTYPE", "text/html")


def test_a_shape_needs_no_valid_request(sandbox: Sandbox) -> None:
    sandbox.fault("gemini", "shape", name="text")
    assert generate(sandbox).status_code == 200


def test_what_was_asked_is_recorded(sandbox: Sandbox) -> None:
    generate(sandbox, "Bonjour")
    [request] = sandbox.requests("gemini")
    assert (request.method, request.path) == ("POST", "/v1beta/models/gemini-3.5-flash-lite:generateContent")
    assert request.headers["x-goog-api-key"] == "key"
    assert json.loads(request.body)["contents"][0]["parts"] == [{"text": "Bonjour"}]
    assert (request.outcome, request.status, request.processed) == ("answered", 200, True)


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ({"mimeType": "audio/ogg", "data": "T2dnUw=="}, ""),
        ({"mimeType": "audio/ogg; codecs=opus", "data": "T2dnUw=="}, "Unsupported MIME type"),
        ({"mimeType": "application/octet-stream", "data": "T2dnUw=="}, "Unsupported MIME type"),
        ({"mimeType": "image/png", "data": "no base64!"}, "Base64 decoding failed"),
        ({"mimeType": "image/png", "data": ""}, "Unable to process"),
        ({"mimeType": "image/png", "data": "T2dnUw==", "name": "x"}, "Unknown name"),
    ],
)
def test_a_file_within_a_request_is_checked(sandbox: Sandbox, file: dict, words: str) -> None:
    heard: list[tuple[str, bytes]] = []
    sandbox.gemini_responder = lambda request: heard.extend(request.files) or "Heard."
    response = generate(sandbox, contents=[{"role": "user", "parts": [{"text": "?"}, {"inlineData": file}]}])
    assert (response.status_code, words in response.text) == (400 if words else 200, True)
    assert heard == ([] if words else [("audio/ogg", b"OggS")])
