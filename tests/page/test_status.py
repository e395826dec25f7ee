"""The page that tells how everything stands: its sentences, its charts as tables, and what administrators do there."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Route, expect

from inbox.auth.access import Role
from tests.page.desk import Desk
from tests.page.shop import Shop

pytestmark = pytest.mark.timeout(240)
Desks = Callable[..., Desk]

#: Each sentence by its code, and how much it matters.
SENTENCES = {
    "well": ("All is well.", "ok"),
    "slow": ("Answers take longer than usual.", "warn"),
    "gemini_struggling": ("Gemini is having trouble.", "warn"),
    "gemini_away": ("Gemini is not answering.", "warn"),
    "whatsapp_away": ("WhatsApp is not answering.", "warn"),
    "number_paused": ("A number cannot send.", "warn"),
    "database_away": ("We cannot save just now.", "danger"),
    "dispatcher_silent": ("Nothing is being sent.", "danger"),
}


def tells(desk: Desk, change: Callable[[dict[str, Any]], None]) -> None:
    """Let the server's answer be another one: what is chosen there has tests of its own."""

    def changed(route: Route) -> None:
        if "application/json" not in route.request.headers.get("accept", ""):
            route.continue_()
            return
        answer = route.fetch()
        body = answer.json()
        change(body)
        route.fulfill(response=answer, json=body)

    desk.page.route(re.compile(r"/status$"), changed)


def test_each_sentence_is_shown_with_what_it_means(desk: Desks) -> None:
    amina = desk("Amina")
    code = "well"

    def change(body: dict[str, Any]) -> None:
        body["code"] = code
        body["since"] = body["now"]

    tells(amina, change)
    for code, (sentence, tone) in SENTENCES.items():  # noqa: B007 (the route reads it)
        amina.goes_to("/status")
        expect(amina.page.locator(".sentence h1")).to_have_text(sentence)
        expect(amina.page.locator(".sentence")).to_have_attribute("data-tone", tone)
        assert amina.axe() == []


def test_a_service_that_is_away_counts_down_and_is_tried_at_once_by_administrators(desk: Desks, shop: Shop) -> None:
    shop.person("Ada", Role.ADMIN)
    ada = desk("Ada")

    def change(body: dict[str, Any]) -> None:
        gemini = body["upstreams"][0]
        gemini |= {"state": "away", "retry_in_seconds": 40, "since": body["now"], "waiting": 14}
        body["road"] |= {"answers": 14, "answers_oldest_s": 70.0}

    tells(ada, change)
    ada.goes_to("/status")
    ada.sees(re.compile(r"Away, we try again in \d+ s"))
    ada.sees("14 wait")
    ada.button("Try now").click()
    ada.sees("The next call of every process goes to Gemini at once")
    with ada.page.expect_response(re.compile("/admin/circuit-breakers/gemini/reset")) as answered:
        ada.button("Do it").click()
    assert answered.value.ok


def test_who_may_not_act_sees_no_button_for_it(desk: Desks) -> None:
    amina = desk("Amina").goes_to("/status")
    expect(amina.page.locator(".sentence h1")).not_to_be_empty()
    expect(amina.page.get_by_text("Clear the cache")).to_have_count(0)


def test_each_chart_has_its_numbers_in_a_table(desk: Desks) -> None:
    amina = desk("Amina")
    answered = {"upstream": "gemini", "answers": 7, "errors": 2, "p95_s": 1.2}

    def minutes(route: Route) -> None:
        answer = route.fetch()
        body = answer.json()
        body["minutes"] = [{**answered, "minute": body["now"][:16] + ":00.000Z"}]
        route.fulfill(response=answer, json=body)

    amina.page.route(re.compile(r"/status/history"), minutes)
    amina.goes_to("/status")
    amina.page.get_by_text("The last hour in numbers").first.click()
    row = amina.page.locator("table").first.locator("tbody tr")
    expect(row).to_have_count(1)
    assert row.locator("td").all_inner_texts() == ["7", "2", "1.2 s"]
    assert amina.page.locator(".chart canvas").count() >= 3


@pytest.mark.parametrize("width", [360, 820])
def test_nothing_is_wider_than_the_page(desk: Desks, width: int) -> None:
    amina = desk("Amina", viewport={"width": width, "height": 800}, locale="fr-FR")
    amina.goes_to("/status")
    assert amina.js("() => document.documentElement.scrollWidth") <= width
