"""Beside a conversation: what the team notes of the contact, and blocking."""

from __future__ import annotations

import zipfile
from collections.abc import Callable

import psycopg
from playwright.sync_api import expect

from inbox.auth.access import Role
from tests.page.desk import Desk
from tests.page.shop import Shop
from tests.waiting import wait_until

POINTS = {"name": "Points", "kind": "number"}


def test_a_detail_is_written_and_a_contact_blocked(shop: Shop, desk: Callable[..., Desk]) -> None:
    path = f"/accounts/{shop.account}/contact-fields"
    for body in (
        {"name": "Allergies", "kind": "text"},
        {"name": "Taille", "kind": "choice", "choices": ["S", "L"]},
        POINTS,
    ):
        assert shop.ask("POST", path, json=body).ok
    zoe = shop.customer("Zoé Bloc", "Bonjour")
    amina = desk("Amina").opens(zoe)
    amina.page.get_by_label("Allergies").fill("noix")
    amina.page.keyboard.press("Enter")
    amina.page.get_by_label("Taille").select_option("L")
    contact = f"/contacts/{zoe.row()['contact_id']}"

    def written() -> list[str]:
        return sorted(map(str, shop.ask("GET", contact).json()["fields"].values()))

    wait_until(lambda: written() == ["L", "noix"], "both details are written")
    points = amina.page.get_by_label("Points")
    points.fill("12,5")
    points.press("Enter")
    wait_until(lambda: written() == ["12.5", "L", "noix"], "the number is written")
    expect(points).to_have_value("12.5")
    amina.refuses(400)
    points.fill("twelve")
    points.press("Enter")
    amina.sees("Write a number in digits.")
    assert written() == ["12.5", "L", "noix"]
    amina.button("Block").first.click()
    amina.sees("You have blocked Zoé Bloc")
    expect(amina.field).to_have_count(0)
    zoe.writes("Réponds !")
    expect(amina.bubble("Réponds !")).to_be_visible()
    assert zoe.row()["unread_count"] == 0
    amina.button("Unblock").first.click()
    expect(amina.field).to_be_visible()


def test_two_contacts_become_one_after_a_question(shop: Shop, desk: Callable[..., Desk]) -> None:
    seen, hidden = shop.customer("Zoé Double", "Bonjour"), shop.customer("Zoé Double", "Et encore")
    id_ = "(SELECT contact_id FROM conversations WHERE id = %s)"
    with psycopg.connect(shop.database_url) as connection:
        connection.execute(f"UPDATE contacts SET user_id = NULL WHERE id = {id_}", [seen.conversation])
        said = "phone = NULL, user_id = gen_random_uuid()::text, username = 'zoe.d'"  # as those who hide their number
        connection.execute(f"UPDATE contacts SET {said} WHERE id = {id_}", [hidden.conversation])
    shop.person("Anne", Role.ADMIN)
    anne = desk("Anne").opens(seen)
    anne.button("Make one").click()
    question = anne.page.get_by_role("dialog", name="Are these one person?")
    expect(question).to_contain_text("@zoe.d")
    anne.check()
    question.get_by_role("button", name="Cancel").click()
    expect(question).to_have_count(0)
    assert len(seen.messages()) == 1
    anne.button("Make one").click()
    question.get_by_role("button", name="Make one").click()
    expect(anne.bubble("Et encore")).to_be_visible()
    expect(anne.button("Make one")).to_have_count(0)


def test_an_administrator_exports_a_contact_and_erases_them_for_good(shop: Shop, desk: Callable[..., Desk]) -> None:
    zoe = shop.customer("Zoé Adieu", "Oubliez-moi")
    shop.person("Anne", Role.ADMIN)
    anne = desk("Anne").opens(zoe)
    details = anne.page.get_by_role("complementary")
    with anne.page.expect_download() as saved:
        details.get_by_role("link", name="Export").click()
    with zipfile.ZipFile(saved.value.path()) as export:
        assert any("Oubliez-moi" in export.read(name).decode(errors="replace") for name in export.namelist())
    details.get_by_role("button", name="Erase…").click()
    question = anne.page.get_by_role("dialog", name="Erase Zoé Adieu?")
    question.get_by_role("button", name="Cancel").click()
    expect(question).to_have_count(0)
    details.get_by_role("button", name="Erase…").click()
    for status in (400, 404):
        anne.refuses(status)  # to what the page asks of a conversation that goes under its eyes
    question.get_by_role("button", name="Erase for good").click()
    anne.sees("Zoé Adieu is erased")
    expect(anne.row(zoe)).to_have_count(0)
    assert shop.ask("GET", f"/conversations/{zoe.conversation}").status_code == 404
