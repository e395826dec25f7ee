import pytest

from tests.sandbox.helpers import CAMILLE, keys_of, send, wait_for
from tests.sandbox.test_customer_messages import sample

TEMPLATE = {"name": "hello_world", "language": {"code": "en_US"}}


def statuses(application, count: int) -> list[dict]:
    wait_for(lambda: len(application.statuses()) >= count)
    return application.statuses()


def test_sent_delivered_and_read_follow_a_message(connected_sandbox, application) -> None:
    wamid = send(connected_sandbox, biz_opaque_callback_data="row-1").json()["messages"][0]["id"]
    found = statuses(application, 3)
    assert {status["status"] for status in found} == {"sent", "delivered", "read"}
    assert {status["id"] for status in found} == {wamid}
    assert {status["recipient_id"] for status in found} == {CAMILLE}
    assert {status["biz_opaque_callback_data"] for status in found} == {"row-1"}


@pytest.mark.parametrize(
    ("status", "file"),
    [("sent", "status_with_opaque"), ("delivered", "status_delivered_pricing"), ("read", "status_read")],
)
def test_a_status_has_the_documented_structure(connected_sandbox, application, status: str, file: str) -> None:
    send(connected_sandbox, **({"biz_opaque_callback_data": "row-1"} if status == "sent" else {}))
    statuses(application, 3)
    [payload] = [
        each
        for each in application.payloads()
        if each["entry"][0]["changes"][0]["value"]["statuses"][0]["status"] == status
    ]
    assert keys_of(payload) == keys_of(sample(file))


def test_a_status_of_a_message_to_a_user_id_names_no_number(connected_sandbox, application) -> None:
    connected_sandbox.customer("FR.10000000000000000003", username="noe.essai", hides_phone=True)
    send(connected_sandbox, to=None, recipient="FR.10000000000000000003")
    statuses(application, 3)
    [delivered] = [payload for payload in application.payloads() if '"delivered"' in str(payload).replace("'", '"')]
    expected = keys_of(sample("status_bsuid_recipient"))
    expected["entry"][0]["changes"][0]["value"]["statuses"][0]["pricing"] = keys_of(
        sample("status_delivered_pricing")["entry"][0]["changes"][0]["value"]["statuses"][0]["pricing"]
    )
    assert keys_of(delivered) == expected


def test_a_template_is_charged_and_service_messages_are_free_up_to_a_number(make_sandbox, application) -> None:
    sandbox = make_sandbox(webhook_url=application.url, status_delays=(0, None, None), free_service_messages=2)
    for _ in range(3):
        send(sandbox)
    send(sandbox, type="template", text=None, template=TEMPLATE)
    found = sorted((each["pricing"]["category"], each["pricing"]["type"]) for each in statuses(application, 4))
    free, billed = ("service", "free_customer_service"), ("service", "regular")
    assert found == [free, free, billed, ("utility", "regular")]


def test_a_customer_can_be_made_to_fail(connected_sandbox, application) -> None:
    connected_sandbox.customer(CAMILLE, fails_with=131026)
    assert send(connected_sandbox, biz_opaque_callback_data="row-1").status_code == 200
    [failed] = statuses(application, 1)
    assert (failed["status"], failed["errors"][0]["code"]) == ("failed", 131026)
    assert keys_of(application.payloads()[0]) == keys_of(sample("status_failed_131026"))
    assert connected_sandbox.deliveries() == []


def test_a_failure_may_come_after_sent(connected_sandbox, application) -> None:
    connected_sandbox.customer(CAMILLE, fails_with=131026, fails_after_sent=True)
    send(connected_sandbox)
    assert [status["status"] for status in statuses(application, 2)] == ["sent", "failed"]


def test_a_failed_status_can_echo_and_name_the_contact(make_sandbox, application) -> None:
    options = {"echo_on_failed": True, "failed_contacts": True, "status_delays": (0, 0, 0)}
    sandbox = make_sandbox(webhook_url=application.url, **options)
    sandbox.customer(CAMILLE, fails_with=131049)
    send(sandbox, biz_opaque_callback_data="row-1")
    [failed] = statuses(application, 1)
    assert failed["biz_opaque_callback_data"] == "row-1"
    assert application.values()[0]["contacts"][0]["wa_id"] == CAMILLE


def test_a_phone_that_is_off_gets_no_further_than_sent(connected_sandbox, application) -> None:
    connected_sandbox.customer(CAMILLE, delivers=False)
    send(connected_sandbox)
    send(connected_sandbox, "+33600000002")
    assert [status["recipient_id"] for status in statuses(application, 4)].count(CAMILLE) == 1
    assert [delivery.phone for delivery in connected_sandbox.deliveries()] == ["33600000002"]


def test_read_receipts_can_be_off(connected_sandbox, application) -> None:
    connected_sandbox.customer(CAMILLE, reads=False)
    send(connected_sandbox)
    send(connected_sandbox, "+33600000002")
    assert sorted(status["status"] for status in statuses(application, 5)) == [
        "delivered",
        "delivered",
        "read",
        "sent",
        "sent",
    ]


def test_no_status_need_come_at_all(make_sandbox, application) -> None:
    sandbox = make_sandbox(webhook_url=application.url, status_delays=(None, None, None))
    send(sandbox)
    sandbox.customer_writes(text="Bonjour")
    wait_for(application.messages)
    assert application.statuses() == []


def test_a_reaction_is_only_reported_as_sent(connected_sandbox, application) -> None:
    wamid = send(connected_sandbox).json()["messages"][0]["id"]
    reaction = {"message_id": wamid, "emoji": "👍"}
    reacted = send(connected_sandbox, type="reaction", text=None, reaction=reaction).json()["messages"][0]["id"]
    found = statuses(application, 4)
    assert [status["status"] for status in found if status["id"] == reacted] == ["sent"]


def test_a_reaction_to_nothing_or_to_a_reaction_fails_later(connected_sandbox, application) -> None:
    wamid = connected_sandbox.customer_writes(text="Bonjour")
    reaction = {"message_id": wamid, "emoji": "👍"}
    reacted = send(connected_sandbox, type="reaction", text=None, reaction=reaction).json()["messages"][0]["id"]
    for target in ("wamid.UNKNOWN", reacted):
        reaction = {"message_id": target, "emoji": "👍"}
        assert send(connected_sandbox, type="reaction", text=None, reaction=reaction).status_code == 200
    failed = [status for status in statuses(application, 3) if status["status"] == "failed"]
    assert [status["errors"][0]["code"] for status in failed] == [131009, 131009]


def test_a_customer_with_a_username_shows_no_number_unless_we_wrote_to_it(connected_sandbox, application) -> None:
    connected_sandbox.customer(CAMILLE, username="camille", hides_phone=True)
    bsuid = connected_sandbox.customer(CAMILLE).bsuid
    send(connected_sandbox, to=None, recipient=bsuid)
    assert "recipient_id" not in statuses(application, 3)[0]
    send(connected_sandbox)
    assert statuses(application, 6)[3]["recipient_id"] == CAMILLE
