"""What the page shows is what the server has: after a long absence, and while transactions overlap."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

from playwright.sync_api import expect
from sqlalchemy import text

from inbox.clock import utc_now
from inbox.db import Database
from tests import servers
from tests.e2e.processes import gunicorn
from tests.page.desk import Desk
from tests.page.many import fill_list
from tests.page.shop import Shop
from tests.waiting import wait_until

Desks = Callable[..., Desk]


def same(desk: Desk, shop: Shop, account: str, most: int) -> None:
    """The newest conversations are on the page, in the order and with the words of the API."""

    def looks_the_same() -> bool:
        desk.page.wait_for_timeout(100)
        shown = desk.js(
            """[...document.querySelectorAll('a.row')].map((row) =>
                ['.row-name', '.row-last'].map((part) => row.querySelector(part).textContent.trim()))"""
        )
        rows = shop.get("/conversations", account_id=account, limit=most).json()
        return bool(shown[:most] == [[row["contacts"]["display_name"], row["last_message"]] for row in rows])

    wait_until(looks_the_same, "the page to show what the server has")


def test_after_ten_minutes_in_the_back_five_hundred_changes_are_caught_up_in_one_go(shop: Shop, desk: Desks) -> None:
    account = fill_list(shop.customer("Camille Roux", "Bonjour"), 600)
    amina = desk("Amina")
    amina.sets_clock(utc_now())
    amina.goes_to(f"/inbox?account_id={account}")
    expect(amina.page.locator("a.row").first).to_contain_text("Client 600")
    amina.hides()
    amina.page.clock.fast_forward(600_000)
    with closing(Database(shop.database_url)) as db, db.writing() as session:
        changed = text(
            "UPDATE conversations SET last_message = concat('Changed ', last_message), updated_at = now(), "
            "changed_at = :now, unread_count = 1 WHERE account_id = :account AND id IN "
            "(SELECT id FROM conversations WHERE account_id = :account ORDER BY id LIMIT 500)"
        )
        session.execute(changed, {"now": db.now(session), "account": account})
    amina.requests.clear()
    amina.shows()
    expect(amina.page.locator("a.row").first).to_contain_text("Changed Message", timeout=15_000)
    same(amina, shop, account, 40)
    assert amina.requests.count("GET /changes") <= 9  # five pages and the polls since
    assert amina.requests.count("GET /conversations") == 0


def test_transactions_of_two_seconds_that_overlap_polls_leave_nothing_stale(shop: Shop, desk: Desks) -> None:
    account = fill_list(shop.customer("Camille Roux", "Bonjour"), 12)
    amina = desk("Amina").goes_to(f"/inbox?account_id={account}")
    overlap(shop, amina, account, shop.database_url)


def test_so_they_do_behind_a_transaction_pooler(shop: Shop, desk: Desks, tmp_path: Path) -> None:
    account = fill_list(shop.customer("Camille Roux", "Bonjour"), 12)
    with ExitStack() as stack:
        address = stack.enter_context(servers.pgbouncer(shop.database_url))
        environment = {**shop.environment, "DATABASE_URL": address, "WEB_CONCURRENCY": "1"}
        _, url = stack.enter_context(gunicorn(tmp_path / "web.log", environment))
        amina = desk("Amina")
        amina.page.goto(f"{url}/inbox?account_id={account}")
        overlap(shop, amina, account, address)
        amina.page.goto("about:blank")  # before its server goes


def overlap(shop: Shop, amina: Desk, account: str, database_url: str) -> None:
    """Transactions of up to two seconds, six at a time, while she looks; in the end she sees what there is."""
    expect(amina.page.locator("a.row").first).to_contain_text("Client 12")
    ids = [row["id"] for row in shop.get("/conversations", account_id=account, limit=12).json()]
    at = "date_trunc('milliseconds', clock_timestamp())"  # the server's own time, as all our writers take it
    changed = text(f"UPDATE conversations SET last_message = :text, changed_at = {at} WHERE id = :id")

    def write(number: int) -> None:
        """A writer takes its time early and commits late, as a busy one does."""
        with db.writing() as session:
            session.execute(changed, {"text": f"Changed {number}", "id": ids[number]})
            session.execute(text("SELECT pg_sleep(:seconds)"), {"seconds": 0.5 + (number % 4) / 2})

    with closing(Database(database_url)) as db, ThreadPoolExecutor(6) as writers:
        list(writers.map(write, range(12)))

    same(amina, shop, account, 12)
    texts = amina.js("[...document.querySelectorAll('a.row .row-last')].map((each) => each.textContent.trim())")
    assert sorted(texts) == sorted(f"Changed {number}" for number in range(12))
