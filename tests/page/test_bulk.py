"""Several conversations chosen in the list, and one thing done to all of them."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import expect

from tests.page.desk import Desk
from tests.page.shop import Shop
from tests.waiting import wait_until


def test_several_are_done_at_once_and_taken_back(shop: Shop, desk: Callable[..., Desk]) -> None:
    amina = desk("Amina")
    customers = [shop.customer(f"Lot {number}", "Bonjour") for number in range(4)]
    for each in customers:
        shop.post(f"/conversations/{each.conversation}/assign", {"user_id": amina.person.id})
    amina.goes_to(f"/inbox?assigned_to={amina.person.id}")
    oldest, *_, newest = customers
    expect(amina.row(oldest)).to_be_visible()
    amina.row(newest).focus()
    amina.page.keyboard.press("x")
    amina.sees("1 chosen")
    amina.row(oldest).click(modifiers=["Shift"])
    amina.sees("4 chosen")
    amina.page.get_by_role("checkbox", name=f"Choose: {newest.name}").click()
    amina.sees("3 chosen")
    assert amina.page.url.endswith(f"assigned_to={amina.person.id}")  # nothing was opened
    assert amina.axe() == []
    amina.page.get_by_role("toolbar").get_by_role("button", name="Done").click()
    amina.sees("3 conversations changed.")
    statuses = [each.row()["status"] for each in customers]
    assert statuses == ["done", "done", "done", "open"]
    amina.button("Undo").click()
    wait_until(lambda: all(each.row()["status"] == "open" for each in customers), "all are open again")
    expect(amina.row(oldest).locator(".row-count")).to_have_text("1")  # what was new to her is so again
    amina.row(newest).click()  # open, and not among the chosen
    amina.row(oldest).focus()
    amina.page.keyboard.press("x")
    amina.page.keyboard.press("e")
    amina.sees("1 conversation changed.")
    assert [each.row()["status"] for each in (oldest, newest)] == ["done", "open"]
    amina.row(newest).focus()
    amina.page.keyboard.press("x")
    amina.page.keyboard.press("Escape")
    expect(amina.page.get_by_role("toolbar")).to_have_count(0)
