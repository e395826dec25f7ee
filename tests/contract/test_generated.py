"""Requests that Schemathesis makes up from the document: valid ones, broken ones, and what the answers promise."""

from __future__ import annotations

import dataclasses
import shutil
import threading
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import schemathesis
from hypothesis import strategies as st
from schemathesis.checks import load_all_checks
from schemathesis.generation.feedback import FeedbackSources
from schemathesis.pytest._test_builder import build_operation_test
from werkzeug.serving import make_server

from inbox import create_app
from inbox.auth import keys
from inbox.auth.access import Role
from inbox.clock import utc_now
from inbox.config import Config
from inbox.db.paging import Cursor
from inbox.live.positions import Position
from inbox.runtime import runtime_of
from inbox.web.openapi.document import document
from tests.builders import NUMBER_ID, all_messages, ingest, text_message, the_conversation, webhook

#: What the document is made from while tests are collected; nothing is connected to.
_CONFIG = Config(
    env="development",
    secret_key="x" * 40,
    encryption_keys=("cAPfQz8cnMbo3bTDf5FXL1cYIrzBBYWcbKcMhN_bkvE=",),
    dispatcher=False,
    log_format="text",
    whatsapp_app_secrets=("secret",),
    whatsapp_verify_token="verify-me",
    whatsapp_phone_number_id=NUMBER_ID,
    whatsapp_access_token="test-access-token",
    whatsapp_api_url="http://127.0.0.1:9/v26.0",
    gemini_api_url="http://127.0.0.1:9/v1beta",
    rate_limit=1_000_000,
    rate_limit_anonymous=1_000_000,
)


def _without_long_lists(part: Any) -> Any:
    """The document without its bounds on lists: to make up 200 members takes longer than all else, at each collection.

    Lists that are too long are in tests/test_bad_input.py.
    """
    if isinstance(part, dict):
        return {name: _without_long_lists(inner) for name, inner in part.items() if name != "maxItems"}
    return [_without_long_lists(inner) for inner in part] if isinstance(part, list) else part


_document = _without_long_lists(document(create_app(_CONFIG), session_cookie="inbox_session"))
schema = schemathesis.openapi.from_dict(
    _document,
    config=schemathesis.Config.from_dict(
        {
            "seed": 1,
            "generation": {"deterministic": True, "max-examples": 3, "allow-x00": False},
            "checks": {
                "not_a_server_error": {"expected-statuses": ["2xx", "3xx", "4xx", "503"]},  # upstreams are away
                "negative_data_rejection": {"expected-statuses": ["400", "401", "403", "404", "409", "413", "422"]},
            },
            "operations": [
                {  # its form is signed, so none can be made up
                    "include-name": "POST /sign-in",
                    "checks": {"positive_data_acceptance": {"expected-statuses": ["2xx", "3xx", "400", "429"]}},
                },
                {  # what WhatsApp asks of buttons, lists and files, no schema can say
                    "include-name": ["POST /messages/send-content", "POST /uploads"],
                    "checks": {"positive_data_acceptance": {"expected-statuses": ["2xx", "400", "404", "409", "413"]}},
                },
                {  # what hours, choices and a range of days have to be among each other, no schema can say
                    "include-name": [
                        "PUT /accounts/{account_id}/hours",
                        "POST /accounts/{account_id}/contact-fields",
                        "PATCH /contact-fields/{contact_field_id}",
                        "PATCH /contacts/{contact_id}",
                        "GET /reports",
                    ],
                    "checks": {"positive_data_acceptance": {"expected-statuses": ["2xx", "304", "400", "404", "409"]}},
                },
                {  # its body may be left out, which counts as broken there
                    "include-name": "POST /conversations/{conversation_id}/read",
                    "checks": {"negative_data_rejection": {"enabled": False}},
                },
            ],
        }
    ),
)


@schema.auth()
class Administrator:
    """Shows a key that may do everything."""

    secret = ""

    def get(self, case: schemathesis.Case, context: schemathesis.AuthContext) -> str:
        return Administrator.secret

    def set(self, case: schemathesis.Case, data: str, context: schemathesis.AuthContext) -> None:
        case.headers["Authorization"] = f"Bearer {data}"


_times = st.datetimes(datetime(2020, 1, 1), timezones=st.just(UTC))
schemathesis.openapi.format("cursor", st.builds(Cursor, _times, st.uuids()).map(Cursor.encode))
#: What is there, by the names that ask for it.
_real: dict[str, str] = {}
#: Of which fields no two rows may have the same.
_UNIQUE = {
    "custom_fields": ["id"],
    "overrides": ["permission_code", "account_id"],
    "assignments": ["role_id", "account_id"],
}
#: What a query cannot have together: a change has its own order, and a page begins in one place.
_RIVALS = {"updated_since": ["order"], "around": ["after", "before", "cursor"], "after": ["before", "cursor"]}


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: schemathesis.Case, kwargs: dict[str, Any]) -> None:
    """What a valid request names has to be there; what is deleted need not."""
    if case.meta is None or case.meta.generation.mode is not schemathesis.GenerationMode.POSITIVE:
        return
    case.query, case.body = _with_real(case.query), _with_real(case.body)
    if case.query:
        case.query.pop("since", None)  # a position is signed, so none can be made up
        _without_rivals(case.query)
    if case.method != "DELETE":
        case.path_parameters = _with_real(case.path_parameters)
    if isinstance(case.body, dict) and case.body.get("client_key"):
        case.headers.pop("Idempotency-Key", None)  # one of the two says it
        case.body["client_key"] = uuid.uuid4().hex  # made up twice it would be the key of another request
    if isinstance(case.body, dict) and "user_id" in case.body:
        case.body["user_id"] = None  # there is nobody who may answer


def _without_rivals(query: dict[str, Any]) -> None:
    """Take away the parameters that cannot be combined with another that is there."""
    for name, rivals in _RIVALS.items():
        if query.get(name) is not None:
            for rival in rivals:
                query.pop(rival, None)


def _with_real(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        return type(value)({each.replace("\0", ""): _with_real(inner, each) for each, inner in value.items()})
    if isinstance(value, list) and name == "permissions":
        return list(dict.fromkeys(value))
    if isinstance(value, list):
        made = [_real[name]] if name in _real else [_with_real(inner, name) for inner in value]
        fields = _UNIQUE.get(name)
        return made if fields is None else list({_identity(each, fields): each for each in made}.values())
    if isinstance(value, str):  # rules that no schema can say: what people read shows something, no text has U+0000
        printable = "".join(filter(str.isprintable, value)).strip() or "-"
        printable = "".join(printable.split()) if name == "shortcut" else printable
        value = printable if name in ("name", "content", "shortcut", "text", "description") else value.replace("\0", "")
    return value if value is None else _real.get(name, value)


def _identity(row: Any, fields: list[str]) -> tuple[Any, ...]:
    """What makes a row another one."""
    return tuple(map(row.get, fields))


@pytest.fixture(scope="module")
def server(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an application that refuses nobody for asking often, with one conversation."""
    folder = tmp_path_factory.mktemp("generated")
    shutil.copy(sqlite_template, folder / "inbox.db")
    app = create_app(dataclasses.replace(_CONFIG, instance_path=folder, database_url=f"sqlite:///{folder}/inbox.db"))
    runtime = runtime_of(app)
    runtime.prepare_database()
    ingest(runtime, webhook(messages=[text_message()]))
    conversation, message = the_conversation(runtime.db), all_messages(runtime.db)[0]
    _real.update(conversation_id=str(conversation.id), account_id=str(conversation.account_id))
    _real.update(dict.fromkeys(("through", "after", "around"), str(message.id)))
    _real.update(message_id=str(message.id), accounts=str(conversation.account_id), expires_at="2999-01-01T00:00:00Z")
    position = Position(utc_now() - timedelta(hours=1))
    _real.update(since=runtime.changes.positions.encode(conversation.account_id, position))
    _real.update(role_id=str(Role.VIEWER.id), emoji="👍", url="https://example.com/hooks")
    Administrator.secret = keys.create(runtime.db, name="Schemathesis", role=Role.ADMIN).secret
    made = app.test_client().post(
        f"/accounts/{conversation.account_id}/labels",
        json={"name": "Urgent"},
        headers={"Authorization": f"Bearer {Administrator.secret}"},
    )
    _real.update(label_ids=made.json["id"])
    served = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=served.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{served.port}"
    served.shutdown()
    thread.join()
    served.server_close()
    assert runtime.close(5)


@pytest.mark.parametrize(
    ("path", "method"), [(path, method) for path, methods in _document["paths"].items() for method in methods]
)
def test_answers_are_as_the_document_says(path: str, method: str, server: str) -> None:
    """What `schema.parametrize()` would run, but made up when it runs: otherwise each worker makes up all of it."""

    def ask(case: schemathesis.Case) -> None:
        case.call_and_validate(base_url=server)

    load_all_checks()
    operation, nothing_learned = schema[path][method], FeedbackSources()
    run = build_operation_test(
        config=schema.config, operation=operation, test_func=ask, given_kwargs={}, feedback=nothing_learned
    )
    run()


Walks = schema.as_state_machine()


class Workflow(Walks):  # type: ignore[misc,valid-type]
    """Calls in a row, each with what the ones before answered: made, read, changed, removed."""

    address = ""

    def get_call_kwargs(self, case: schemathesis.Case) -> dict[str, Any]:
        return {"base_url": self.address}


def test_calls_in_a_row_are_answered_as_the_document_says(server: str) -> None:
    Workflow.address = server
    Workflow.run(settings=hypothesis.settings(max_examples=5, stateful_step_count=12, deadline=None, derandomize=True))
