"""The bot's profile in a browser: a preview of what is not saved, errors at their fields, and leaving."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Dialog, expect

from inbox.auth.access import Role
from tests.page.desk import Desk
from tests.page.shop import Shop

Sit = Callable[..., Desk]


@pytest.fixture
def editor(desk: Sit, shop: Shop) -> Iterator[Desk]:
    """An administrator before the profile, which is as it was before afterwards."""
    path = f"/bot/profile/{shop.account}"
    shop.ask("PUT", path, json={"business_name": "Boulangerie", "hours": "8 to 12", "max_answers_per_hour": 20})
    shop.person("Odile", Role.ADMIN)
    yield desk("Odile").goes_to(f"/bot/{shop.account}/edit")
    shop.ask(
        "PUT", path, json={"business_name": None, "hours": None, "template_config": {}, "max_answers_per_hour": 20}
    )


def profile(shop: Shop) -> dict[str, Any]:
    return dict(shop.get(f"/bot/profile/{shop.account}").json())


def test_the_telephone_answers_from_what_is_not_saved(editor: Desk, shop: Shop) -> None:
    before = shop.sandbox.gemini_responder
    shop.sandbox.gemini_responder = lambda asked: "Jusqu'à 13 h." if "9 to 13" in str(asked) else "Jusqu'à midi."
    try:
        editor.page.get_by_label("Opening hours").fill("9 to 13")
        editor.page.get_by_label("Ask it something").fill("Until when?")
        editor.page.keyboard.press("Enter")
        editor.sees("Jusqu'à 13 h.")
    finally:
        shop.sandbox.gemini_responder = before
    assert profile(shop)["hours"] == "8 to 12"
    assert shop.sandbox.deliveries() == [] or all(each.text != "Jusqu'à 13 h." for each in shop.sandbox.deliveries())


def test_changes_are_counted_discarded_and_saved(editor: Desk, shop: Shop) -> None:
    bar = editor.page.locator(".bot-bar")
    expect(bar).to_be_hidden()
    editor.page.get_by_label("Opening hours").fill("9 to 13")
    editor.page.get_by_label("Name of the business").fill("Boulangerie du Canal")
    expect(bar).to_contain_text("2 changes")
    editor.page.get_by_label("Opening hours").fill("8 to 12")
    expect(bar).to_contain_text("1 change")
    bar.get_by_role("button", name="Discard").click()
    editor.page.get_by_role("dialog").get_by_role("button", name="Discard").click()
    expect(editor.page.get_by_label("Name of the business")).to_have_value("Boulangerie")
    editor.button("Add a question").click()
    editor.page.get_by_label("Question", exact=True).fill("Do you deliver?")
    editor.page.get_by_label("Answer", exact=True).fill("No.")
    editor.page.keyboard.press("Tab")
    bar.get_by_role("button", name="Save").click()
    editor.sees("Saved. The next answer uses it.")
    expect(bar).to_be_hidden()
    assert profile(shop)["template_config"]["faq"] == [{"question": "Do you deliver?", "answer": "No."}]


def test_what_is_wrong_is_said_at_its_field(editor: Desk, shop: Shop) -> None:
    editor.refuses(400)
    field = editor.page.get_by_label("Model")
    field.fill("../etc")
    editor.page.locator(".bot-bar").get_by_role("button", name="Save").click()
    editor.sees("One field needs correcting.")
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_be_focused()
    field.fill("")
    site = editor.page.get_by_label("Website", exact=True)
    site.fill("not a url")
    editor.page.locator(".bot-bar").get_by_role("button", name="Save").click()
    editor.sees("This is not a web address.")
    expect(site).to_be_focused()
    site.fill("")
    editor.page.get_by_label("Opening hours").fill("9 to 13")
    editor.page.locator(".bot-bar").get_by_role("button", name="Save").click()
    editor.sees("Saved. The next answer uses it.")
    assert profile(shop)["hours"] == "9 to 13"
    expect(editor.page.locator("#form")).to_be_focused()


def test_who_leaves_with_changes_is_asked(editor: Desk, shop: Shop) -> None:
    asked: list[str] = []

    def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    editor.page.on("dialog", stay)
    editor.page.get_by_label("Opening hours").fill("9 to 13")
    editor.page.get_by_role("link", name="Back to the numbers").click()
    expect(editor.page.get_by_label("Opening hours")).to_have_value("9 to 13")
    assert asked == ["beforeunload"]
    editor.page.get_by_label("Opening hours").fill("8 to 12")
    editor.page.get_by_role("link", name="Back to the numbers").click()
    editor.page.wait_for_url("**/settings/numbers")


def test_nobody_overwrites_what_a_colleague_has_saved_meanwhile(editor: Desk, shop: Shop) -> None:
    shop.ask("PUT", f"/bot/profile/{shop.account}", json={"hours": "6 to 22"})
    editor.page.get_by_label("Name of the business").fill("Mine")
    save = editor.page.locator(".bot-bar").get_by_role("button", name="Save")
    save.click()
    editor.sees("Somebody else has saved this profile")
    assert profile(shop)["business_name"] == "Boulangerie"
    editor.button("Load theirs").click()
    expect(editor.page.get_by_label("Opening hours")).to_have_value("6 to 22")


def test_what_the_bot_has_read_is_named_beside_its_answer(editor: Desk, shop: Shop) -> None:
    editor.button("Write a text").click()
    form = editor.page.get_by_role("dialog")
    form.get_by_label("Name", exact=True).fill("Allergies")
    form.get_by_label("Text", exact=True).fill("Hazelnuts are in every cake of ours.")
    form.get_by_role("button", name="Add").click()
    rows = editor.page.get_by_role("list", name="Files and web pages")
    expect(rows).to_contain_text("1 passage", timeout=20_000)
    before = shop.sandbox.gemini_responder
    shop.sandbox.gemini_responder = lambda asked: "Every one." if "every cake of ours" in str(asked) else "Hello."
    try:
        customer = shop.customer("Paul", "Which cakes have hazelnuts?", bot=True)
        customer.receives("Every one.")
    finally:
        shop.sandbox.gemini_responder = before
    editor.opens(customer)
    editor.bubble("Every one.").get_by_role("button", name="Allergies").click()
    editor.sees("Hazelnuts are in every cake of ours.")
    editor.goes_to(f"/bot/{shop.account}/edit")
    rows.get_by_role("button", name="More: Allergies").click()
    editor.page.get_by_role("menuitem", name="Remove").click()
    editor.page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    editor.sees("Nothing here yet.")


def test_the_form_is_tried_on_saved_questions_and_an_old_version_comes_back(editor: Desk, shop: Shop) -> None:
    before = shop.sandbox.gemini_responder
    shop.sandbox.gemini_responder = lambda asked: (
        f"We open at {'nine' if '9 to 13' in str(asked) else 'eight'} o'clock."
    )
    bench = editor.page.locator("#test")
    try:
        bench.get_by_label("What a customer asks").fill("When do you open?")
        bench.get_by_role("button", name="Keep this question").click()
        expect(bench.get_by_role("listitem")).to_contain_text("When do you open?")
        editor.page.get_by_label("Opening hours").fill("9 to 13")
        bench.get_by_role("button", name="Compare the answers").click()
        expect(bench.locator("mark")).to_have_text(["eight ", "nine "], timeout=20_000)
    finally:
        shop.sandbox.gemini_responder = before
    assert profile(shop)["hours"] == "8 to 12"
    editor.page.locator(".bot-bar").get_by_role("button", name="Save").click()
    editor.sees("Saved. The next answer uses it.")
    versions = editor.page.locator("#versions").get_by_role("listitem")
    expect(versions.first).to_contain_text("Odile")
    expect(versions.first).to_contain_text("in use")
    expect(versions.first).to_contain_text("Opening hours")
    versions.nth(1).get_by_role("button", name="What is different").click()
    expect(editor.page.get_by_role("dialog")).to_contain_text("8 to 12")
    editor.page.get_by_role("dialog").get_by_role("button", name="Close").first.click()
    versions.nth(1).get_by_role("button", name="Bring it back").click()
    editor.page.get_by_role("dialog").get_by_role("button", name="Bring it back").click()
    expect(editor.page.get_by_label("Opening hours")).to_have_value("8 to 12")
    assert profile(shop)["hours"] == "8 to 12"
    bench.get_by_role("button", name="Remove: When do you open?").click()
    expect(bench).to_contain_text("No questions yet.")
