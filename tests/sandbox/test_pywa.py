"""The WhatsApp client pywa, unchanged but for the base address, and its reader of webhooks on what we send."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import pywa
from pywa import errors, types
from pywa.types.message_status import MessageStatusType

from sandbox import Sandbox
from tests.sandbox.helpers import CAMILLE, NUMBER_ID, send, wait_for

SECRET = "test_app_secret_0001"
WABA_ID = "100000000000001"
PNG = b"\x89PNG\r\n\x1a\n sandbox"


@pytest.fixture
def whatsapp(sandbox: Sandbox) -> Iterator[pywa.WhatsApp]:
    with httpx.Client(timeout=5) as session:
        client = pywa.WhatsApp(phone_id=NUMBER_ID, token="token", session=session, waba_id=WABA_ID)
        session.base_url = f"{sandbox.url}/v26.0"  # after the constructor, which sets Meta's
        yield client


def test_it_sends_a_text(sandbox: Sandbox, whatsapp: pywa.WhatsApp) -> None:
    sent = whatsapp.send_message(to=f"+{CAMILLE}", text="Bonjour", tracker="row-1")
    [delivery] = sandbox.deliveries()
    assert (delivery.wamid, delivery.text, delivery.callback_data) == (sent.id, "Bonjour", "row-1")
    assert (sent.to, sent.input) == (CAMILLE, f"+{CAMILLE}")


def test_it_answers_a_message(sandbox: Sandbox, whatsapp: pywa.WhatsApp) -> None:
    wamid = sandbox.customer_writes(text="Bonjour")
    whatsapp.send_message(to=f"+{CAMILLE}", text="Bonjour !", reply_to_message_id=wamid)
    assert sandbox.deliveries()[0].context == wamid


def test_it_sends_to_a_user_id(sandbox: Sandbox, whatsapp: pywa.WhatsApp) -> None:
    assert whatsapp.send_message(to="FR.10000000000000000003", text="Bonjour").to == "FR.10000000000000000003"
    assert sandbox.deliveries()[0].bsuid == "FR.10000000000000000003"


def test_it_sends_buttons_and_a_list(sandbox: Sandbox, whatsapp: pywa.WhatsApp) -> None:
    buttons = [types.Button(title="Matin", callback_data="am"), types.Button(title="Soir", callback_data="pm")]
    whatsapp.send_message(to=f"+{CAMILLE}", text="Quand ?", header="Créneau", footer="Au choix", buttons=buttons)
    rows = [types.SectionRow(title="A", callback_data="a", description="Le premier")]
    menu = types.SectionList(button_title="Choisir", sections=[types.Section(title="Tout", rows=rows)])
    whatsapp.send_message(to=f"+{CAMILLE}", text="Que faut-il ?", buttons=menu)
    kinds = [(delivery.type, delivery.content["type"], delivery.text) for delivery in sandbox.deliveries()]
    assert kinds == [("interactive", "button", "Quand ?"), ("interactive", "list", "Que faut-il ?")]


def test_it_sends_an_image_from_a_link_and_from_bytes(sandbox: Sandbox, whatsapp: pywa.WhatsApp) -> None:
    whatsapp.send_image(to=f"+{CAMILLE}", image="https://example.com/a.jpg", caption="Le colis")
    whatsapp.send_image(to=f"+{CAMILLE}", image=PNG, mime_type="image/png")
    first, second = (delivery.content for delivery in sandbox.deliveries())
    assert first == {"link": "https://example.com/a.jpg", "caption": "Le colis"}
    assert "id" in second


def test_it_sends_a_document_a_location_a_contact_and_a_reaction(sandbox: Sandbox, whatsapp: pywa.WhatsApp) -> None:
    wamid = sandbox.customer_writes(text="Bonjour")
    to = f"+{CAMILLE}"
    whatsapp.send_document(to=to, document="https://example.com/f.pdf", filename="facture.pdf")
    whatsapp.send_location(to=to, latitude=48.85, longitude=2.29, name="Atelier", address="1 rue du Test")
    whatsapp.send_contact(
        to=to, contact=types.Contact(name=types.Contact.Name(formatted_name="Alix", first_name="Alix"))
    )
    whatsapp.send_reaction(to=to, emoji="👍", message_id=wamid)
    whatsapp.remove_reaction(to=to, message_id=wamid)
    kinds = [delivery.type for delivery in sandbox.deliveries()]
    assert kinds == ["document", "location", "contacts", "reaction", "reaction"]


def test_it_marks_a_message_as_read_and_shows_that_it_types(sandbox: Sandbox, whatsapp: pywa.WhatsApp) -> None:
    wamid = sandbox.customer_writes(text="Bonjour")
    assert whatsapp.mark_message_as_read(wamid)
    assert whatsapp.indicate_typing(wamid)
    assert [(read.wamid, read.typing) for read in sandbox.reads()] == [(wamid, False), (wamid, True)]


def test_it_uploads_and_downloads_media(whatsapp: pywa.WhatsApp) -> None:
    medium = whatsapp.upload_media(PNG, mime_type="image/png", filename="a.png")
    url = whatsapp.get_media_url(medium.id)
    assert (url.mime_type, url.file_size) == ("image/png", len(PNG))
    assert whatsapp.get_media_bytes(url.url) == PNG
    assert whatsapp.delete_media(medium.id)
    with pytest.raises(errors.WhatsAppError):
        whatsapp.delete_media(medium.id)


def test_its_errors_are_those_of_the_codes(sandbox: Sandbox, whatsapp: pywa.WhatsApp) -> None:
    with pytest.raises(errors.InvalidParameter) as refused:
        whatsapp.send_message(to="+336000", text="x" * 5000)
    assert (refused.value.code, refused.value.status_code) == (131009, 400)
    sandbox.fault("whatsapp", "graph_error", code=131047, times=1)
    with pytest.raises(errors.ReEngagementMessage):
        whatsapp.send_message(to=f"+{CAMILLE}", text="Bonjour")
    sandbox.fault("whatsapp", "graph_error", code=190, times=1)
    with pytest.raises(errors.ExpiredAccessToken) as expired:
        whatsapp.send_message(to=f"+{CAMILLE}", text="Bonjour")
    assert expired.value.fbtrace_id
    sandbox.fault("whatsapp", "graph_error", code=131056)
    with pytest.raises(errors.TooManyMessages):
        whatsapp.send_message(to=f"+{CAMILLE}", text="Bonjour")


class Reader:
    """pywa's own handling of a webhook: signature first, then the update it makes of it."""

    def __init__(self) -> None:
        self.updates: list[Any] = []
        self.client = pywa.WhatsApp(phone_id=NUMBER_ID, waba_id=WABA_ID, app_secret=SECRET, verify_token="v")
        kinds = ("message", "message_status", "callback_button", "callback_selection")
        for kind in kinds:
            getattr(self.client, f"on_{kind}")(lambda _client, update: self.updates.append(update))

    def read(self, body: bytes, signature: str) -> Any:
        assert self.client.webhook_update_validator(body, signature) is None
        assert self.client.webhook_update_handler(body)[1] == 200
        return self.updates[-1]


@pytest.fixture
def wired(make_sandbox, application) -> Sandbox:
    return make_sandbox(webhook_url=application.url, app_secret=SECRET, status_delays=(0, 0, 0), failed_contacts=True)


def read_all(application, count: int) -> list[Any]:
    wait_for(lambda: len(application.received) == count)
    reader = Reader()
    for request in application.received:
        reader.read(request.body, request.headers["x-hub-signature-256"])
    assert len(reader.updates) == count
    return reader.updates


def test_it_reads_a_text_and_who_wrote_it(wired: Sandbox, application) -> None:
    wamid = wired.customer_writes(CAMILLE, "Où ? é 👍", name="Camille Essai", timestamp=1795165201, context="wamid.X")
    [message] = read_all(application, 1)
    assert (message.id, message.text, message.from_user.name) == (wamid, "Où ? é 👍", "Camille Essai")
    assert (message.from_user.wa_id, message.from_user.bsuid) == (CAMILLE, wired.customer(CAMILLE).bsuid)
    assert message.timestamp.timestamp() == 1795165201
    assert message.reply_to_message.id == "wamid.X"


def test_it_reads_every_type_a_customer_can_write(wired: Sandbox, application) -> None:
    ours = send(wired).json()["messages"][0]["id"]
    wait_for(lambda: len(application.received) == 3)
    application.received.clear()
    wired.customer_writes(type="image", text="Le colis")
    wired.customer_writes(type="audio")
    wired.customer_writes(type="document", content={"filename": "f.pdf"})
    wired.customer_writes(type="location", content={"name": "Atelier"})
    wired.customer_writes(type="contacts")
    wired.customer_writes(type="reaction", content={"message_id": ours, "emoji": "👍"})
    wired.customer_writes(type="button_reply", content={"id": "am", "title": "Matin"}, context=ours)
    wired.customer_writes(type="list_reply", content={"id": "a", "title": "A"}, context=ours)
    wired.customer_writes(type="button", context=ours)
    wired.customer_writes(type="unsupported")
    updates = read_all(application, 10)
    messages = {str(update.type.value): update for update in updates if isinstance(update, types.Message)}
    assert messages["image"].image.caption == "Le colis"
    assert messages["audio"].audio.voice
    assert messages["document"].document.filename == "f.pdf"
    assert messages["location"].location.name == "Atelier"
    assert messages["contacts"].contacts[0].name.formatted_name == "Alix Modèle"
    assert (messages["reaction"].reaction.emoji, messages["reaction"].reaction.message_id) == ("👍", ours)
    assert messages["unsupported"].error.code == 131051
    data = sorted(each.data for each in updates if isinstance(each, types.CallbackButton | types.CallbackSelection))
    assert data == ["YES", "a", "am"]


def test_it_reads_the_statuses_of_a_message(wired: Sandbox, application) -> None:
    wamid = send(wired, biz_opaque_callback_data="row-1").json()["messages"][0]["id"]
    updates = {update.status: update for update in read_all(application, 3)}
    assert set(updates) == {MessageStatusType.SENT, MessageStatusType.DELIVERED, MessageStatusType.READ}
    sent = updates[MessageStatusType.SENT]
    assert (sent.id, sent.tracker, sent.from_user.wa_id) == (wamid, "row-1", CAMILLE)
    assert sent.pricing.model == "PMP"
    assert updates[MessageStatusType.READ].pricing is None


def test_it_reads_a_failed_status(wired: Sandbox, application) -> None:
    wired.customer(CAMILLE, fails_with=131026)
    send(wired)
    [failed] = read_all(application, 1)
    assert failed.status == MessageStatusType.FAILED
    assert isinstance(failed.error, errors.MessageUndeliverable)


def test_it_refuses_a_bad_signature(wired: Sandbox, application) -> None:
    wired.fault("webhook", "bad_signature")
    wired.customer_writes(text="Bonjour")
    [request] = wait_for(lambda: application.received)
    refused = Reader().client.webhook_update_validator(request.body, request.headers["x-hub-signature-256"])
    assert refused is not None
    assert refused[1] == 403


def test_the_media_of_a_message_it_read_can_be_fetched(wired: Sandbox, application) -> None:
    wired.customer_writes(type="image", media=PNG)
    wait_for(lambda: application.received)
    reader = Reader()
    with httpx.Client(timeout=5) as session:
        reader.client = pywa.WhatsApp(
            phone_id=NUMBER_ID, token="token", session=session, app_secret=SECRET, verify_token="v"
        )
        session.base_url = f"{wired.url}/v26.0"
        reader.client.on_message(lambda _client, message: reader.updates.append(message.image.get_bytes()))
        request = application.received[0]
        assert reader.read(request.body, request.headers["x-hub-signature-256"]) == PNG
        assert json.loads(request.body)["object"] == "whatsapp_business_account"
