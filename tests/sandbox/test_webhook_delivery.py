import hashlib
import hmac
import time

import pytest

from sandbox import Attempt, Sandbox
from tests.sandbox.helpers import CAMILLE, send, wait_for
from tests.sandbox.test_customer_messages import sample

SECRET = "test_app_secret_0001"


def states(sandbox: Sandbox) -> list[str]:
    return [webhook.state for webhook in sandbox.webhooks()]


def attempts(sandbox: Sandbox) -> list[Attempt]:
    return [attempt for webhook in sandbox.webhooks() for attempt in webhook.attempts]


def test_the_signature_covers_the_compact_escaped_bytes_on_the_wire(make_sandbox, application) -> None:
    sandbox = make_sandbox(webhook_url=application.url, app_secret=SECRET)
    sandbox.customer_writes(text="Où ? <b>é 👍🏽</b> / مرحبا")
    [request] = wait_for(lambda: application.received)
    digest = hmac.new(SECRET.encode(), request.body, hashlib.sha256).hexdigest()
    assert request.headers["x-hub-signature-256"] == f"sha256={digest}"
    assert request.headers["content-type"] == "application/json"
    assert request.body.isascii()
    assert rb"O\u00f9 ? <b>\u00e9 \ud83d\udc4d\ud83c\udffd</b> / \u0645" in request.body
    assert b'"object":"whatsapp_business_account","entry"' in request.body
    assert (request.method, request.target) == ("POST", "/webhook/whatsapp?from=meta")


@pytest.mark.parametrize(
    ("file", "signature"),
    [
        ("text", "957b54a6d94fd0285ee51b68107353518f90d6dbf716857d1a46ff99889e81da"),
        ("text_escaped_unicode", "df0bec993c996fafb571286280a398c7ad28f0f9f47f91c7338f4fe1fc7bd5b2"),
        ("text_very_long", "e70df2f35118920b28317256930f2b701e881375f00a31f54e47e900fbecaceb"),
    ],
)
def test_a_body_of_ones_own_is_signed_as_meta_signs_it(make_sandbox, application, file: str, signature: str) -> None:
    sandbox = make_sandbox(webhook_url=application.url, app_secret=SECRET)
    sandbox.send_webhook(sample(file))
    [request] = wait_for(lambda: application.received)
    assert request.headers["x-hub-signature-256"] == f"sha256={signature}"


def test_bytes_of_ones_own_are_sent_as_they_are(connected_sandbox, application) -> None:
    connected_sandbox.send_webhook(b"{ not json")
    assert wait_for(lambda: application.received)[0].body == b"{ not json"


def test_a_webhook_is_repeated_until_it_is_answered_200(connected_sandbox, application) -> None:
    application.answers = [500, 503, 302]
    connected_sandbox.customer_writes(text="Bonjour")
    wait_for(lambda: states(connected_sandbox) == ["acknowledged"])
    assert len({request.body for request in application.received}) == 1
    [webhook] = connected_sandbox.webhooks()
    assert [attempt.status for attempt in webhook.attempts] == [500, 503, 302, 200]
    assert webhook.as_json()["last_status"] == 200
    gaps = [later.at - earlier.at for earlier, later in zip(webhook.attempts, webhook.attempts[1:], strict=False)]
    assert gaps[0] >= 0.01
    assert gaps[2] >= 0.04


def test_after_the_last_repetition_it_is_given_up(make_sandbox, application) -> None:
    sandbox = make_sandbox(webhook_url=application.url, webhook_retry_delays=(0.01, 0.01))
    application.answers = [401] * 3
    sandbox.customer_writes(text="Bonjour")
    wait_for(lambda: states(sandbox) == ["given up"])
    assert len(application.received) == 3


def test_an_application_that_is_away_gets_its_webhooks_when_it_is_back(make_sandbox, application) -> None:
    sandbox = make_sandbox(webhook_url="http://127.0.0.1:1/webhook", webhook_retry_delays=[0.01] * 500)
    sandbox.customer_writes(text="Bonjour")
    first, *_ = wait_for(lambda: attempts(sandbox)[2:] and attempts(sandbox))
    assert first.status is None
    assert "ConnectionRefused" in (first.error or "")
    sandbox.webhook_url = application.url
    assert wait_for(application.messages)


def test_an_application_that_does_not_answer_is_asked_again(make_sandbox, application) -> None:
    sandbox = make_sandbox(webhook_url=application.url, webhook_timeout=0.05, webhook_retry_delays=(0.01,) * 9)
    application.may_answer.clear()
    sandbox.customer_writes(text="Bonjour")
    first, *_ = wait_for(lambda: attempts(sandbox))
    assert "timed out" in (first.error or "")
    application.may_answer.set()
    wait_for(lambda: states(sandbox) == ["acknowledged"])


def test_without_an_address_nothing_is_delivered(sandbox: Sandbox) -> None:
    sandbox.customer_writes(text="Bonjour")
    wait_for(lambda: states(sandbox) == ["no webhook_url"])


def test_webhooks_share_a_few_kept_alive_connections(make_sandbox, application) -> None:
    sandbox = make_sandbox(webhook_url=application.url, webhook_workers=3)
    for _ in range(50):
        sandbox.customer_writes(text="Bonjour")
    wait_for(lambda: states(sandbox) == ["acknowledged"] * 50)
    assert len(application.connections) <= 3


def test_a_kept_alive_connection_that_was_closed_costs_no_repetition(make_sandbox, application) -> None:
    sandbox = make_sandbox(webhook_url=application.url, webhook_workers=1)
    sandbox.customer_writes(text="un")
    wait_for(lambda: states(sandbox) == ["acknowledged"])
    application.drop_connections()
    sandbox.customer_writes(text="deux")
    wait_for(lambda: states(sandbox) == ["acknowledged"] * 2)
    assert [len(webhook.attempts) for webhook in sandbox.webhooks()] == [1, 1]
    assert len(application.connections) == 2


def test_webhooks_are_delivered_side_by_side(make_sandbox, application) -> None:
    sandbox = make_sandbox(webhook_url=application.url, webhook_workers=4)
    application.may_answer.clear()
    for _ in range(4):
        sandbox.customer_writes(text="Bonjour")
    wait_for(lambda: len(application.received) == 4)
    application.may_answer.set()


def test_a_delayed_webhook_comes_later(connected_sandbox, application) -> None:
    connected_sandbox.fault("webhook", "delay", seconds=0.2, times=1)
    connected_sandbox.customer_writes(text="un")
    connected_sandbox.customer_writes(text="deux")
    wait_for(lambda: len(application.messages()) == 2)
    assert [message["text"]["body"] for message in application.messages()] == ["deux", "un"]


def test_a_dropped_webhook_never_comes(connected_sandbox, application) -> None:
    connected_sandbox.fault("webhook", "drop", times=1)
    connected_sandbox.customer_writes(text="un")
    wait_for(lambda: states(connected_sandbox) == ["dropped"])
    connected_sandbox.customer_writes(text="deux")
    assert [message["text"]["body"] for message in wait_for(application.messages)] == ["deux"]


def test_a_duplicated_webhook_comes_again_byte_for_byte(connected_sandbox, application) -> None:
    connected_sandbox.fault("webhook", "duplicate", copies=2)
    connected_sandbox.customer_writes(text="une seule fois svp")
    wait_for(lambda: len(application.received) == 3)
    assert len({request.body for request in application.received}) == 1


def test_reordered_webhooks_come_last_first(connected_sandbox, application) -> None:
    connected_sandbox.fault("webhook", "reorder", window=3, seconds=30)
    send(connected_sandbox)
    wait_for(lambda: len(application.statuses()) == 3)
    assert [status["status"] for status in application.statuses()] == ["read", "delivered", "sent"]


def test_reordered_webhooks_do_not_wait_for_ever(connected_sandbox, application) -> None:
    connected_sandbox.fault("webhook", "reorder", window=100, seconds=0.03)
    connected_sandbox.customer_writes(text="un")
    assert wait_for(application.messages)


def test_updates_come_several_in_one_post(connected_sandbox, application) -> None:
    connected_sandbox.fault("webhook", "batch", size=4, seconds=30)
    connected_sandbox.customer_writes(text="un")
    connected_sandbox.customer_writes("33600000002", "deux")
    connected_sandbox.customer_writes(text="trois")
    connected_sandbox.customer_writes(text="ailleurs", phone_number_id="200000000000002")
    [payload] = wait_for(application.payloads)
    first, second = sorted(payload["entry"][0]["changes"], key=lambda change: -len(change["value"]["messages"]))
    assert sorted(message["text"]["body"] for message in first["value"]["messages"]) == ["deux", "trois", "un"]
    assert sorted(contact["wa_id"] for contact in first["value"]["contacts"]) == [CAMILLE, "33600000002"]
    assert second["value"]["metadata"]["phone_number_id"] == "200000000000002"


def test_a_batch_that_does_not_fill_leaves_in_time(connected_sandbox, application) -> None:
    connected_sandbox.fault("webhook", "batch", size=100, seconds=0.03)
    send(connected_sandbox)
    wait_for(lambda: len(application.statuses()) == 3)


def test_the_wait_of_a_full_batch_does_not_end_the_next_one_early(connected_sandbox, application) -> None:
    connected_sandbox.fault("webhook", "batch", size=2, seconds=0.1)
    for text in ("un", "deux", "trois"):
        connected_sandbox.customer_writes(text=text)
    wait_for(lambda: len(application.messages()) == 3)
    assert [len(value["messages"]) for value in application.values()] == [2, 1]


def test_the_sent_status_can_be_acknowledged_before_the_send_is_answered(make_sandbox, application) -> None:
    sandbox = make_sandbox(webhook_url=application.url, status_delays=(60, 60, 60))
    sandbox.fault("webhook", "before_answer")
    wamid = send(sandbox).json()["messages"][0]["id"]
    assert [(status["id"], status["status"]) for status in application.statuses()] == [(wamid, "sent")]
    assert states(sandbox) == ["acknowledged"]


def test_a_send_is_answered_although_its_status_is_not_acknowledged(make_sandbox, application) -> None:
    sandbox = make_sandbox(webhook_url=application.url, status_delays=(60, None, None), webhook_retry_delays=())
    sandbox.fault("webhook", "before_answer", seconds=0.02)
    application.may_answer.clear()
    assert send(sandbox).status_code == 200
    application.may_answer.set()


def test_a_bad_signature_is_replaced_by_a_good_one_when_repeated(make_sandbox, application) -> None:
    options = {"app_secret": SECRET, "webhook_retry_delays": (0.01,)}
    sandbox = make_sandbox(webhook_url=application.url, **options)
    sandbox.fault("webhook", "bad_signature", times=1)
    application.answers = [401]
    sandbox.customer_writes(text="Bonjour")
    wait_for(lambda: states(sandbox) == ["acknowledged"])
    wrong, right = (request.headers["x-hub-signature-256"] for request in application.received)
    body = application.received[0].body
    assert right == "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest() != wrong
    assert [attempt.fault for attempt in sandbox.webhooks()[0].attempts] == ["bad_signature", None]


def test_a_webhook_fault_can_be_for_one_customer_or_one_type(connected_sandbox, application) -> None:
    connected_sandbox.fault("webhook", "drop", match={"to": "+33 600 000 001"})
    connected_sandbox.fault("webhook", "drop", match={"type": "^(delivered|read)$"})
    send(connected_sandbox)
    send(connected_sandbox, "+33600000002")
    connected_sandbox.customer_writes(text="Bonjour")
    connected_sandbox.customer_writes("33600000002", "Bonjour")
    wait_for(lambda: len(connected_sandbox.webhooks()) == 8 and "waiting" not in states(connected_sandbox))
    assert [status["status"] for status in application.statuses()] == ["sent"]
    assert [message["from"] for message in application.messages()] == ["33600000002"]


def test_a_reset_forgets_what_has_not_left(make_sandbox, application) -> None:
    sandbox = make_sandbox(webhook_url=application.url, status_delays=(0.2, 0.2, 0.2))
    send(sandbox)
    sandbox.reset()
    due = time.monotonic() + 0.25
    sandbox.customer_writes(text="afterwards")
    wait_for(lambda: application.messages() and time.monotonic() > due)
    assert sandbox.deliveries() == []
    assert application.statuses() == []


def test_closing_ends_webhooks_under_way_at_once(make_sandbox, application) -> None:
    sandbox = make_sandbox(webhook_url=application.url, webhook_timeout=60, webhook_workers=1)
    sandbox.customer_writes(text="over a new connection")
    wait_for(lambda: states(sandbox) == ["acknowledged"])
    application.may_answer.clear()
    sandbox.customer_writes(text="over the same one")
    wait_for(lambda: len(application.received) == 2)
    started = time.monotonic()
    sandbox.close()
    assert time.monotonic() - started < 10
    assert len(application.received) == 2
