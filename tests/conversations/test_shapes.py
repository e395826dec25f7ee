"""Places, contact cards, buttons and lists: taken as WhatsApp takes them, and readable like any message."""

from __future__ import annotations

from typing import Any

import pytest

from inbox.config import Config
from inbox.conversations.shapes import limits
from sandbox import Sandbox
from tests.api_shop import open_shop

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
