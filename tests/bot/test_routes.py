"""The profile over HTTP: every field, clear errors, the cache, the preview."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

from inbox import create_app
from inbox.auth import keys
from inbox.auth.access import Role
from inbox.bot import profiles
from inbox.config import Config
from inbox.db import Database
from inbox.runtime import runtime_of
from sandbox import Sandbox
from tests.builders import the_account

WHOLE = {
    "business_name": "Boulangerie Essai",
    "description": "Pains",
    "address": "1 rue du Test",
    "hours": "7h-19h",
    "knowledge_base": "Tout sur le pain.",
    "custom_fields": [{"id": "a", "label": "Wifi", "value": "oui"}],
    "template_config": {
        "system_rules": {
            "language": "fr",
            "tone": "t",
            "role": "r",
            "mission": "m",
            "style": "s",
            "priority": "p",
            "response_policy": "rp",
            "security": "sec",
        },
        "company": {
            "name": "n",
            "address": "a",
            "hours_block": "h",
            "zone": "z",
            "rendezvous": "rv",
            "activity": "act",
        },
        "offers": [{"category": "c", "content": "x"}],
        "conditions": {"zone": "z", "payment": "p", "engagement": "e", "restrictions": "r", "documents": "d"},
        "procedures": [{"name": "n", "steps": "one, two"}],
        "faq": [{"question": "q", "answer": "a"}],
        "special_cases": [{"case": "c", "response": "r"}],
        "links": {"site": "https://example.com", "products": "p", "form": "f", "other": "o"},
        "escalation": {"procedure": "p", "contact": "c", "hours": "h"},
        "special_rules": "none",
    },
    "language": "fr",
    "fallback_message": "Un instant.",
    "max_answers_per_hour": 5,
    "fallback_texts": [{"language": "de", "text": "Einen Moment."}],
    "reads_files": False,
    "model": "gemini-3.8-flash",
}


@pytest.fixture
def path(db: Database) -> str:
    return f"/bot/profile/{the_account(db).id}"


def test_an_account_without_a_profile_shows_an_empty_one(client: FlaskClient, path: str) -> None:
    body = client.get(path).json
    assert (body["id"], body["updated_at"], body["max_answers_per_hour"]) == (None, None, 20)
    assert (body["custom_fields"], body["template_config"]) == ([], {})
    assert "business_name" not in body, "null would win over the text that the predecessor's page proposes"


def test_every_field_goes_in_and_comes_out(client: FlaskClient, path: str) -> None:
    put = client.put(path, json=WHOLE)
    assert put.status_code == 200
    got = client.get(path)
    assert got.json == put.json
    assert {key: got.json[key] for key in WHOLE} == WHOLE
    assert got.json["updated_at"].endswith("Z")


def test_put_keeps_the_fields_it_does_not_name_and_null_empties_one(client: FlaskClient, path: str) -> None:
    client.put(path, json=WHOLE)
    client.put(path, json={"business_name": "Only a name", "model": None})
    kept = {name: value for name, value in WHOLE.items() if name != "model"}
    stored = client.get(path).json
    assert {name: stored[name] for name in kept} == {**kept, "business_name": "Only a name"}
    assert "model" not in stored


def test_the_template_is_replaced_as_a_whole(client: FlaskClient, path: str) -> None:
    client.put(path, json=WHOLE)
    client.put(path, json={"template_config": {"company": {"name": "n", "zone": None}}})
    assert client.get(path).json["template_config"] == {"company": {"name": "n"}}


def test_what_an_older_template_holds_beside_ours_is_kept(client: FlaskClient, path: str) -> None:
    old = {"company": {"name": "n", "slogan": "Bon pain"}, "opening_hours": {"monday": [7, 19]}, "faq": [{}]}
    assert client.put(path, json={"template_config": old}).status_code == 200
    assert client.get(path).json["template_config"] == old


def test_a_custom_field_that_is_just_being_written_is_taken(client: FlaskClient, path: str) -> None:
    fields = [{"id": "a", "label": "", "value": ""}, {"id": "b", "label": "Wifi", "value": "oui"}]
    assert client.put(path, json={"custom_fields": fields}).status_code == 200
    assert client.get(path).json["custom_fields"] == fields


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"business_name": 5}, "/business_name"),
        ({"business_name": "x" * 501}, "/business_name"),
        ({"knowledge_base": "x" * 50_001}, "/knowledge_base"),
        ({"custom_fields": [{"id": "a", "label": "l"}]}, "/custom_fields/0/value"),
        ({"custom_fields": [{"id": "a", "label": "l", "value": "v"}] * 2}, "/custom_fields"),
        ({"custom_fields": {}}, "/custom_fields"),
        ({"template_config": {"faq": [{"question": 1}]}}, "/template_config/faq/0/question"),
        ({"max_answers_per_hour": -1}, "/max_answers_per_hour"),
        ({"max_answers_per_hour": "5"}, "/max_answers_per_hour"),
        ({"max_answers_per_hour": True}, "/max_answers_per_hour"),
        ({"model": "../secret"}, "/model"),
    ],
)
def test_a_bad_profile_names_the_field_and_changes_nothing(
    client: FlaskClient, path: str, change: dict[str, Any], pointer: str
) -> None:
    client.put(path, json=WHOLE)
    response = client.put(path, json={**WHOLE, **change})
    assert response.status_code == 400
    assert pointer in [error["pointer"] for error in response.json["errors"]]
    assert client.get(path).json["business_name"] == "Boulangerie Essai"


def test_a_profile_of_no_account_is_404(client: FlaskClient) -> None:
    for method in ("GET", "PUT"):
        response = client.open(f"/bot/profile/{uuid.uuid4()}", method=method, json=WHOLE)
        assert (response.status_code, response.json["detail"]) == (404, "account_not_found")


@pytest.fixture
def live_client(live_config: Config) -> Iterator[FlaskClient]:
    app = create_app(live_config)
    runtime = runtime_of(app)
    runtime.prepare_database()
    made = app.test_client()
    made.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {keys.create(runtime.db, name='a', role=Role.ADMIN).secret}"
    made.environ_base["inbox.account"] = str(the_account(runtime.db).id)
    yield made
    runtime.close(5)


def test_a_preview_shows_an_answer_and_sends_nothing(live_client: FlaskClient, sandbox: Sandbox) -> None:
    sandbox.gemini_responder = lambda _request: "We open at 9."
    account = live_client.environ_base["inbox.account"]
    response = live_client.post(f"/bot/preview/{account}", json={"message": "When do you open?"})
    assert (response.status_code, response.json["answer"]) == (200, "We open at 9.")
    assert sandbox.requests("whatsapp") == []


def test_a_preview_answers_from_a_profile_that_is_not_saved(live_client: FlaskClient, sandbox: Sandbox) -> None:
    account = live_client.environ_base["inbox.account"]
    live_client.put(f"/bot/profile/{account}", json={"hours": "8 to 12", "address": "12 quai du Port"})
    sandbox.gemini_responder = lambda request: " | ".join(
        word for word in ("8 to 12", "9 to 13", "12 quai du Port") if word in str(request)
    )
    for profile, answer in ((None, "8 to 12 | 12 quai du Port"), ({"hours": "9 to 13"}, "9 to 13 | 12 quai du Port")):
        response = live_client.post(f"/bot/preview/{account}", json={"message": "When?", "profile": profile})
        assert (response.status_code, response.json["answer"]) == (200, answer)
    assert live_client.get(f"/bot/profile/{account}").json["hours"] == "8 to 12"


def test_a_bad_field_of_an_unsaved_profile_is_named(live_client: FlaskClient) -> None:
    account = live_client.environ_base["inbox.account"]
    body = {"message": "When?", "profile": {"template_config": {"faq": [{"question": 5}]}}}
    response = live_client.post(f"/bot/preview/{account}", json=body)
    pointers = [each["pointer"] for each in response.json["errors"]]
    assert (response.status_code, pointers) == (400, ["/profile/template_config/faq/0/question"])


@pytest.mark.parametrize(
    ("shape", "status", "code"), [("prompt_blocked", 422, "bot_refused"), ("unavailable", 503, "bot_unavailable")]
)
def test_a_preview_says_why_there_is_none(
    live_client: FlaskClient, sandbox: Sandbox, shape: str, status: int, code: str
) -> None:
    sandbox.fault("gemini", "shape", name=shape)
    account = live_client.environ_base["inbox.account"]
    response = live_client.post(f"/bot/preview/{account}", json={"message": "hello"})
    assert (response.status_code, response.json["code"]) == (status, code)


# --- versions, and questions to try a profile with ---------------------------------------------------------------


def test_each_saved_profile_is_a_version_that_can_be_brought_back(
    client: FlaskClient, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert client.get(f"{path}/versions").json == []
    client.put(path, json={"hours": "7-19", "business_name": "Essai"})
    client.put(path, json={"hours": "8-12", "description": "Pains"})
    newest, first = client.get(f"{path}/versions").json
    assert [newest["version"], first["version"]] == [2, 1]
    assert (newest["changed"], newest["author"]["name"]) == (["description", "hours"], "Test admin")
    then = client.get(f"/bot/versions/{first['id']}").json["profile"]
    assert (then["hours"], then["max_answers_per_hour"], then["reads_files"]) == ("7-19", 20, True)  # also if never set
    restored = client.post(f"/bot/versions/{first['id']}/restore").json
    assert (restored["hours"], "description" in restored) == ("7-19", False)
    assert client.get(path).json["hours"] == "7-19"
    third = client.get(f"{path}/versions").json[0]
    assert (third["version"], third["changed"]) == (3, ["description", "hours"])
    (entry,) = [each for each in client.get("/admin/audit-log").json if each["action"] == "profile.restored"]
    assert entry["details"] == {"version": 1, "changed": ["description", "hours"]}
    client.put(path, json={"max_answers_per_hour": 20, "reads_files": True, "custom_fields": [], "template_config": {}})
    assert client.get(f"{path}/versions").json[0]["changed"] == []  # they were so by default
    monkeypatch.setattr(profiles, "MOST_VERSIONS", 2)
    client.put(path, json={"hours": "9-13"})
    assert [each["version"] for each in client.get(f"{path}/versions").json] == [5, 4]
    assert client.get(f"/bot/versions/{first['id']}").json["code"] == "version_not_found"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_ten_questions_are_kept_each_once(client: FlaskClient, path: str) -> None:
    made = [client.post(f"{path}/questions", json={"text": f"Question {n}?"}).json["id"] for n in range(10)]
    assert client.post(f"{path}/questions", json={"text": "Question 3?"}).json["id"] == made[3]
    refused = client.post(f"{path}/questions", json={"text": "One more?"})
    assert (refused.status_code, refused.json["code"]) == (409, "too_many")
    assert client.delete(f"/bot/questions/{made[0]}").status_code == 200
    assert [each["text"] for each in client.get(f"{path}/questions").json] == [f"Question {n}?" for n in range(1, 10)]
