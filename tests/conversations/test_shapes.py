"""Places, contact cards, buttons and lists: taken as WhatsApp takes them, and readable like any message."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from inbox.clock import new_id
from inbox.config import Config
from inbox.conversations.shapes import limits
from sandbox import Sandbox
from tests.api_shop import open_shop

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # where the database does not matter

SHAPES: list[tuple[dict[str, Any], str, str]] = [
    (
        {"type": "location", "latitude": 48.85, "longitude": 2.35, "name": "Bakery", "address": "1 rue du Four"},
        "location",
        "[location] Bakery, 1 rue du Four (48.85, 2.35)",
    ),
    (
        {"type": "contacts", "contacts": [{"name": "Anna", "phones": ["+33 6 00 00 00 02"], "company": "Bakery"}]},
        "contacts",
        "[contact] Anna, +33 6 00 00 00 02",
    ),
    (
        {
            "type": "buttons",
            "text": "Which day?",
            "header": "Your cake",
            "buttons": [{"id": "sat", "title": "Saturday"}],
        },
        "interactive",
        "Your cake\nWhich day?",
    ),
    (
        {
            "type": "list",
            "text": "Which cake?",
            "button": "Choose",
            "sections": [{"rows": [{"id": "plum", "title": "Plum", "description": "For six"}]}],
        },
        "interactive",
        "Which cake?",
    ),
]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_each_shape_is_queued_readable_and_delivered(live_config: Config, sandbox: Sandbox) -> None:
    with open_shop(live_config, sandbox) as shop:
        shop.customer_writes()
        for content, kind, words in SHAPES:
            sent = {"conversation_id": shop.conversation, "content": content, "client_key": words}
            rows = [shop.client.post("/messages/send-content", json=sent).json["message"] for _ in range(2)]
            assert rows[0]["id"] == rows[1]["id"]
            assert (rows[0]["message_type"], rows[0]["content_text"]) == (kind, words)
            shop.deliver()
            assert sandbox.deliveries()[-1].content == rows[0]["payload"][kind]
        assert [each["status"] for each in shop.thread()[1:]] == ["sent"] * len(SHAPES)


@pytest.mark.parametrize(
    ("shape", "field", "bounds"),
    [
        ("ButtonsContent", "buttons", {"maxItems": 3, "required": True}),
        ("ButtonsContent", "header", {"maxLength": 60, "required": False}),
        ("ListContent", "rows", {"maxItems": 10}),
        ("ListRow", "title", {"maxLength": 24, "required": True}),
        ("LocationContent", "latitude", {"minimum": -90, "maximum": 90, "required": True}),
        ("Card", "phones", {"maxItems": 10, "maxLength": 40, "required": False}),
    ],
)
def test_a_form_is_told_what_a_field_takes(shape: str, field: str, bounds: dict[str, Any]) -> None:
    assert limits()[shape][field] == bounds


ONE_ROW = [{"rows": [{"id": "a", "title": "A"}]}]


@on_sqlite
@pytest.mark.parametrize(
    ("kind", "content", "expected"),
    [
        ("location", {"latitude": 91, "longitude": 0}, ["/latitude"]),
        ("location", {"latitude": 9}, ["/longitude"]),
        ("buttons", {"text": "Which?"}, ["/buttons"]),
        ("buttons", {"text": "", "buttons": [{"id": "a", "title": "x" * 21}]}, ["/buttons/0/title", "/text"]),
        ("buttons", {"text": "Which?", "buttons": [{"id": str(n), "title": str(n)} for n in range(4)]}, ["/buttons"]),
        ("list", {"text": "Which?", "button": "Choose", "sections": ONE_ROW * 2}, [""]),
        ("list", {"text": "W", "button": "B", "sections": [{"rows": [{"id": "a"}]}]}, ["/sections/0/rows/0/title"]),
        ("list", {"text": "Which?", "button": "Choose", "sections": ONE_ROW, "list": 1}, ["/list"]),
    ],
)
def test_a_bad_field_is_where_its_pointer_says(
    client: FlaskClient, kind: str, content: dict[str, Any], expected: list[str]
) -> None:
    sent = {"conversation_id": str(new_id()), "content": {"type": kind, **content}}
    errors = client.post("/messages/send-content", json=sent).json["errors"]
    assert sorted(each["pointer"] for each in errors) == [f"/content{each}" for each in expected]
