"""The predecessor's page, request by request: what it sends and what it reads, over HTTP with tokens of Supabase.

It is the only client of this API that nobody here wrote. It shows no error texts: what is refused, vanishes.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import requests

from sandbox import Sandbox
from tests import servers
from tests.builders import NUMBER_ID
from tests.e2e.processes import flask, gunicorn, production
from tests.settings import APP_SECRET, BACKENDS
from tests.waiting import wait_until

PICTURE = b"\x89PNG\r\n\x1a\n" + b"\0" * 64
TEXT, NUMBER, YES_NO, LIST, PARTS = str, int, bool, list, dict
TEXT_OR_NULL = (str, type(None))

CONVERSATION = {
    "id": TEXT,
    "account_id": TEXT,
    "client_number": TEXT,
    "contacts.display_name": TEXT_OR_NULL,
    "contacts.whatsapp_number": TEXT,
    "unread_count": NUMBER,
    "is_favorite": YES_NO,
    "is_group": YES_NO,
    "status": TEXT,
    "updated_at": TEXT,
    "bot_enabled": YES_NO,
}
TEXTS = dict.fromkeys(("business_name", "description", "address", "hours", "knowledge_base"), "Levain")
PROFILE = {
    **TEXTS,
    "custom_fields": [{"id": "f1", "label": "", "value": ""}],
    "template_config": {
        "system_rules": {"tone": "chaleureux"},
        "offers": [{"category": "", "content": ""}],
        "procedures": [{}],
        "faq": [{"question": "Ouvert ?", "answer": "Oui."}],
        "special_cases": [{"case": "", "response": ""}],
        "house_style": {"signature": "L'équipe"},
    },
}
ROLE = {"name": "Soir", "slug": "soir", "description": "", "permissions": ["messages.view", "messages.send"]}
ASSIGNED = {"role_id": "{role}", "account_id": "{account}"}
OVERRIDDEN = {"permission_code": "contacts.view", "account_id": None, "is_allowed": True}


class Asked(NamedTuple):
    """A request of the page. In the places it reads, `[]` is each element of a list, of which there is one at least."""

    request: str
    body: Any = None
    reads: dict[str, Any] = {}


#: In the order in which somebody clicks through the page. {names} are what `Front` knows.
TABLE = [
    Asked(
        "GET /auth/me",
        reads={
            "permissions.global[]": TEXT,
            "permissions.accounts": PARTS,
            "email": TEXT,
            "roles[].role_name": TEXT,
            "roles[].role_slug": TEXT,
        },
    ),
    Asked("GET /accounts", reads={f"[].{name}": TEXT for name in ("id", "name", "phone_number", "phone_number_id")}),
    Asked(
        "POST /accounts",
        {
            "name": "Deuxième",
            "slug": "deuxieme",
            "phone_number": None,
            "phone_number_id": "200000000000002",
            "access_token": "token-of-two",
            "verify_token": "verify-two",
        },
    ),
    Asked("GET /conversations?account_id={account}", reads={f"[].{name}": kind for name, kind in CONVERSATION.items()}),
    Asked("POST /conversations/{conversation}/read"),
    Asked("POST /conversations/{conversation}/favorite", {"favorite": True}),
    Asked(
        "POST /conversations/{conversation}/bot",
        {"enabled": True, "reply_mode": "auto"},
        {f"conversation.{name}": kind for name, kind in CONVERSATION.items()},
    ),
    Asked(
        "GET /messages/{conversation}",
        reads={
            **{f"[].{name}": TEXT for name in ("id", "direction", "content_text", "timestamp", "message_type")},
            "[].media_id": TEXT_OR_NULL,
        },
    ),
    Asked("POST /messages/send", {"conversation_id": "{conversation}", "content": "On est ouvert."}),
    Asked("GET /messages/media/{message}"),
    Asked(
        "GET /contacts",
        reads={
            "[].id": TEXT,
            "[].display_name": TEXT_OR_NULL,
            "[].whatsapp_number": TEXT_OR_NULL,
            "[].created_at": TEXT,
        },
    ),
    Asked("GET /bot/profile/{account}", reads={"custom_fields": LIST, "template_config": PARTS}),
    Asked("PUT /bot/profile/{account}", PROFILE),
    Asked(
        "GET /bot/profile/{account}",
        reads={
            **dict.fromkeys(TEXTS, TEXT),
            **{f"custom_fields[].{name}": TEXT for name in ("id", "label", "value")},
            "template_config.system_rules.tone": TEXT,
            "template_config.house_style.signature": TEXT,
            "template_config.faq[].question": TEXT,
        },
    ),
    Asked("GET /admin/permissions", reads={"[].code": TEXT, "[].label": TEXT}),
    Asked("POST /admin/roles", ROLE),
    Asked(
        "GET /admin/roles",
        reads={**{f"[].{name}": TEXT for name in ("id", "slug", "name", "description")}, "[].permissions[]": TEXT},
    ),
    Asked("PUT /admin/roles/{role}", {**ROLE, "name": "Nuit"}),
    Asked("PUT /admin/users/{user}/roles", {"assignments": [ASSIGNED]}),
    Asked("PUT /admin/users/{user}/overrides", {"overrides": [OVERRIDDEN]}),
    Asked("POST /admin/users/{user}/status", {"is_active": False}),
    Asked(
        "GET /admin/users",
        reads={
            "[].email": TEXT,
            "[].user_id": TEXT,
            "[].is_active": YES_NO,
            "[].roles": LIST,
            "[].overrides": LIST,
            "{colleague}.roles[].role_id": TEXT,
            "{colleague}.roles[].role_slug": TEXT,
            "{colleague}.roles[].role_name": TEXT,
            "{colleague}.roles[].account_id": TEXT,
            "{colleague}.overrides[].permission_code": TEXT,
            "{colleague}.overrides[].account_id": TEXT_OR_NULL,
            "{colleague}.overrides[].is_allowed": YES_NO,
        },
    ),
    Asked("PUT /admin/users/{user}/roles", {"assignments": []}),
    Asked("DELETE /admin/roles/{role}"),
    Asked("DELETE /accounts/{second}"),
]


@dataclass
class Front:
    """The page: where its API is, who is signed in, and what it has read so far."""

    url: str
    token: str
    known: dict[str, str] = field(default_factory=dict)

    def ask(self, asked: Asked) -> requests.Response:
        """As the browser does. What later requests need is learned from the lists, as the page learns it."""
        method, _, path = self._filled(asked.request).partition(" ")
        signed_in = {"Authorization": f"Bearer {self.token}"}
        body = None if asked.body is None else self._filled(asked.body)
        answer = requests.request(method, self.url + path, json=body, headers=signed_in, timeout=30)
        if path in ("/accounts", "/admin/roles") and method == "POST":
            self.known |= {"second" if path == "/accounts" else "role": answer.json().get("id", "")}
        return answer

    def _filled(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: self._filled(each) for name, each in value.items()}
        if isinstance(value, list):
            return [self._filled(each) for each in value]
        if isinstance(value, str):
            for name, known in self.known.items():
                value = value.replace(f"{{{name}}}", known)
        return value


def wrong_in(answer: Any, place: str, kind: Any) -> str | None:
    """What the page does not find at `place`, such as contacts.display_name or []. None: it finds the type it reads."""
    found = [answer]
    if place.startswith("{colleague}"):
        found = [next(row for row in answer if row["email"] == "zoe@example.com")]
        place = place.removeprefix("{colleague}")
    for name in filter(None, place.replace("[]", ".[]").split(".")):
        if name == "[]":
            found = [element for each in found for element in each]
        elif missing := [each for each in found if name not in each]:
            return f"{place} is missing in {missing[0]}"
        else:
            found = [each[name] for each in found]
    wrong = [value for value in found if not isinstance(value, kind) or (kind is int and isinstance(value, bool))]
    return f"{place} is {wrong[0]!r}" if wrong else None if found else f"{place} is in an empty list"


@pytest.fixture(params=BACKENDS)
def front(request: pytest.FixtureRequest, tmp_path: Path, sandbox: Sandbox) -> Iterator[Front]:
    """gunicorn over the sandbox, with a customer's picture. Anna, who signs in at Supabase, is an administrator."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("sqlite_template"), tmp_path / "inbox.db")
        database_url = f"sqlite:///{tmp_path / 'inbox.db'}"
    else:
        databases: servers.Databases = request.getfixturevalue("postgres_databases")
        database_url = databases.take()
    environment = production(
        database_url,
        sandbox.url,
        tmp_path,
        WHATSAPP_APP_SECRET=APP_SECRET,
        WHATSAPP_VERIFY_TOKEN="verify-me",
        WHATSAPP_PHONE_NUMBER="+33 7 00 00 00 00",
        SUPABASE_URL=sandbox.url,
        SUPABASE_KEY="sb_publishable_test",
        WEB_CONCURRENCY="1",
    )
    flask(environment, "db", "upgrade")  # makes the business number
    key = flask(environment, "keys", "create", "--name", "first", "--role", "admin").strip().splitlines()[-1]
    with gunicorn(tmp_path / "web.log", environment) as (_process, url):
        yield opened(url, key, sandbox)
    if request.param != "sqlite":
        databases.give_back(database_url)


def opened(url: str, key: str, sandbox: Sandbox) -> Front:
    """The page of Anna, and Zoë who is invited."""
    sandbox.webhook_url = f"{url}/webhook/whatsapp"
    sandbox.gemini_responder = lambda _request: "Oui, jusqu'à 19 h."
    first = requests.Session()
    first.headers["Authorization"] = f"Bearer {key}"
    admin = next(role["id"] for role in first.get(f"{url}/admin/roles").json() if role["slug"] == "admin")
    invited = {"email": "anna@example.com", "assignments": [{"role_id": admin}]}
    assert first.post(f"{url}/admin/users", json=invited).status_code == 201
    zoe = first.post(f"{url}/admin/users", json={"email": "zoe@example.com"}).json()["user_id"]
    sandbox.customer_writes("33600000001", name="Camille", type="image", media=PICTURE)
    account = next(row["id"] for row in first.get(f"{url}/accounts").json() if row["phone_number_id"] == NUMBER_ID)
    listed = f"{url}/conversations?account_id={account}"
    conversation = wait_until(lambda: first.get(listed).json(), "the conversation to be there")[0]["id"]
    message = first.get(f"{url}/messages/{conversation}").json()[0]["id"]
    anna = sandbox.supabase.save_user(email="anna@example.com", password="le pain", user_metadata={"name": "Anna"})
    known = {"account": account, "conversation": conversation, "message": message, "user": zoe}
    return Front(url, sandbox.supabase.mint(anna), known)


def test_every_request_of_the_page_is_answered_as_the_page_reads_it(front: Front) -> None:
    with ThreadPoolExecutor(
        6
    ) as browser:  # a thread's pictures are asked for at once, and a browser keeps six under way
        shown = list(browser.map(front.ask, [Asked("GET /messages/media/{message}")] * 12))
    assert [(answer.status_code, answer.content) for answer in shown] == [(200, PICTURE)] * 12
    wrong: list[str] = []
    for asked in TABLE:
        answer = front.ask(asked)
        found = [f"{answer.status_code} {answer.text[:300]}"] if answer.status_code not in (200, 201, 202) else []
        if not found and asked.reads:
            found = [each for place, kind in asked.reads.items() if (each := wrong_in(answer.json(), place, kind))]
        print(f"{answer.status_code}  {asked.request}  {'; '.join(found) or 'as it is read'}")
        wrong += [f"{asked.request}: {each}" for each in found]
    assert wrong == []
