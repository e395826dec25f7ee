"""Pictures, voices and documents: shown when they are seen, asked for again when WhatsApp is slow, told when gone."""

from __future__ import annotations

import io
import re
import struct
import wave
import zlib
from collections.abc import Callable

from playwright.sync_api import Route, expect

from tests.page.desk import Desk
from tests.page.shop import Shop
from tests.waiting import wait_until

FILES = "whatsapp_business/attachments"


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


#: A picture of 40 × 30 pixels, in one colour.
PICTURE = (
    b"\x89PNG\r\n\x1a\n"
    + _chunk(b"IHDR", struct.pack(">IIBBBBB", 40, 30, 8, 2, 0, 0, 0))
    + _chunk(b"IDAT", zlib.compress((b"\0" + b"\xc8\x96\x50" * 40) * 30))
    + _chunk(b"IEND", b"")
)


def sound() -> bytes:
    """Five seconds of silence."""
    made = io.BytesIO()
    with wave.open(made, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(8000)
        file.writeframes(b"\x80" * 40_000)
    return made.getvalue()


def test_the_page_sends_a_picture_with_its_caption(shop: Shop, desk: Callable[..., Desk]) -> None:
    lea = shop.customer("Léa Simon", "Vous avez des gâteaux ?")
    amina = desk("Amina").opens(lea)
    cake = {"name": "cake.png", "mimeType": "image/png", "buffer": PICTURE}
    amina.thread.locator("input[type=file]").set_input_files([cake])
    expect(amina.thread.locator(".attached-file")).to_contain_text("cake.png")
    amina.types("Oui, celui-ci")
    amina.button("Send").click()
    expect(amina.thread.locator(".attached-file")).to_have_count(0)
    expect(amina.bubble("Oui, celui-ci")).to_be_visible()
    expect(amina.field).to_have_value("")
    lea.receives("Oui, celui-ci")
    amina.is_marked("Oui, celui-ci", "Delivered")


def test_what_is_wrong_with_a_file_is_said_and_it_can_be_taken_away(shop: Shop, desk: Callable[..., Desk]) -> None:
    lea = shop.customer("Léa Simon", "Vous avez une carte ?")
    amina = desk("Amina").opens(lea)
    files = amina.thread.locator(".attached-file")
    held: list[Route] = []
    long = {"name": f"{'une-carte-de-tous-les-pains-' * 8}.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-1.7 x"}
    empty = {"name": "vide.pdf", "mimeType": "application/pdf", "buffer": b""}
    amina.page.route("**/uploads", lambda route: held.append(route))
    amina.thread.locator("input[type=file]").set_input_files([long])
    wait_until(lambda: amina.page.wait_for_timeout(50) or held, "the upload to begin")
    amina.sees("You can send once the file has been uploaded.")
    amina.page.unroute_all()  # what is held goes on
    amina.allow("status of 400")
    amina.thread.locator("input[type=file]").set_input_files([empty])
    expect(files.nth(1)).to_contain_text("The file is empty.")
    amina.sees("A file could not be added. Remove it to send the rest.")
    assert amina.js(INSIDE), "the way to remove a file is outside"
    assert amina.js("() => !dispatchEvent(new Event('beforeunload', { cancelable: true }))"), "leaving does not ask"
    for _ in range(2):
        files.first.get_by_label("Remove").click()
    expect(files).to_have_count(0)


#: Whether each button beside a file is within the composer.
INSIDE = """
    () => [...document.querySelectorAll('.attached-file button')].every((button) =>
        button.getBoundingClientRect().right <= button.closest('.composer').getBoundingClientRect().right)
"""

#: A file as the browser hands it over, in an event of its own.
GIVES = """
    (field, [event, name, type, text]) => {
        const carried = new DataTransfer();
        carried.items.add(new File([text], name, { type }));
        const how = { bubbles: true, cancelable: true };
        field.dispatchEvent(event === 'drop' ? new DragEvent('drop', { ...how, dataTransfer: carried })
            : new ClipboardEvent('paste', { ...how, clipboardData: carried }));
    }
"""


def test_files_are_dropped_and_pasted_cancelled_and_one_that_fails_takes_no_other_with_it(
    shop: Shop, desk: Callable[..., Desk]
) -> None:
    lea = shop.customer("Léa Simon", "Vous avez une carte ?")
    amina = desk("Amina").opens(lea)
    files = amina.thread.locator(".attached-file")

    held: list[Route] = []
    amina.page.route(
        "**/uploads/*", lambda route: held.append(route) if route.request.method == "PUT" else route.continue_()
    )
    amina.field.evaluate(GIVES, ["drop", "menu.txt", "text/plain", "Tarte au citron"])
    expect(files.locator("progress")).to_have_accessible_name("menu.txt on its way")
    with amina.page.expect_request(lambda request: request.method == "DELETE" and "/uploads/" in request.url):
        files.get_by_role("button", name="Cancel").click()
    expect(files).to_have_count(0)
    amina.loses_network()
    for each in held:
        each.abort()
    amina.page.unroute_all()

    amina.refuses(400)
    amina.field.evaluate(GIVES, ["paste", "carte.txt", "text/plain", "Tarte au citron"])
    amina.field.evaluate(GIVES, ["drop", "cake.gif", "image/gif", "GIF89a"])
    expect(files).to_have_count(2)
    expect(files.last.get_by_role("alert")).to_contain_text("WhatsApp takes JPEG and PNG")
    amina.types("La voici")
    send = amina.page.get_by_role("button", name="Send", exact=True)
    expect(send).to_be_disabled()
    amina.sees("Remove it to send the rest.")
    expect(files.last.get_by_role("button", name="Try again")).to_have_count(0)
    files.last.get_by_role("button", name="Remove").click()
    expect(send).to_be_enabled()
    send.click()
    expect(files).to_have_count(0)
    expect(amina.bubble("La voici")).to_contain_text("carte.txt")
    lea.receives("La voici")


def test_a_picture_is_shown_and_opens_whole(shop: Shop, desk: Callable[..., Desk]) -> None:
    zoe = shop.customer("Zoé Blanc")
    zoe.writes("Mon gâteau", type="image", media=PICTURE, content={"mime_type": "image/png"})
    amina = desk("Amina").opens(zoe)
    bubble = amina.bubble("Mon gâteau")
    expect(bubble.locator("img")).to_be_visible()
    bubble.get_by_role("button", name="Show whole: Mon gâteau").click()
    whole = amina.page.get_by_role("dialog", name="Picture")
    expect(whole.get_by_role("img", name="Mon gâteau")).to_be_visible()
    expect(whole.get_by_role("link", name="Save")).to_have_attribute("href", re.compile("^blob:"))
    amina.page.keyboard.press("Escape")
    expect(whole).to_be_hidden()


def test_a_voice_message_plays_at_another_speed(shop: Shop, desk: Callable[..., Desk]) -> None:
    shop.ask("PUT", f"/bot/profile/{shop.account}", json={"reads_files": False})
    zoe = shop.customer("Zoé Blanc", bot=True)
    zoe.writes(None, type="audio", media=sound(), content={"mime_type": "audio/wav", "voice": True})
    wait_until(lambda: zoe.row()["needs_human"], "the bot to ask for a person")
    shop.ask("PUT", f"/bot/profile/{shop.account}", json={"reads_files": True})
    amina = desk("Amina").opens(zoe)
    bubble = amina.thread.locator("li", has=amina.page.locator("audio")).last
    expect(bubble).to_contain_text("Bot could not read it")
    bubble.get_by_role("button", name="Speed 1").click()
    bubble.get_by_role("button", name="Play").click()
    expect(bubble.get_by_role("button", name="Pause")).to_be_visible()
    audio = "document.querySelector('.file-voice audio')"
    assert amina.js(f"{audio}.playbackRate") == 1.5
    expect(bubble.get_by_role("button", name="Play")).to_be_visible()  # it has ended by itself


def test_a_document_is_loaded_by_a_click_and_saved_under_its_name(shop: Shop, desk: Callable[..., Desk]) -> None:
    zoe = shop.customer("Zoé Blanc")
    zoe.writes("La commande", type="document", media=b"%PDF-1.4 x", content={"filename": "commande 12.pdf"})
    amina = desk("Amina").opens(zoe)
    bubble = amina.bubble("La commande")
    expect(bubble).to_contain_text("commande 12.pdf")
    expect(bubble).to_contain_text("PDF")
    assert not any("/messages/media/" in each for each in amina.requests)
    bubble.get_by_role("button", name="Load").click()
    with amina.page.expect_download() as saved:
        bubble.get_by_role("link", name="Save").click()
    assert saved.value.suggested_filename == "commande 12.pdf"


def test_a_file_that_whatsapp_hands_out_later_comes_by_itself(shop: Shop, desk: Callable[..., Desk]) -> None:
    zoe = shop.customer("Zoé Blanc")
    shop.sandbox.fault("whatsapp", "status", code=503, retry_after="1", match={"path": FILES})  # before it is kept
    zoe.writes("Plus tard", type="image", media=PICTURE, content={"mime_type": "image/png"})
    amina = desk("Amina")
    amina.refuses(503)
    amina.opens(zoe)
    bubble = amina.bubble("Plus tard")
    expect(bubble).to_contain_text("WhatsApp is slow. Again in")
    shop.sandbox.clear_faults()
    expect(bubble.locator("img")).to_be_visible(timeout=30_000)


def test_a_file_that_is_gone_says_how_long_whatsapp_keeps_them(shop: Shop, desk: Callable[..., Desk]) -> None:
    zoe = shop.customer("Zoé Blanc")
    shop.sandbox.fault("whatsapp", "graph_error", code=100, match={"path": r"phone_number_id="})
    zoe.writes("Vieille photo", type="image", media=PICTURE, content={"mime_type": "image/png"})
    amina = desk("Amina")
    amina.refuses(404)
    amina.opens(zoe)
    expect(amina.bubble("Vieille photo")).to_contain_text("WhatsApp keeps files for 7 days", timeout=30_000)
