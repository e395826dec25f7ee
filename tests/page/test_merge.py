"""Rows come together to the same, whatever brought them and in whatever order."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from playwright.sync_api import Page

from tests.page import modules

STATUSES = ["queued", "sending", "unconfirmed", "sent", "delivered", "read"]
ONE_BY_ONE = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def run(page: Page, body: str, argument: Any = None) -> Any:
    """What a function over the modules `m` (merge) and `s` (store) gives."""
    return modules.run(page, "merge store", f"const [m, s] = [merge, store]; {body}", argument)


def at(second: int) -> str:
    """A time of ours; whole seconds are written without a fraction, as the API does."""
    return f"2026-11-28T10:{second // 600:02}:{second // 10 % 60:02}{f'.{second % 10}00000' if second % 10 else ''}Z"


def message(number: int, version: int, status: str = "sent") -> dict[str, Any]:
    return {
        "id": f"m{number:04}",
        "conversation_id": "c",
        "timestamp": at(number // 3 * 10),  # WhatsApp's times are whole seconds: several messages share one
        "changed_at": at(version),
        "status": status,
        "content_text": f"{number} in version {version}",
        "client_key": f"key {number}",
        "author": {"kind": "agent", "id": "u", "name": "Anna"},
        "reactions": [],
    }


def conversation(number: int, version: int, **more: Any) -> dict[str, Any]:
    row = {
        "id": f"c{number:04}",
        "account_id": "a",
        "updated_at": at(number),
        "changed_at": at(version),
        "status": "open",
        "my_unread": 0,
        "needs_human": False,
        "assigned_to": None,
        "waiting_since": None,
        "label_ids": [],
    }
    return row | more


HISTORIES = st.lists(  # of each message: its versions, ever further
    st.lists(st.sampled_from(range(1, 400)), min_size=1, max_size=4, unique=True).map(sorted), min_size=1, max_size=12
)


@ONE_BY_ONE
@given(histories=HISTORIES, randomness=st.randoms(use_true_random=False))
def test_messages_merge_to_the_newest_version_of_each_in_any_order_and_however_often(
    core: Page, histories: list[list[int]], randomness: random.Random
) -> None:
    versions = [
        message(number, version, STATUSES[step])
        for number, history in enumerate(histories)
        for step, version in enumerate(history)
    ]
    told = versions + randomness.choices(versions, k=len(versions))
    randomness.shuffle(told)
    cuts = sorted(randomness.choices(range(len(told) + 1), k=4))
    batches = [told[a:b] for a, b in zip([0, *cuts], [*cuts, len(told)], strict=True)]
    found = run(
        core,
        """let thread = { ...m.EMPTY_THREAD, loaded: true };
           for (const rows of given) thread = m.mergeChanges(thread, rows);
           return thread.messages;""",
        batches,
    )
    newest = [message(number, history[-1], STATUSES[len(history) - 1]) for number, history in enumerate(histories)]
    assert found == newest


@ONE_BY_ONE
@given(
    loaded=st.integers(1, 30),
    changes=st.lists(st.tuples(st.integers(0, 59), st.integers(1, 300)), max_size=20),
    pages=st.integers(3, 12),
    when=st.randoms(use_true_random=False),
)
def test_pages_and_changes_leave_no_gap_and_no_double_whatever_comes_first(
    core: Page, loaded: int, changes: list[tuple[int, int]], pages: int, when: random.Random
) -> None:
    """Somebody reads from the middle to both ends, a page at a time, while messages change."""
    steps: list[dict[str, Any]] = [{"changes": [message(number, version)]} for number, version in changes]
    first, last = max(0, loaded - pages), min(60, loaded + pages)
    ways = []
    while first > 0:
        ways.append({"where": "older", "rows": list(range(max(0, first - pages), first)), "more": first - pages > 0})
        first -= pages
    newer = []
    while last < 60:
        newer.append({"where": "newer", "rows": list(range(last, min(60, last + pages))), "more": last + pages < 60})
        last += pages
    played: list[dict[str, Any]] = []
    while ways or newer or steps:
        source = when.choice([each for each in (ways, newer, steps) if each])
        played.append(source.pop(0))
    begin = list(range(max(0, loaded - pages), min(60, loaded + pages)))
    found = run(
        core,
        """const row = (number, version = 0) => ({ ...given.rows[number] });
           const beyond = (more) => more ? 'next' : null;
           let thread = m.mergePage(m.EMPTY_THREAD, given.begin.map((n) => row(n)), 'open',
             { older: beyond(given.begin[0] > 0), newer: beyond(given.begin.at(-1) < 59) }, () => ({ older: 'o',
                 newer: 'n' }));
           for (const step of given.steps) {
             if (step.changes) thread = m.mergeChanges(thread, step.changes);
             else thread = m.mergePage(thread, step.rows.map((n) => row(n)), step.where,
               { older: beyond(step.more), newer: beyond(step.more) }, () => ({ older: 'o', newer: 'n' }));
           }
           return { rows: thread.messages, atEnd: thread.atEnd, older: thread.older };""",
        {"rows": [message(number, 0) for number in range(60)], "begin": begin, "steps": played},
    )
    newest = dict.fromkeys(range(60), 0)
    for number, version in changes:
        newest[number] = max(newest[number], version)
    assert found["rows"] == [message(number, version) for number, version in newest.items()]
    assert (found["atEnd"], found["older"]) == (True, None)


def test_of_two_versions_of_one_moment_the_status_that_is_further_stays(core: Page) -> None:
    older, newer = message(1, 5, "sent"), message(1, 5, "delivered")
    for rows in ([older, newer], [newer, older]):
        found = run(core, "return m.mergeMessage(given[0], given[1]).status", rows)
        assert found == "delivered"


def test_a_newer_version_wins_even_when_its_status_goes_back(core: Page) -> None:
    """A message that WhatsApp refused and that somebody sends again is queued again."""
    refused, again = message(1, 5, "failed"), message(1, 6, "queued")
    assert run(core, "return m.mergeMessage(given[1], given[0]).status", [refused, again]) == "queued"


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("2026-11-28T10:00:00Z", "2026-11-28T10:00:00.000001Z"),
        ("2026-11-28T10:00:00.9Z", "2026-11-28T10:00:01Z"),
        ("2026-11-28T10:00:00.120000Z", "2026-11-28T10:00:00.13Z"),
        ("2026-11-28T10:00:00.5+00:00", "2026-11-28T10:00:00.500001Z"),
    ],
)
def test_times_compare_by_value_however_many_digits_they_have(core: Page, earlier: str, later: str) -> None:
    assert run(
        core, "return [m.byTime(given[0], given[1]) < 0, m.byTime(given[1], given[0]) > 0]", [earlier, later]
    ) == [
        True,
        True,
    ]


def test_a_message_that_came_while_the_first_page_was_on_its_way_is_not_lost(core: Page) -> None:
    found = run(
        core,
        """let thread = m.mergeChanges(m.EMPTY_THREAD, [given[2]]);
           const before = thread.messages.length;
           thread = m.mergePage(thread, given.slice(0, 2), 'open', { older: null, newer: null }, () => ({}));
           return [before, thread.messages.map((row) => row.id)];""",
        [message(number, 1) for number in range(3)],
    )
    assert found == [0, ["m0000", "m0001", "m0002"]]


def test_after_a_long_silence_the_thread_goes_on_from_its_own_end_when_pages_are_missing(core: Page) -> None:
    found = run(
        core,
        """const pages = (row) => ({ older: `before ${row.id}`, newer: `after ${row.id}` });
           let thread = m.mergePage(m.EMPTY_THREAD, given.slice(0, 3), 'open', { older: null, newer: null }, pages);
           thread = m.mergePage(thread, given.slice(10), 'fresh', { older: 'x', newer: null }, pages);
           return [thread.messages.length, thread.newer, thread.atEnd];""",
        [message(number, 1) for number in range(13)],
    )
    assert found == [3, "after m0002", False]


def test_the_newest_page_read_again_joins_what_is_there(core: Page) -> None:
    found = run(
        core,
        """const pages = () => ({ older: 'o', newer: 'n' });
           let thread = m.mergePage(m.EMPTY_THREAD, given.slice(0, 8), 'open', { older: 'mine', newer: null }, pages);
           thread = m.mergePage(thread, given.slice(5), 'fresh', { older: 'theirs', newer: null }, pages);
           return [thread.messages.length, thread.older, thread.atEnd];""",
        [message(number, 1) for number in range(13)],
    )
    assert found == [13, "mine", True]


@pytest.mark.parametrize(("reading", "kept"), [("newer", (100, 400)), ("older", (0, 300))])
def test_a_thread_keeps_300_messages_and_drops_the_far_end(core: Page, reading: str, kept: tuple[int, int]) -> None:
    found = run(
        core,
        """const pages = (row) => ({ older: `before ${row.id}`, newer: `after ${row.id}` });
           const all = { ...m.EMPTY_THREAD, messages: given.rows, loaded: true };
           return m.trimThread(all, given.reading, pages);""",
        {"rows": [message(number, 1) for number in range(400)], "reading": reading},
    )
    assert [row["id"] for row in found["messages"]] == [f"m{number:04}" for number in range(*kept)]
    assert (found["older"], found["newer"]) == (("before m0100", None) if reading == "newer" else (None, "after m0299"))
    assert found["atEnd"] is (reading == "newer")


# --- the list ----------------------------------------------------------------------------------------------------


@ONE_BY_ONE
@given(
    versions=st.lists(st.tuples(st.integers(0, 9), st.integers(1, 99)), min_size=1, max_size=40),
    gone=st.sets(st.integers(0, 9), max_size=3),
    randomness=st.randoms(use_true_random=False),
)
def test_conversations_merge_to_the_newest_version_of_each_in_any_order(
    core: Page, versions: list[tuple[int, int]], gone: set[int], randomness: random.Random
) -> None:
    told = [conversation(number, version) for number, version in versions]
    randomness.shuffle(told)
    found = run(
        core,
        """let all = new Map();
           for (const row of given.told) all = m.mergeConversations(all, [row]);
           all = m.mergeConversations(all, given.told, given.gone);
           return [...all.values()].sort(m.listOrder('newest'));""",
        {"told": told, "gone": [f"c{number:04}" for number in gone]},
    )
    newest: dict[int, int] = {}
    for number, version in versions:
        newest[number] = max(newest.get(number, 0), version)
    assert found == [conversation(n, v) for n, v in sorted(newest.items(), reverse=True) if n not in gone]


def test_the_list_is_the_same_map_when_nothing_changed(core: Page) -> None:
    rows, older = [[conversation(number, version) for number in range(3)] for version in (2, 1)]
    body = """const all = m.mergeConversations(new Map(), given[0]);
              return [m.mergeConversations(all, given[1], ['unknown']) === all, m.mergeConversations(all,
                  []) === all]"""
    assert run(core, body, [rows, older]) == [True, True]


def boot(rows: list[dict[str, Any]], next: str | None = None, **query: Any) -> dict[str, Any]:
    me = {"id": "me", "permissions": {"global": ["messages.send"], "accounts": {"b": []}}}
    shown = {"query": {"account_id": "a", **query}, "rows": rows, "next": next}
    return {"me": me, "account_id": "a", "conversations": shown, "counts": {}}


def test_a_row_below_the_last_page_waits_for_its_page(core: Page) -> None:
    """It would stand next to rows that it has no business with, and hide that something is missing between."""
    found = run(
        core,
        """const made = s.createStore(given.boot);
           const ids = () => made.shown.value.map((row) => row.id);
           made.applyChanges({ conversations: [given.far, given.near] });
           const before = ids();
           made.applyPage([given.far], null);
           return [before, ids()];""",
        {
            "boot": boot([conversation(n, 1) for n in (9, 8, 5)], next="/more"),
            "far": conversation(2, 3),
            "near": conversation(7, 3),
        },
    )
    assert found == [["c0009", "c0008", "c0007", "c0005"], ["c0009", "c0008", "c0007", "c0005", "c0002"]]


def test_the_open_conversation_stays_in_a_filter_until_it_is_left(core: Page) -> None:
    found = run(
        core,
        """const made = s.createStore(given.boot);
           const ids = () => made.shown.value.map((row) => row.id);
           const seen = [ids()];
           made.open('c0001');
           made.applyConversation(given.helped);
           seen.push(ids());
           made.open(null);
           seen.push(ids());
           return seen;""",
        {
            "boot": boot([conversation(n, 1, needs_human=True) for n in (1, 2)], needs_human=True),
            "helped": conversation(1, 2),
        },
    )
    assert found == [["c0002", "c0001"], ["c0002", "c0001"], ["c0002"]]


@pytest.mark.parametrize(
    ("wanted", "shown"),
    [
        ({}, ["unread", "waits", "done", "mine"]),
        ({"my_unread": True}, ["unread"]),
        ({"waiting": True}, ["waits"]),
        ({"status": "open"}, ["unread", "waits", "mine"]),
        ({"status": "done"}, ["done"]),
        ({"status": "closed"}, ["done"]),
        ({"assigned_to": "me"}, ["mine"]),
        ({"label_id": "l"}, ["mine"]),
    ],
)
def test_filters_are_those_of_the_api(core: Page, wanted: dict[str, Any], shown: list[str]) -> None:
    rows = [
        conversation(9, 1, id="unread", my_unread=2),
        conversation(8, 1, id="waits", waiting_since=at(1)),
        conversation(7, 1, id="done", status="done"),
        conversation(6, 1, id="mine", assigned_to="me", label_ids=["l"]),
        conversation(5, 1, id="elsewhere", account_id="b"),
    ]
    found = run(core, "return s.createStore(given).shown.value.map((row) => row.id)", boot(rows, **wanted))
    assert found == shown


def test_who_waits_longest_stands_first_in_the_order_of_waiting(core: Page) -> None:
    rows = [conversation(n, 1, waiting_since=at(since)) for n, since in ((1, 30), (2, 10), (3, 20))]
    rows.append(conversation(4, 1))
    found = run(
        core,
        "return s.createStore(given).shown.value.map((row) => row.id)",
        boot(rows, order="waiting"),
    )
    assert found == ["c0002", "c0003", "c0001"]


def test_a_conversation_that_was_merged_away_does_not_come_back_with_an_older_page(core: Page) -> None:
    found = run(
        core,
        """const made = s.createStore(given);
           made.applyChanges({ gone: ['c0001'] });
           made.applyPage(given.conversations.rows, null);
           return made.shown.value.map((row) => row.id);""",
        boot([conversation(1, 1), conversation(2, 1)]),
    )
    assert found == ["c0002"]


def test_rights_for_a_number_that_is_named_are_exactly_those(core: Page) -> None:
    body = "const made = s.createStore(given); return [made.may('messages.send'), made.may('messages.send', 'b')]"
    assert run(core, body, boot([])) == [True, False]
