"""The WhatsApp gateway against the simulator: what goes over the wire, and what each answer means."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from inbox.errors import (
    UpstreamError,
    UpstreamMisconfigured,
    UpstreamOutcomeUnknown,
    UpstreamRejected,
    UpstreamThrottled,
    UpstreamUnavailable,
)
from inbox.gateways.whatsapp.errors import Meaning, may_succeed_later, meaning_of, plain_words
from inbox.gateways.whatsapp.messages import Content, Recipient, WhatsApp
from inbox.resilience import WHATSAPP
from sandbox import Sandbox
from tests.waiting import free_port

CUSTOMER = Recipient("33600000001", None, None)


@pytest.fixture
def whatsapp(sandbox: Sandbox) -> Iterator[WhatsApp]:
    return WhatsApp(f"{sandbox.url}/v26.0")


def send(whatsapp: WhatsApp, recipient: Recipient = CUSTOMER, reply_to: str | None = None) -> str:
    return whatsapp.send(
        phone_number_id="200000000000001",
        token="test-token",
        recipient=recipient,
        content=Content.of_text("Bonjour"),
        callback_data="inbox:abc:1",
        reply_to=reply_to,
    )


def test_a_text_carries_our_id_and_the_number_with_its_plus_sign(sandbox: Sandbox, whatsapp: WhatsApp) -> None:
    wa_message_id = send(whatsapp, reply_to="wamid.quoted")
    (delivery,) = sandbox.deliveries()
    assert delivery.wamid == wa_message_id
    (request,) = sandbox.requests("whatsapp")
    body = json.loads(request.body)
    assert body["to"] == "+33600000001"
    assert body["biz_opaque_callback_data"] == "inbox:abc:1"
    assert body["context"] == {"message_id": "wamid.quoted"}
    assert request.headers["authorization"] == "Bearer test-token"
    assert len(request.headers["x-request-id"]) >= 20


def test_a_customer_without_a_number_is_addressed_by_user_id(sandbox: Sandbox, whatsapp: WhatsApp) -> None:
    send(whatsapp, Recipient(None, "FR.10000000000000000003", None))
    body = json.loads(sandbox.requests("whatsapp")[0].body)
    assert (body["recipient"], "to" in body) == ("FR.10000000000000000003", False)


def test_nobody_to_send_to_is_refused_without_a_call(sandbox: Sandbox, whatsapp: WhatsApp) -> None:
    with pytest.raises(UpstreamRejected):
        send(whatsapp, Recipient(None, None, None))
    assert sandbox.requests("whatsapp") == []


def test_read_receipts_and_typing(sandbox: Sandbox, whatsapp: WhatsApp) -> None:
    wa_id = sandbox.customer_writes(text="hello")
    whatsapp.mark_read(phone_number_id="200000000000001", token="t", wa_message_id=wa_id, typing=True)
    body = json.loads(sandbox.requests("whatsapp")[-1].body)
    assert body == {
        "messaging_product": "whatsapp",
        "status": "read",
        "message_id": wa_id,
        "typing_indicator": {"type": "text"},
    }


#: fault, its settings → the error it must become. Whether a repeat is safe hangs on this table.
OUTCOMES: list[tuple[str, dict[str, object], type[UpstreamError]]] = [
    ("graph_error", {"code": 190}, UpstreamMisconfigured),
    ("graph_error", {"code": 10}, UpstreamMisconfigured),
    ("graph_error", {"code": 131056}, UpstreamThrottled),
    ("graph_error", {"code": 130429}, UpstreamThrottled),
    ("graph_error", {"code": 80007}, UpstreamThrottled),
    ("graph_error", {"code": 131047}, UpstreamRejected),
    ("graph_error", {"code": 131026}, UpstreamRejected),
    ("graph_error", {"code": 131016}, UpstreamUnavailable),
    ("graph_error", {"code": 131057}, UpstreamUnavailable),
    ("graph_error", {"code": 131000}, UpstreamOutcomeUnknown),
    ("graph_error", {"code": 1}, UpstreamOutcomeUnknown),
    ("status", {"code": 500, "body": "html"}, UpstreamOutcomeUnknown),
    ("status", {"code": 502, "body": "empty"}, UpstreamOutcomeUnknown),
    ("status", {"code": 429, "body": "empty"}, UpstreamThrottled),
    ("status", {"code": 404, "body": "html"}, UpstreamRejected),
    ("hang", {"seconds": 2}, UpstreamOutcomeUnknown),
    ("reset_before", {}, UpstreamOutcomeUnknown),
    ("reset_after", {}, UpstreamOutcomeUnknown),
    ("close_after", {}, UpstreamOutcomeUnknown),
    ("cut_headers", {}, UpstreamOutcomeUnknown),
    ("cut_body", {}, UpstreamOutcomeUnknown),
    ("empty_200", {}, UpstreamOutcomeUnknown),
    ("no_id_200", {}, UpstreamOutcomeUnknown),
    ("html_200", {}, UpstreamOutcomeUnknown),
    ("wrong_json", {}, UpstreamOutcomeUnknown),
    ("wrong_shape", {}, UpstreamOutcomeUnknown),
    ("big_body", {"bytes": 3_000_000}, UpstreamOutcomeUnknown),
    ("gzip_bomb", {"bytes": 30_000_000}, UpstreamOutcomeUnknown),
]


@pytest.mark.parametrize(("fault", "settings", "expected"), OUTCOMES, ids=lambda value: str(value)[:40])
def test_every_fault_becomes_the_error_that_tells_whether_it_may_have_acted(
    sandbox: Sandbox, whatsapp: WhatsApp, fault: str, settings: dict[str, object], expected: type[UpstreamError]
) -> None:
    sandbox.fault("whatsapp", fault, **settings)
    with pytest.raises(UpstreamError) as caught:
        send(whatsapp)
    assert type(caught.value) is expected
    assert len(sandbox.requests("whatsapp")) == 1
    assert "test-token" not in repr(caught.value.__dict__)
    assert "http://" not in str(caught.value)


def test_a_redirect_is_not_followed_and_a_cookie_not_kept(sandbox: Sandbox, whatsapp: WhatsApp) -> None:
    sandbox.fault("whatsapp", "redirect", location=f"{sandbox.url}/elsewhere", times=1)
    with pytest.raises(UpstreamError):
        send(whatsapp)
    sandbox.fault("whatsapp", "set_cookie", times=1)
    send(whatsapp)
    send(whatsapp)
    assert all("cookie" not in request.headers for request in sandbox.requests("whatsapp"))
    assert all("elsewhere" not in request.path for request in sandbox.requests())


def test_a_refused_connection_was_never_sent() -> None:
    with pytest.raises(UpstreamUnavailable):
        send(WhatsApp(f"http://127.0.0.1:{free_port()}/v26.0"))


def test_hints_to_wait_are_handed_on(sandbox: Sandbox, whatsapp: WhatsApp) -> None:
    sandbox.fault("whatsapp", "graph_error", code=131056, times=1)
    with pytest.raises(UpstreamThrottled) as caught:
        send(whatsapp)
    assert (caught.value.scope, caught.value.retry_after) == ("pair", 6.0)


@pytest.mark.parametrize(
    ("code", "http_status", "meaning"),
    [(None, 500, Meaning.UNCLEAR), (None, 400, Meaning.REFUSED), (999999, 503, Meaning.UNCLEAR)]
    + [(999999, 400, Meaning.REFUSED), (200, 403, Meaning.TROUBLE), (299, 403, Meaning.TROUBLE)],
)
def test_codes_nobody_knows_are_judged_by_whether_they_may_have_been_processed(
    code: int | None, http_status: int, meaning: Meaning
) -> None:
    assert meaning_of(code, http_status) is meaning


def test_every_refusal_is_explained_in_plain_words() -> None:
    assert (
        plain_words(131047, "Re-engagement message") == "More than 24 hours have passed since the customer last wrote."
    )
    assert plain_words(0, None) == "WhatsApp does not accept the access token."
    assert plain_words(123, "Their title") == "Their title"
    assert plain_words(None, None) == "WhatsApp refused the message."
    assert may_succeed_later("131047")
    assert not may_succeed_later("131026")
    assert may_succeed_later("gave_up")


@pytest.mark.parametrize("fault", ["close_after", "reset_after"])
def test_one_recipient_whose_sends_are_never_answered_leaves_the_circuit_closed_for_the_others(
    sandbox: Sandbox, whatsapp: WhatsApp, fault: str
) -> None:
    WHATSAPP.configure(WHATSAPP.policy, retries=False, breaker=True)
    sandbox.fault("whatsapp", fault, match={"to": f"+{CUSTOMER.phone}"})
    for _ in range(3 * WHATSAPP.policy.breaker_failures):
        with pytest.raises(UpstreamOutcomeUnknown):
            send(whatsapp)
    assert WHATSAPP.breaker.state == "closed"
    assert send(whatsapp, Recipient("33600000099", None, None))


def test_several_recipients_of_one_number_that_are_never_answered_open_the_circuit(
    sandbox: Sandbox, whatsapp: WhatsApp
) -> None:
    WHATSAPP.configure(WHATSAPP.policy, retries=False, breaker=True)
    sandbox.fault("whatsapp", "close_after")
    for number in range(WHATSAPP.policy.breaker_failures):
        assert WHATSAPP.breaker.state == "closed"
        with pytest.raises(UpstreamOutcomeUnknown):
            send(whatsapp, Recipient(f"3360000002{number}", None, None))
    assert WHATSAPP.breaker.state == "open"
