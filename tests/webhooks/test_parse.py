"""The parser is total: any JSON in place of any field gives records, and nothing of the webhook is lost."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from inbox.db.clean import clean_json, clean_text
from inbox.webhooks.parsing.parse import parse_event
from inbox.webhooks.parsing.records import MessageItem, Unusable
from tests.builders import SAMPLES, T0, text_message, webhook

NOW = datetime.fromtimestamp(T0 + 3600, UTC)
DOCUMENTS = [json.loads(path.read_bytes()) for path in sorted(SAMPLES.glob("*.json")) if "120" not in path.name]

any_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=()), max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Paths to every value inside `value`."""
    yield path
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in children:
        yield from places(inner, (*path, key))


def replaced(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    document = copy.deepcopy(document)
    holder = document
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = value
    return document


@st.composite
def damaged_webhooks(draw: st.DrawFn) -> bytes:
    """A sample with any JSON in place of any one or two of its values."""
    document = draw(st.sampled_from(DOCUMENTS))
    for _ in range(draw(st.integers(1, 2))):
        document = replaced(document, draw(st.sampled_from(list(places(document)))), draw(any_json))
    return json.dumps(document).encode("utf-8", "surrogatepass")


def message_like(document: Any) -> int:
    """How many messages a sane webhook holds."""
    return sum(len(change["value"].get("messages", [])) for entry in document["entry"] for change in entry["changes"])


@given(damaged_webhooks())
def test_any_json_in_place_of_any_field_gives_records_that_can_be_stored(body: bytes) -> None:
    for item in parse_event(body, NOW):
        envelope = json.dumps(item.source.envelope(), ensure_ascii=True).encode()
        assert item.source.broken is not None or json.loads(envelope)["object"] == "whatsapp_business_account"
        if isinstance(item, MessageItem):
            item.content.text.encode()
            json.dumps(item.content.payload, allow_nan=False)
            assert "\x00" not in item.content.text + json.dumps(item.content.payload)


@given(st.binary(max_size=300))
@example(b"")
@example(b"[" * 100_000)
@example(b'{"entry":' * 500 + b"1" + b"}" * 500)
@example(b"9" * 5000)
@example(b'"\xff"')
def test_any_bytes_give_records(body: bytes) -> None:
    items = parse_event(body, NOW)
    assert all(item.source is not None for item in items)


@given(damaged_webhooks())
def test_a_dead_letter_can_be_parsed_again(body: bytes) -> None:
    for item in parse_event(body, NOW):
        if isinstance(item, Unusable) and item.source.path:
            again = parse_event(json.dumps(item.source.envelope()).encode(), NOW)
            assert item.reason in [getattr(other, "reason", None) for other in again]


def test_every_message_of_every_sample_becomes_one_record() -> None:
    for document in DOCUMENTS:
        items = parse_event(json.dumps(document).encode(), NOW)
        messages = [item for item in items if not item.source.path or item.source.path == ("messages",)]
        assert len([item for item in messages if item.source.path]) == message_like(document)


@given(any_json | st.fixed_dictionaries({"entry": st.lists(any_json, max_size=3)}))
def test_a_webhook_of_the_wrong_shape_is_not_taken_for_a_notice_when_it_is_put_back(payload: Any) -> None:
    for item in parse_event(json.dumps(payload).encode(), NOW):
        if isinstance(item, Unusable):
            (again,) = parse_event(json.dumps(item.source.envelope()).encode(), NOW)
            assert isinstance(again, Unusable)


@given(st.text(st.characters(exclude_categories=())))
def test_cleaned_text_can_be_stored_and_changes_nothing_else(text: str) -> None:
    clean = clean_text(text)
    clean.encode()
    assert "\x00" not in clean
    if "\x00" not in text and not any("\ud800" <= c <= "\udfff" for c in text):
        assert clean == text


@given(any_json)
def test_cleaned_json_survives_a_strict_round_trip(value: Any) -> None:
    clean = clean_json(value)
    assert json.loads(json.dumps(clean, allow_nan=False)) == clean
    assert clean_json(clean) == clean


def test_a_timestamp_from_the_future_or_from_before_whatsapp_is_not_believed() -> None:
    late = int((NOW + timedelta(days=2)).timestamp())
    for at in (late, -5, 0, 10**30):
        (item,) = parse_event(webhook(messages=[text_message(at=at)]), NOW)
        assert isinstance(item, MessageItem)
        assert item.timestamp is None
