"""The network is slow, cut or lying, tabs are two, sessions end: one message, in order, and nothing written is lost."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from itertools import pairwise

import pytest
from playwright.sync_api import Route, expect
from sqlalchemy import delete

from inbox.clock import utc_now
from inbox.db import Database
from inbox.models import UserSession
from tests.page.desk import Desk
from tests.page.shop import PASSWORD, Person, Shop
from tests.waiting import wait_until

Desks = Callable[..., Desk]
SEND = "**/messages/send"


def end_sessions(shop: Shop, person: Person) -> None:
    """As if an administrator had ended them, or their time had passed."""
    with closing(Database(shop.database_url)) as db, db.writing() as session:
        session.execute(delete(UserSession).where(UserSession.user_id == person.id))


def test_a_double_click_sends_one_message(shop: Shop, desk: Desks) -> None:
    camille = shop.customer("Camille Roux", "Bonjour")
    amina = desk("Amina").opens(camille)
    amina.types("Il en reste.")
    amina.thread.get_by_role("button", name="Send").dblclick()
    amina.is_marked("Il en reste.", "Delivered")
    camille.receives("Il en reste.")
    assert amina.requests.count("POST /messages/send") == 1


def test_enter_that_is_held_down_sends_one_message_and_leaves_no_empty_lines(shop: Shop, desk: Desks) -> None:
    camille = shop.customer("Camille Roux", "Bonjour")
    amina = desk("Amina").opens(camille)
    amina.types("Il en reste.")
    for _ in range(12):
        amina.page.keyboard.down("Enter")
    amina.page.keyboard.up("Enter")
    expect(amina.field).to_have_value("")
    amina.is_marked("Il en reste.", "Delivered")
    camille.receives("Il en reste.")


def cut_before(route: Route) -> None:
    """The server never hears of it."""
    route.abort("connectionrefused")


def cut_after(route: Route) -> None:
    """The server has it; its answer never comes."""
    route.fetch()
    route.abort("connectionreset")


def cut_within(route: Route) -> None:
    """The server has it; half of its answer comes."""
    answer = route.fetch()
    route.fulfill(status=answer.status, headers={"Content-Type": "application/json"}, body=answer.text()[:40])


@pytest.mark.parametrize("cut", [cut_before, cut_after, cut_within])
def test_a_cut_before_within_or_after_a_send_leaves_one_message(
    shop: Shop, desk: Desks, cut: Callable[[Route], None]
) -> None:
    camille = shop.customer("Camille Roux", "Bonjour")
    amina = desk("Amina").opens(camille)
    amina.loses_network()
    cuts: list[str] = []

    def once(route: Route) -> None:
        cuts.append(json.loads(route.request.post_data or "{}")["client_key"])
        cut(route) if len(cuts) == 1 else route.continue_()

    amina.page.route(SEND, once)
    amina.sends("Un")
    amina.sends("Deux")
    for text in ("Un", "Deux"):
        amina.is_marked(text, "Delivered")
    camille.receives("Un", "Deux")
    expect(amina.thread.locator("li", has_text="Un")).to_have_count(1)
    assert len(set(cuts)) == 2


@pytest.mark.parametrize("reached", [False, True])
def test_a_reload_during_a_send_leaves_one_message(shop: Shop, desk: Desks, reached: bool) -> None:
    camille = shop.customer("Camille Roux", "Bonjour")
    amina = desk("Amina").opens(camille)
    amina.loses_network()
    held: list[Route] = []

    def hold(route: Route) -> None:
        if reached:
            route.fetch()
        held.append(route)

    amina.page.route(SEND, hold)
    with amina.page.expect_request(SEND):
        amina.sends("Il en reste trois.")
    wait_until(lambda: amina.page.wait_for_timeout(20) or held, "the send to be under way")
    amina.page.unroute(SEND)
    amina.page.reload()
    amina.is_marked("Il en reste trois.", "Delivered")
    camille.receives("Il en reste trois.")
    expect(amina.thread.locator("li", has_text="Il en reste trois.")).to_have_count(1)


#: Two tabs of one browser: what they show while nobody looks.
TOLD = """
    Notification.requestPermission = async () => 'granted';
    window.told = [];
    window.Notification = class { constructor(title, options) { window.told.push([title, options.tag]); } };
    window.Notification.permission = 'granted';
    Object.defineProperty(navigator, 'serviceWorker', { value: undefined });
"""


def test_two_tabs_send_in_order_and_tell_of_a_customer_once(shop: Shop, desk: Desks) -> None:
    camille = shop.customer("Camille Roux", "Bonjour")
    shop.post(f"/conversations/{camille.conversation}/assign", {"user_id": shop.person("Amina").id})
    amina = desk("Amina")
    amina.prepares(TOLD)
    amina.opens(camille)
    other = amina.another_tab().opens(camille)
    for number in range(3):
        amina.sends(f"left {number}")
        other.sends(f"right {number}")
    for side in ("left", "right"):
        amina.is_marked(f"{side} 2", "Delivered")
    received = camille.received()
    assert sorted(received) == sorted([f"{side} {number}" for side in ("left", "right") for number in range(3)])
    for side in ("left", "right"):
        assert [text for text in received if text.startswith(side)] == [f"{side} {number}" for number in range(3)]
    for tab in (amina, other):
        tab.hides()
    camille.writes("Merci !")

    def told() -> list[list[str]]:
        amina.page.wait_for_timeout(100)
        return [each for tab in (amina, other) for each in tab.js("window.told")]

    wait_until(told, "a notification")
    amina.page.wait_for_timeout(2000)
    assert told() == [["Camille Roux", camille.conversation]]


def test_a_slow_network_is_seen_and_nothing_is_said_that_is_not_known(shop: Shop, desk: Desks) -> None:
    camille, alice = shop.customer("Camille Lente", "Bonjour"), shop.customer("Alice Lente", "Hello")
    amina = desk("Amina").opens(camille)
    held: list[Route] = []
    amina.page.route(f"**/messages/{alice.conversation}?*", lambda route: held.append(route))
    amina.row(alice).click()
    waits = amina.thread.get_by_text("Loading…")
    expect(waits).to_be_visible()
    nothing = amina.page.get_by_text("Nothing noted yet.")
    expect(nothing).to_be_hidden()
    held[0].continue_()
    expect(amina.bubble("Hello")).to_be_visible()
    expect(waits).to_have_count(0)
    expect(nothing).to_be_visible()


def test_what_could_not_be_read_without_a_connection_is_read_when_it_is_back(shop: Shop, desk: Desks) -> None:
    camille, noe = shop.customer("Camille Roux", "Bonjour"), shop.customer("Noé Petit", "Une baguette ?")
    amina = desk("Amina").opens(camille)
    amina.allow("ERR_INTERNET_DISCONNECTED")
    amina.context.set_offline(True)
    amina.sees("No connection to our server.")
    amina.row(noe).click()
    amina.sees("These messages could not be loaded.")
    amina.context.set_offline(False)
    expect(amina.bubble("Une baguette ?")).to_be_visible(timeout=20_000)


def test_the_session_ends_while_somebody_writes_and_their_text_goes_on(shop: Shop, desk: Desks) -> None:
    camille = shop.customer("Camille Roux", "Bonjour")
    sacha = desk("Sacha").opens(camille)
    sacha.refuses(401)
    sacha.types("Il en reste trois.")
    end_sessions(shop, sacha.person)
    dialog = sacha.page.get_by_role("dialog")
    expect(dialog).to_contain_text("Sign in again", timeout=20_000)
    dialog.get_by_label("Password").fill("wrong")
    dialog.get_by_role("button", name="Sign in").click()
    expect(dialog).to_contain_text("The e-mail address or the password is wrong.")
    dialog.get_by_label("Password").fill(PASSWORD)
    dialog.get_by_role("button", name="Sign in").click()
    expect(dialog).to_be_hidden()
    expect(sacha.field).to_have_value("Il en reste trois.")
    sacha.field.press("Enter")
    sacha.is_marked("Il en reste trois.", "Delivered")
    camille.receives("Il en reste trois.")


#: The owners and words of the texts that the browser keeps: in its database, or put down when the page was left.
KEPT = """
    () => new Promise((done) => {
        const opening = indexedDB.open('inbox');
        opening.onsuccess = () => {
            const all = opening.result.transaction('outgoing').objectStore('outgoing').getAll();
            const left = Object.keys(localStorage).filter((key) => key.endsWith(' outgoing'))
                .flatMap((key) => JSON.parse(localStorage.getItem(key)));
            all.onsuccess = () => done([...all.result, ...left].map((row) => [row.owner, row.text]));
        };
    })
"""


def test_another_person_who_signs_in_sees_and_sends_nothing_of_the_one_before(shop: Shop, desk: Desks) -> None:
    camille = shop.customer("Camille Roux", "Bonjour")
    lou, max_ = desk("Lou").opens(camille), shop.person("Max")
    lou.refuses(401)
    lou.refuses(403)
    lou.loses_network()
    first = re.compile("/(changes|presence|drafts|read)\\b")  # would meet the end of the session before the send
    lou.page.route(first, lambda route: route.abort())
    end_sessions(shop, lou.person)
    wait_until(lambda: lou.context.request.get(f"{shop.url}/auth/me").status == 401, "the session to be over")
    lou.sends("Il en reste trois.")
    dialog = lou.page.get_by_role("dialog")
    expect(dialog).to_contain_text("Sign in again")
    dialog.get_by_label("E-mail address").fill(max_.email)
    dialog.get_by_label("Password").fill(PASSWORD)
    lou.page.unroute(first)
    with lou.page.expect_navigation():
        dialog.get_by_role("button", name="Sign in").click()
    lou.page.wait_for_selector("html[data-ready]")
    expect(lou.field).to_have_value("")
    expect(lou.thread.locator("li", has_text="Il en reste trois.")).to_have_count(0)
    assert lou.js(KEPT) == [[lou.person.id, "Il en reste trois."]]
    assert camille.received() == []
    lou.bent = True  # it is the browser of Max now


@pytest.mark.parametrize("hours", [-24, 24])
def test_a_device_whose_clock_is_a_day_off_shows_the_right_order_and_times(shop: Shop, desk: Desks, hours: int) -> None:
    camille = shop.customer("Camille Roux", "Bonjour")
    amina = desk("Amina")
    amina.sets_clock(utc_now() + timedelta(hours=hours))
    amina.opens(camille)
    amina.sends("Un")
    amina.is_marked("Un", "Delivered")
    camille.writes("Merci !")
    expect(amina.bubble("Merci !")).to_be_visible()
    days = amina.thread.locator(".entry-day")
    expect(days).to_have_text(["Today"])
    texts = [entry.split("\n")[0] for entry in amina.thread.locator(".entry:has(.bubble)").all_inner_texts()]
    assert [text.strip() for text in texts if text.strip() in ("Bonjour", "Un", "Merci !")] == [
        "Bonjour",
        "Un",
        "Merci !",
    ]
    expect(amina.field).to_be_visible()  # the window is open, whatever the device says


def zone_at(hour: int) -> str:
    """A zone in which it is that hour now. The names count westwards."""
    east = hour - utc_now().hour
    east += 24 if east < -12 else -24 if east > 14 else 0
    return f"Etc/GMT{-east:+}"


def test_days_follow_midnight_and_a_journey_while_nothing_is_written(shop: Shop, desk: Desks) -> None:
    camille = shop.customer("Camille Roux", "Bonjour")
    evening, afternoon = zone_at(18), zone_at(15)
    amina = desk("Amina", timezone_id=None)
    amina.sets_zone(evening)
    amina.sets_clock(utc_now())
    amina.opens(camille)
    day, bubble = amina.thread.locator(".entry-day"), amina.bubble("Bonjour")
    expect(day).to_have_text("Today")
    expect(bubble).to_contain_text("18:")
    amina.loses_network()
    amina.page.route("**/*", lambda route: route.abort())  # or an answer would tell the time as it is
    amina.page.clock.fast_forward(timedelta(hours=7).total_seconds() * 1000)
    expect(day).to_have_text("Yesterday")
    amina.sets_zone(afternoon)  # where it is ten in the evening, of the same day
    amina.page.clock.fast_forward(timedelta(minutes=2).total_seconds() * 1000)
    expect(day).to_have_text("Today")
    expect(bubble).to_contain_text("15:")


#: Every call of the API takes a second, and every third is refused for another.
SLOW = """
    const real = window.fetch;
    window.calls = [];
    window.fetch = async (path, init) => {
        const call = `${init?.method ?? 'GET'} ${String(path).split('?')[0]}`;
        window.calls.push([call, performance.now()]);
        await new Promise((done) => setTimeout(done, 1000));
        if (window.calls.length % 3 === 0) {
            const body = JSON.stringify({ code: 'temporarily_unavailable', title: 'Later.' });
            const headers = { 'Retry-After': '1', 'Content-Type': 'application/problem+json' };
            return new Response(body, { status: 503, headers });
        }
        return real(path, init);
    };
"""


def test_a_slow_server_that_refuses_every_third_call_gets_few_calls_and_each_message_once(
    shop: Shop, desk: Desks
) -> None:
    camille = shop.customer("Camille Roux", "Bonjour")
    amina = desk("Amina")
    amina.prepares(SLOW)
    amina.opens(camille)
    for text in ("Un", "Deux", "Trois"):
        amina.sends(text)
    for text in ("Un", "Deux", "Trois"):
        amina.is_marked(text, "Delivered", 60)
    camille.receives("Un", "Deux", "Trois")
    polls = [at for call, at in amina.js("window.calls") if call == "GET /changes"]
    pauses = [later - earlier for earlier, later in pairwise(polls)]
    assert min(pauses) > 990  # one after another, never beside each other
    sends = [call for call, _ in amina.js("window.calls") if call == "POST /messages/send"]
    assert 3 <= len(sends) <= 7
