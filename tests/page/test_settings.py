"""The settings in a browser: what each role sees there, may do and may not, and each task once."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from datetime import date, timedelta

import pytest
import requests
from playwright.sync_api import Dialog, Route, expect

from inbox.auth.access import Role
from tests.page.desk import Desk
from tests.page.shop import PASSWORD, Shop

Sit = Callable[..., Desk]
SEEN = {
    Role.VIEWER: ["Me", "Numbers", "Canned replies", "Labels", "Contacts"],
    Role.MANAGER: ["Me", "Numbers", "Canned replies", "Labels", "Contacts"],
    Role.ADMIN: [
        "Me",
        "Numbers",
        "Canned replies",
        "Labels",
        "Contacts",
        "People",
        "Roles",
        "API keys",
        "Webhooks",
        "Reports",
        "Audit log",
    ],
}
NAMES = {Role.VIEWER: "Vera", Role.MANAGER: "Mona", Role.ADMIN: "Odile"}
_numbers = itertools.count(1)


def seated(desk: Sit, shop: Shop, role: Role = Role.ADMIN, **options: object) -> Desk:
    shop.person(NAMES[role], role)
    return desk(NAMES[role], **options)


def word(of: str) -> str:
    """One that no other test has used."""
    return f"{of}{next(_numbers)}"


@pytest.mark.parametrize("role", SEEN, ids=lambda role: role.slug)
def test_each_role_is_shown_what_it_may_do_and_nothing_else(desk: Sit, shop: Shop, role: Role) -> None:
    d = seated(desk, shop, role).goes_to("/settings")
    expect(d.page.locator(".settings-entry")).to_have_text(SEEN[role])
    name = word("Wort")
    shop.post(f"/accounts/{shop.account}/labels", {"name": name, "color": 2})
    d.goes_to("/settings/labels").sees(name)
    manages = role is Role.ADMIN
    assert d.button("Add a label").count() == d.button(f"Change: {name}").count() == int(manages)
    d.goes_to("/settings/numbers")
    named = d.page.get_by_text("33700000000", exact=True)
    ours = d.page.locator(".settings-number", has=named)  # other tests add numbers of their own
    expect(ours).to_be_visible()
    assert ours.get_by_role("button", name="Check").count() == int(manages)
    if not manages:
        d.goes_to("/settings/people").sees("You do not have access to this page, or it does not exist.")
        d.refuses(403)
        answer = d.page.goto(f"{shop.url}/bot/{shop.account}/edit")
        assert answer is not None
        assert answer.status == 403


def test_the_inbox_leads_to_the_settings(desk: Sit, shop: Shop) -> None:
    d = seated(desk, shop, Role.MANAGER).goes_to()
    d.page.get_by_role("navigation", name="Pages").get_by_role("link", name="Settings").click()
    d.page.wait_for_url("**/settings")
    d.sees("Canned replies")


def test_a_choice_holds_at_once_and_stays(desk: Sit, shop: Shop) -> None:
    d = seated(desk, shop, Role.VIEWER).goes_to("/settings/me")
    d.page.get_by_label("Theme").select_option("dark")
    expect(d.page.locator("html")).to_have_attribute("data-theme", "dark")
    keys = d.page.get_by_role("switch", name="Single-key shortcuts")
    keys.uncheck()
    d.page.get_by_label("Name").fill("Vera B.")
    d.button("Save").click()
    d.sees("Saved")
    d.goes_to("/settings/me")
    expect(d.page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(d.page.get_by_role("switch", name="Single-key shortcuts")).not_to_be_checked()
    expect(d.page.get_by_label("Name")).to_have_value("Vera B.")
    d.button("Test").click()
    d.sees(re.compile("two notes|plays no sound"))


def test_a_changed_name_is_not_dropped_and_an_empty_one_is_not_passed_over(desk: Sit, shop: Shop) -> None:
    d = seated(desk, shop, Role.VIEWER).goes_to("/settings/me")
    name = d.page.get_by_label("Name")
    name.fill("Vera Long")
    d.page.get_by_role("link", name="Labels").click()
    asked = d.page.get_by_role("dialog", name="Discard what you have typed?")
    asked.get_by_role("button", name="Cancel").click()
    expect(name).to_have_value("Vera Long")
    name.fill("")
    expect(d.button("Save")).to_be_visible()
    d.button("Save").click()
    expect(name).to_be_focused()  # it is to be filled in
    d.page.get_by_role("link", name="Labels").click()
    asked.get_by_role("button", name="Discard").click()
    expect(d.page.get_by_role("heading", name="Labels", exact=True)).to_be_visible()
    d.page.go_back()
    expect(name).not_to_have_value("")


def test_back_in_a_form_that_was_begun_asks_first(desk: Sit, shop: Shop) -> None:
    d = seated(desk, shop).goes_to("/settings/canned")
    d.page.get_by_role("link", name="Labels").click()
    d.button("Add a label").click()
    d.page.get_by_label("Name").fill("VIP")
    asked: list[str] = []

    def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    d.page.on("dialog", stay)
    d.js("history.back()")
    question = d.page.get_by_role("dialog", name="Discard what you have typed?")
    question.get_by_role("button", name="Cancel").click()
    expect(d.page.get_by_label("Name")).to_have_value("VIP")
    assert d.page.url.endswith("/settings/labels")
    d.js("void (location.href = '/inbox')")
    expect(d.page.get_by_label("Name")).to_have_value("VIP")
    d.page.wait_for_function("() => document.readyState === 'complete'")
    assert asked == ["beforeunload"]
    d.page.get_by_role("dialog").get_by_role("button", name="Cancel").click()


def test_a_canned_reply_is_made_changed_and_removed(desk: Sit, shop: Shop) -> None:
    d = seated(desk, shop).goes_to("/settings/canned")
    shortcut = word("hours")
    d.button("Add a reply").click()
    d.page.get_by_label("Shortcut").fill(f"/{shortcut}")
    d.page.get_by_label("Text").fill("We open at seven.")
    d.button("Save").click()
    d.sees(f"/{shortcut}")
    d.button(f"Change: {shortcut}").click()
    d.refuses(400)
    d.page.get_by_label("Text").fill("We open at {hour}.")
    d.button("Save").click()
    d.sees("There is no {hour}. Known are")
    d.page.get_by_label("Text").fill("We open at eight.")
    d.button("Save").click()
    d.sees("We open at eight.")
    d.button(f"Change: {shortcut}").click()
    d.page.get_by_label("Text").fill("x" * 5000)
    d.button("Save").click()
    d.sees("At most 4,096 characters.")
    d.page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    d.button(f"Remove: {shortcut}").click()
    d.page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(d.page.get_by_text(f"/{shortcut}", exact=True)).to_have_count(0)


def test_a_session_that_ends_is_begun_again_over_the_settings(desk: Sit, shop: Shop) -> None:
    d = seated(desk, shop).goes_to("/settings/canned")
    d.button("Add a reply").click()
    shortcut = word("later")
    d.page.get_by_label("Shortcut").fill(shortcut)
    d.page.get_by_label("Text").fill("Typed before the session ended.")
    d.refuses(401)
    d.context.clear_cookies()
    d.button("Save").click()
    again = d.page.get_by_role("dialog", name="Sign in again")
    expect(again.get_by_label("Password")).to_be_focused()
    again.get_by_label("Password").fill(PASSWORD)
    again.get_by_role("button", name="Sign in").click()
    expect(again).to_be_hidden()
    d.button("Save").click()
    d.sees("Typed before the session ended.")


def test_an_address_for_webhooks_is_added_tested_and_removed(desk: Sit, shop: Shop) -> None:
    d = seated(desk, shop).goes_to("/settings/webhooks")
    name = word("Till")
    d.button("Add an address").click()
    d.page.get_by_label("Address", exact=True).fill("https://127.0.0.1:9/hooks")  # nobody listens, and it is private
    d.page.get_by_label("What it is for").fill(name)
    d.page.get_by_label("Assigned to somebody").uncheck()
    d.button("Save").click()
    d.sees(re.compile("whsec_"))
    expect(d.page.get_by_text("The one before signs")).to_have_count(0)
    d.button("I have saved it").click()
    d.sees(name)
    d.button("More: https://127.0.0.1:9/hooks").click()
    d.page.get_by_role("menuitem", name="Send a test").click()
    log = d.page.get_by_role("dialog")
    expect(log.get_by_text("tries: ")).to_be_visible()
    log.get_by_role("button", name="Send again").click()
    d.sees("It is sent again")
    log.get_by_role("button", name="Close").first.click()
    d.button("More: https://127.0.0.1:9/hooks").click()
    d.page.get_by_role("menuitem", name="Remove").click()
    d.page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(d.page.get_by_text(name, exact=True)).to_have_count(0)


def test_a_name_that_is_taken_is_said_where_it_was_typed(desk: Sit, shop: Shop) -> None:
    name = word("Taken")
    shop.post(f"/accounts/{shop.account}/labels", {"name": name, "color": 2})
    d = seated(desk, shop).goes_to("/settings/labels")
    d.refuses(409)
    d.button("Add a label").click()
    d.page.get_by_label("Name").fill(name.upper())
    d.button("Save").click()
    d.sees("There is a label with this name already.")
    d.page.get_by_label("Name").fill(f"{name} ")
    d.page.get_by_label("Colour 3").check()  # the same in all it has
    d.button("Save").click()
    expect(d.button("Save")).to_be_enabled()
    d.sees("There is a label with this name already.")
    d.page.get_by_label("Name").fill("x" * 200)
    d.refuses(400)
    d.button("Save").click()
    d.sees("At most 40 characters.")
    d.page.get_by_label("Name").fill(name + "s")
    d.button("Save").click()
    d.sees(name + "s")


def test_somebody_is_invited_given_a_role_and_switched_off_and_on(desk: Sit, shop: Shop) -> None:
    d = seated(desk, shop).goes_to("/settings/people")
    name = word("Nina")
    d.button("Invite").click()
    d.page.get_by_label("E-mail address").last.fill(f"{name}@example.com")
    d.page.get_by_role("dialog").get_by_label("Name").fill(name)
    d.page.get_by_label("Role", exact=True).select_option(label="Viewer")
    d.page.get_by_role("dialog").get_by_role("button", name="Invite").click()
    d.page.locator("summary", has_text=name).click()
    d.button("Set a password").click()
    d.page.get_by_label("New password").fill("two loaves, well baked")
    d.button("Save").click()
    d.sees(f"{name} signs in with the new password now.")
    signed_in = requests.post(
        f"{shop.url}/auth/login",
        json={"email": f"{name}@example.com", "password": "two loaves, well baked"},
        timeout=30,
    )
    assert signed_in.status_code == 200
    d.page.get_by_label("Role", exact=True).select_option(label="Manager")
    d.button("Give").click()
    expect(d.page.locator("summary", has_text=name)).to_contain_text("Manager, Viewer")
    d.button("Remove: Manager").click()
    d.sees(f"Removed from {name}: Manager")
    expect(d.page.locator("summary", has_text=name)).not_to_contain_text("Manager")
    d.button("Undo").click()
    expect(d.page.locator("summary", has_text=name)).to_contain_text("Manager, Viewer")
    d.button("Switch off").click()
    expect(d.page.locator("summary", has_text=name)).to_contain_text("Switched off")
    d.button("Switch on").click()
    expect(d.page.locator("summary", has_text=name)).not_to_contain_text("Switched off")
    d.goes_to("/settings/audit").sees("switched a person on")


def test_a_role_of_our_own_can_be_made_and_a_built_in_one_is_only_read(desk: Sit, shop: Shop) -> None:
    d = seated(desk, shop).goes_to("/settings/roles")
    assert d.button("Change: Admin").count() == 0
    name = word("Desk")
    d.button("Add a role").click()
    d.page.get_by_label("Name").fill(name)
    d.page.get_by_label("Read messages").check()
    d.button("Save").click()
    expect(d.page.locator(".settings-row", has_text=name)).to_contain_text("Read messages")


def test_a_key_is_shown_once(desk: Sit, shop: Shop) -> None:
    d = seated(desk, shop).goes_to("/settings/keys")
    name = word("Till")
    d.button("Make a key").click()
    d.page.get_by_label("Name").fill(name)
    d.page.get_by_label("Role").select_option(label="Viewer")
    d.page.get_by_role("dialog").get_by_role("button", name="Make a key").click()
    secret = d.page.locator("output").inner_text()
    assert secret.startswith("inbox_")
    d.button("I have saved it").click()
    row = d.page.locator(".settings-row", has_text=name)
    expect(row).to_contain_text("Viewer")
    assert secret not in d.page.content()
    row.get_by_role("button", name="Revoke").click()
    d.page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(row).to_contain_text("Revoked")


def test_a_number_is_added_checked_paused_removed_and_brought_back(desk: Sit, shop: Shop) -> None:
    d = seated(desk, shop).goes_to("/settings/numbers")
    name = word("Branch")
    number = f"3{next(_numbers):014}"
    d.button("Add a number").click()
    d.page.get_by_label("Name").fill(name)
    d.page.get_by_label("Phone number ID").fill(number)
    d.button("Save").click()
    row = d.page.locator(".settings-number", has_text=name)
    row.get_by_role("button", name="Check").click()
    expect(row.locator(".settings-finding").first).to_contain_text("Access token", timeout=20_000)
    _chooses(d, name, "Pause")
    expect(row).to_contain_text("It was paused on purpose.")
    row.get_by_role("button", name="Let it send again").click()
    d.sees("It sends once it has a token.")
    expect(row).to_contain_text("No token yet")  # nobody keeps it from sending, and still it cannot
    _chooses(d, name, "Remove")
    d.page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(d.page.locator(".settings-number", has_text=name)).to_have_count(0)
    d.goes_to("/settings/numbers").button(f"Bring it back: {name}").click()
    d.button("Save").click()
    expect(d.page.locator(".settings-number", has_text=name)).to_be_visible()
    shop.ask("DELETE", f"/accounts/{_account(shop, number)}")


def test_letters_in_a_number_of_metas_are_refused_and_what_was_typed_is_not_lost_to_escape(
    desk: Sit, shop: Shop
) -> None:
    d = seated(desk, shop).goes_to("/settings/numbers")
    d.button("Add a number").click()
    dialog = d.page.get_by_role("dialog")
    d.page.get_by_label("Name").fill(word("Branch"))
    d.page.get_by_label("Phone number ID").fill(f"3{next(_numbers):014}")
    d.page.get_by_label("WhatsApp Business Account ID").fill("my waba 12")
    d.allow("status of 400")
    d.button("Save").click()
    expect(dialog).to_contain_text("Digits only.")
    d.page.keyboard.press("Escape")
    expect(dialog).to_contain_text("Discard what you have typed?")
    d.button("Keep writing").click()
    expect(d.page.get_by_label("WhatsApp Business Account ID")).to_have_value("my waba 12")
    d.page.keyboard.press("Escape")
    d.button("Discard").click()
    expect(dialog).to_have_count(0)


def test_hours_show_what_is_so_and_save_what_they_show(desk: Sit, shop: Shop) -> None:
    d = seated(desk, shop).goes_to("/settings/numbers")
    number = f"3{next(_numbers):014}"
    name = word("Hours")
    account = shop.post("/accounts", {"name": name, "phone_number_id": number})["id"]
    path = f"/accounts/{account}/hours"
    d.goes_to("/settings/numbers")
    _chooses(d, name, "Opening hours")
    always = d.page.get_by_role("switch", name="Always open")
    expect(always).to_be_checked()
    expect(d.page.get_by_label("Monday opens")).to_have_count(0)
    expect(d.page.get_by_label("Away message", exact=True)).to_have_count(0)
    d.button("Save").click()
    d.sees("Saved")
    assert shop.get(path).json()["hours"] is None
    always.uncheck()
    d.page.get_by_label("Away message", exact=True).fill("We are at the oven.")
    d.button("Save").click()
    expect(d.page.locator(".settings-note")).to_be_visible()
    hours = shop.get(path).json()["hours"]
    assert (hours["away_text"], hours["week"]["sunday"]) == ("We are at the oven.", [])
    d.page.keyboard.press("Escape")  # nothing is left unsaved: nobody is asked
    expect(d.page.get_by_role("dialog")).to_have_count(0)
    shop.ask("DELETE", f"/accounts/{account}")


def _chooses(d: Desk, name: str, item: str) -> None:
    d.button(f"{name}: more").click()
    d.page.get_by_role("menuitem", name=item).click()


def _account(shop: Shop, number: str) -> str:
    return str(next(each["id"] for each in shop.get("/accounts").json() if each["phone_number_id"] == number))


def test_on_a_phone_the_list_comes_first_and_back_leads_to_it(desk: Sit, shop: Shop) -> None:
    d = seated(desk, shop, Role.MANAGER, viewport={"width": 360, "height": 740}).goes_to("/settings")
    expect(d.page.get_by_role("heading", name="Settings")).to_be_visible()
    d.page.get_by_role("link", name="Labels").click()
    expect(d.page.get_by_role("heading", name="Labels", exact=True)).to_be_visible()
    expect(d.page.locator(".settings-list")).to_be_hidden()
    d.page.go_back()
    expect(d.page.locator(".settings-list")).to_be_visible()
    width = d.js("document.documentElement.scrollWidth")
    assert width <= 360, width


def test_reports_leave_a_gap_where_nobody_waited_and_are_a_file(desk: Sit, shop: Shop) -> None:
    d = seated(desk, shop)

    def figures(route: Route) -> None:
        answer = route.fetch()
        told = answer.json()
        waits = {"measure": "first_reply", "by": "bot", "person": None, "count": 3, "median_seconds": 4}
        days = sorted(str(date.fromisoformat(told["last"]) - timedelta(days=ago)) for ago in (1, 2, 4))
        told["days"] = [{**waits, "p90_seconds": 9, "day": day} for day in days]
        told["people"] = [{**waits, "p90_seconds": 9, "day": None}]
        route.fulfill(response=answer, json=told)

    d.page.route("**/reports?*", figures)
    d.goes_to("/settings/reports")
    plot = d.page.get_by_role("figure").first
    expect(plot.locator("circle")).to_have_count(3)
    expect(plot.locator("polyline")).to_have_count(2)
    d.check()
    d.page.unroute_all()
    with d.page.expect_download() as saved:
        d.page.get_by_role("link", name="Download as CSV").click()
    assert saved.value.path().read_text().startswith("day,measure,by,")
