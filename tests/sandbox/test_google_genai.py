"""Google's own client, unchanged but for the base address."""

from collections.abc import Iterator

import pytest
from google import genai
from google.genai import errors, types

from sandbox import Sandbox


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[genai.Client]:
    options = types.HttpOptions(base_url=sandbox.url, api_version="v1beta", timeout=5000)
    client = genai.Client(api_key="AQ.test", http_options=options)
    yield client
    client.close()


def test_it_gets_a_text(sandbox: Sandbox, client: genai.Client) -> None:
    config = types.GenerateContentConfig(
        system_instruction="Horaires : 9h-18h",
        max_output_tokens=2048,
        thinking_config=types.ThinkingConfig(thinking_level=types.ThinkingLevel.LOW),
        safety_settings=[
            types.SafetySetting(
                category=types.HarmCategory.HARM_CATEGORY_HARASSMENT, threshold=types.HarmBlockThreshold.BLOCK_ONLY_HIGH
            )
        ],
    )
    answer = client.models.generate_content(model="gemini-3.8-flash", contents="Quels horaires ?", config=config)
    assert answer.text == "Voici ce que je peux vous dire : 9h-18h"
    assert answer.usage_metadata is not None
    assert answer.usage_metadata.thoughts_token_count == 60
    assert answer.candidates is not None
    assert answer.candidates[0].finish_reason == types.FinishReason.STOP
    [request] = sandbox.requests("gemini")
    assert request.headers["x-goog-api-key"] == "AQ.test"
    assert "key" not in request.path


def test_it_holds_a_conversation(sandbox: Sandbox, client: genai.Client) -> None:
    sandbox.gemini_responder = lambda request: f"{len(request.turns)} : {request.last_user_text}"
    chat = client.chats.create(model="gemini-3.5-flash-lite")
    assert chat.send_message("un").text == "1 : un"
    assert chat.send_message("deux").text == "3 : deux"


def test_it_gets_a_document_in_json_mode(client: genai.Client) -> None:
    config = types.GenerateContentConfig(
        response_mime_type="application/json",
        response_schema={"type": "OBJECT", "properties": {"reply": {"type": "STRING"}, "handoff": {"type": "BOOLEAN"}}},
    )
    answer = client.models.generate_content(model="gemini-3.5-flash-lite", contents="Merci", config=config)
    assert answer.parsed == {"reply": "Avec plaisir ! N'hésitez pas si vous avez une autre question.", "handoff": False}


def test_its_errors_carry_code_and_status(sandbox: Sandbox, client: genai.Client) -> None:
    with pytest.raises(errors.ClientError) as refused:
        client.models.generate_content(model="gemini-2.0-flash", contents="x")
    assert (refused.value.code, refused.value.status) == (404, "NOT_FOUND")
    sandbox.fault("gemini", "shape", name="unavailable")
    with pytest.raises(errors.ServerError) as failed:
        client.models.generate_content(model="gemini-3.8-flash", contents="x")
    assert (failed.value.code, failed.value.status) == (503, "UNAVAILABLE")


def test_it_sees_no_text_where_there_is_none(sandbox: Sandbox, client: genai.Client) -> None:
    for name in ("max_tokens_empty", "stop_empty", "prompt_blocked", "no_candidates"):
        sandbox.clear_faults()
        sandbox.fault("gemini", "shape", name=name)
        assert client.models.generate_content(model="gemini-3.8-flash", contents="x").text is None


def test_it_leaves_thoughts_out_of_the_text(sandbox: Sandbox, client: genai.Client) -> None:
    sandbox.fault("gemini", "shape", name="thought_parts")
    answer = client.models.generate_content(model="gemini-3.8-flash", contents="Merci")
    assert answer.text == "Avec plaisir ! N'hésitez pas si vous avez une autre question."


def test_it_continues_where_the_answer_broke_off(sandbox: Sandbox, client: genai.Client) -> None:
    sandbox.fault("gemini", "shape", name="continuation", times=1)
    answer = client.models.generate_content(model="gemini-3.8-flash", contents="Merci")
    assert answer.text == "Avec plaisir ! N'hésitez pas si vous avez une autre question."
    assert len(sandbox.requests("gemini")) == 2


def test_it_reads_a_function_call(sandbox: Sandbox, client: genai.Client) -> None:
    sandbox.fault("gemini", "shape", name="function_call")
    answer = client.models.generate_content(model="gemini-3.8-flash", contents="Où est ma commande ?")
    assert answer.function_calls is not None
    assert answer.function_calls[0].args == {"id": "4521"}


def test_it_counts_tokens(client: genai.Client) -> None:
    assert client.models.count_tokens(model="gemini-3.8-flash", contents="x" * 40).total_tokens == 10


def test_it_lists_models(client: genai.Client) -> None:
    names = [model.name for model in client.models.list(config={"page_size": 3})]
    assert len(names) == 10
    assert "models/gemini-3.5-flash-lite" in names
    assert client.models.get(model="gemini-3.8-flash").input_token_limit == 1048576


def test_its_default_version_works_too(sandbox: Sandbox) -> None:
    with genai.Client(api_key="k", http_options=types.HttpOptions(base_url=sandbox.url)) as client:
        assert client.models.generate_content(model="gemini-3.8-flash", contents="Merci").text
    assert sandbox.requests("gemini")[0].path.startswith("/v1/models/")
