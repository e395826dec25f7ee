"""One line of text for what has a structure, or none."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbox.webhooks.parsing.content import content_of, says_something
from inbox.webhooks.parsing.lines import contacts, location, order

CROISSANT = {"product_retailer_id": "CRO-02", "quantity": 2, "item_price": 1.5, "currency": "EUR"}


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ({"latitude": 48.85661, "longitude": 2.35222}, "[location] 48.85661, 2.35222"),
        ({"latitude": 0, "longitude": 0, "name": "Null"}, "[location] Null (0, 0)"),
        ({"address": "1 rue du Test"}, "[location] 1 rue du Test"),
        ({"latitude": 48.85661}, None),
        ({}, None),
        (["x"], None),
    ],
)
def test_a_place_is_its_name_its_address_and_its_point(body: Any, line: str | None) -> None:
    assert location(body) == line


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ([{"phones": [{"phone": "+33 6"}]}], "[contact] +33 6"),
        ([{"name": {"formatted_name": "Ada"}, "phones": [{"wa_id": "336"}]}], "[contact] Ada, 336"),
        (
            [{"name": {"formatted_name": "Ada"}, "emails": [{"email": "ada@example.test"}]}],
            "[contact] Ada, ada@example.test",
        ),
        ([{"name": "Ada"}, None, {}], None),
        ({}, None),
    ],
)
def test_a_card_is_its_name_and_its_numbers(body: Any, line: str | None) -> None:
    assert contacts(body) == line


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ({"product_items": [CROISSANT]}, "[order, total 3 EUR] 2 × CRO-02 at 1.50 EUR"),
        (
            {"product_items": [CROISSANT], "text": "ring twice"},
            "[order, total 3 EUR] 2 × CRO-02 at 1.50 EUR; note: ring twice",
        ),
        ({"product_items": [CROISSANT, {"product_retailer_id": "TEA"}]}, "[order] 2 × CRO-02 at 1.50 EUR, TEA"),
        (
            {"product_items": [CROISSANT, {**CROISSANT, "currency": "CHF", "item_price": "0.125", "quantity": "10"}]},
            "[order, total 3 EUR + 1.25 CHF] 2 × CRO-02 at 1.50 EUR, 10 × CRO-02 at 0.125 CHF",
        ),
        ({"product_items": [{**CROISSANT, "item_price": "1e999", "quantity": 1}]}, "[order] 1 × CRO-02"),
        (
            {"product_items": [{**CROISSANT, "item_price": 1200, "currency": "JPY"}]},
            "[order, total 2400 JPY] 2 × CRO-02 at 1200 JPY",
        ),
        ({"text": "the usual"}, "[order] the usual"),
        ({"product_items": [{}, None]}, None),
        ({"catalog_id": "8"}, None),
    ],
)
def test_an_order_is_its_items_their_prices_and_the_total(body: Any, line: str | None) -> None:
    assert order(body) == line


@pytest.mark.parametrize(
    ("message", "readable"),
    [
        ({"type": "text", "text": {"body": "hello"}}, True),
        ({"type": "text", "text": {"body": "\u200b"}}, False),
        ({"type": "text", "text": {}}, False),
        ({"type": "location", "location": {}}, False),
        ({"type": "order", "order": {"catalog_id": "8"}}, False),
        ({"type": "contacts", "contacts": []}, False),
        ({"type": "interactive"}, False),
        ({"type": "order", "order": {"product_items": [CROISSANT]}}, True),
        ({"type": "image", "image": {"caption": "hello"}}, False),
        ({"type": "hologram", "hologram": {"text": "hello"}}, False),
    ],
)
def test_the_bot_is_asked_only_about_what_says_something(message: dict[str, Any], readable: bool) -> None:
    content = content_of(message)
    assert says_something(content.type, content.text) is readable


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just(CROISSANT),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["name", "phones", "product_items", "text", "latitude", "address"]), inner, max_size=3
        )
    ),
    max_leaves=8,
)


@given(json)
def test_any_json_gives_a_line_or_none(body: Any) -> None:
    for read in (location, contacts, order):
        line = read(body)
        assert line is None or line.startswith("[")
