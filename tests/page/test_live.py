"""The page stays up to date: one small request at a time, at the pace of the tab, exact after every silence."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page

from tests.page.modules import run

#: `made` asks a server that answers as `answers.changes` says; `polls` has the times of the questions in seconds.
SETUP = """
    const { Refused, Unreachable } = api;
    const clock = fakes.fakeClock(), time = { now: () => clock.now() };
    const bus = fakes.fakeBus(given?.leads ?? true);
    const shop = store.createStore(fakes.bootOf([], given?.boot));
    const tab = { visible: fakes.signal(given?.visible ?? true), focused: fakes.signal(true),
        online: fakes.signal(true),
        woken: fakes.signal(0), lastInput: { value: clock.now() } };
    const polls = [], asked = [], limits = [], from = clock.now();
    const body = (more = {}) => ({ next: `p${polls.length}`, now: '2026-11-28T10:00:00Z', more: false,
        poll_after_ms: 1500,
        conversations: [], gone: [], messages: [], counts: {}, notices: [], ...more });
    let answer = () => null;
    const server = { get: async (path, query, { limit }) => {
        polls.push((clock.now() - from) / 1000);
        asked.push(query);
        limits.push(limit);
        const said = await answer(query, polls.length);
        return { status: said === null ? 204 : 200, body: said };
    } };
    let resyncs = 0;
    const made = changes.createChanges({ api: server, store: shop, clock, time, leader: bus, tab, random: () => 0.5,
        position: given?.position === undefined ? 'p0' : given.position, resync: async () => { resyncs += 1; } });
"""


def play(page: Page, body: str, **given: Any) -> Any:
    return run(page, "api store changes", SETUP + body, given)


@pytest.mark.parametrize(
    ("tab", "questions"),
    [
        ({}, [1.5, 3.0, 4.5, 6.0, 7.5, 9.0]),
        ({"visible": False}, []),
        ({"visible": False, "leads": False}, []),
    ],
)
def test_a_tab_that_is_looked_at_asks_every_second_and_a_half(
    core: Page, tab: dict[str, bool], questions: list[float]
) -> None:
    assert play(core, "made.start(); await clock.pass(10_000); return polls", **tab) == questions


def test_a_tab_that_nobody_uses_asks_every_ten_seconds_and_at_once_when_somebody_comes_back(core: Page) -> None:
    found = play(
        core,
        """tab.lastInput.value -= 300_000;
           made.start();
           await clock.pass(25_000);
           tab.lastInput.value = clock.now();
           tab.woken.value += 1;
           await clock.pass(2000);
           return polls;""",
    )
    assert found == [10, 20, 25, 26.5]


def test_a_hidden_tab_asks_every_quarter_of_a_minute_when_it_leads_and_else_not_at_all(core: Page) -> None:
    body = "made.start(); await clock.pass(60_000); return polls"
    assert play(core, body, visible=False, leads=True) == [15, 30, 45, 60]
    assert play(core, body, visible=False, leads=False) == []


def test_it_asks_at_once_when_it_is_seen_again(core: Page) -> None:
    found = play(
        core,
        """made.start();
           await clock.pass(7000);
           tab.visible.value = true;
           await clock.pass(2000);
           return polls;""",
        visible=False,
        leads=False,
    )
    assert found == [7, 8.5]


def test_one_question_is_under_way_at_a_time(core: Page) -> None:
    found = play(
        core,
        """let open = 0, most = 0;
           answer = async () => {
               most = Math.max(most, ++open);
               await new Promise((done) => clock.after(done, 4000));
               open -= 1;
               return null;
           };
           made.start();
           for (let second = 0; second < 20; second += 1) { made.wake(); await clock.pass(1000); }
           return most;""",
    )
    assert found == 1


def test_failures_are_followed_by_ever_longer_pauses_and_one_success_ends_them(core: Page) -> None:
    found = play(
        core,
        """answer = (query, number) => { if (number <= 6) throw new Unreachable('cut'); return null; };
           made.start();
           const states = [];
           const seen = () => states.push(shop.connection.value.state);
           await clock.pass(1500); seen();
           await clock.pass(2000); seen();
           await clock.pass(120_000); seen();
           return [polls.slice(0, 9), states];""",
    )
    assert found == [[1.5, 3.5, 7.5, 15.5, 30.5, 60.5, 90.5, 92, 93.5], ["trying", "offline", "live"]]


def test_a_server_that_is_busy_says_when_to_come_and_is_not_called_offline(core: Page) -> None:
    found = play(
        core,
        """answer = (query, number) => {
               if (number <= 2) throw new Refused(503, { code: 'temporarily_unavailable' }, 9000);
               return null;
           };
           made.start();
           await clock.pass(11_000);
           const { state, retryAt } = shop.connection.value;
           await clock.pass(20_000);
           return [polls.slice(0, 3), state, (retryAt - from) / 1000, shop.connection.value.state];""",
    )
    assert found == [[1.5, 10.5, 19.5], "busy", 19.5, "live"]


def test_silence_of_half_a_minute_is_told_with_the_time_of_the_last_answer(core: Page) -> None:
    found = play(
        core,
        """let away = false;
           answer = () => { if (away) throw new Unreachable('cut'); return null; };
           made.start();
           await clock.pass(3000);
           away = true;
           await clock.pass(40_000);
           const { state, since } = shop.connection.value;
           return [state, (since - from) / 1000];""",
    )
    assert found == ["stale", 3]


def test_an_answer_that_does_not_come_is_told_before_its_limit(core: Page) -> None:
    found = play(
        core,
        """answer = () => new Promise(() => {});
           made.start();
           await clock.pass(1500);
           const states = [shop.connection.value.state];
           for (const ms of [12_900, 200]) { await clock.pass(ms); states.push(shop.connection.value.state); }
           return states;""",
    )
    assert found == ["live", "live", "offline"]


#: A server that lets questions wait: it answers after `wait` seconds, or when `something` is to be told.
WAITING = """
    let tell = null;
    const something = (more) => tell && tell(body(more));
    answer = (query) => new Promise((done) => {
        tell = done;
        if (query.wait) clock.after(() => done(null), query.wait * 1000); else done(null);
    });
"""


def test_a_question_waits_at_the_server_and_the_next_one_comes_at_once(core: Page) -> None:
    body = WAITING + "made.start(); await clock.pass(26_000); return [polls, asked.map((query) => query.wait)]"
    assert play(core, body) == [[1.5, 9.5, 17.5, 25.5], [8, 8, 8, 8]]


def test_a_change_ends_the_waiting_and_a_tab_that_nobody_uses_does_not_wait(core: Page) -> None:
    found = play(
        core,
        WAITING
        + """made.start();
           await clock.pass(3000);
           something({ next: 'later' });
           await clock.pass(1500);
           const busy = [...polls];
           tab.lastInput.value -= 300_000;
           await clock.pass(20_000);
           return [busy, asked.at(1).since, polls.slice(-2), asked.at(-1).wait];""",
    )
    assert found == [[1.5, 4.5], "later", [12.5, 22.5], None]


def test_a_question_after_a_failure_does_not_wait(core: Page) -> None:
    body = """answer = (query, number) => { if (number === 1) throw new Unreachable('cut'); return null; };
        made.start(); await clock.pass(6000); return [asked.map((query) => query.wait), limits]"""
    assert play(core, body) == [[8, None, 8], [18_000, 10_000, 18_000]]


def test_what_was_asked_for_another_thread_leaves_the_position_where_it_was(core: Page) -> None:
    found = play(
        core,
        WAITING
        + """made.start();
           await clock.pass(2000);
           shop.openId.value = 'opened-meanwhile';
           something({ next: 'too-late' });
           await clock.pass(100);
           return asked.map((query) => [query.since, query.conversation_id]);""",
    )
    assert found == [["p0", None], ["p0", "opened-meanwhile"]]


def test_a_browser_without_a_network_is_offline_at_once_and_asks_when_it_is_back(core: Page) -> None:
    found = play(
        core,
        """made.start();
           await clock.pass(2000);
           tab.online.value = false;
           const state = shop.connection.value.state;
           answer = () => { throw new Unreachable('cut'); };
           await clock.pass(3000);
           answer = () => null;
           tab.online.value = true;
           await clock.pass(0);
           return [state, polls.at(-1), shop.connection.value.state];""",
    )
    assert found == ["offline", 5, "live"]


def test_many_changes_are_read_to_their_end_without_a_pause_and_shown_at_once(core: Page) -> None:
    """A list that moved with each of their pages would jump."""
    found = play(
        core,
        """const sizes = [];
           fakes.effect(() => sizes.push(shop.conversations.value.size));
           const row = (n) => ({ id: `c${n}`, account_id: 'a', updated_at: '2026-11-28T10:00:00Z',
            changed_at: '2026-11-28T10:00:00Z' });
           answer = (query) => {
               const page = Number(query.since.slice(1));
               if (page >= 5) return null;
               const conversations = Array.from({ length: 100 }, (_, n) => row(page * 100 + n));
               return body({ next: `p${page + 1}`, more: page < 4, poll_after_ms: page < 4 ? 0 : 1500, conversations });
           };
           made.start();
           await clock.pass(1500);
           return [polls, sizes, asked.map((query) => query.since)];""",
    )
    assert found == [[1.5] * 5, [0, 500], ["p0", "p1", "p2", "p3", "p4"]]


def test_what_came_before_a_page_that_failed_is_shown(core: Page) -> None:
    """The position is behind it: nobody would tell it again."""
    found = play(
        core,
        """const at = '2026-11-28T10:00:00Z', row = { id: 'c1', account_id: 'a', updated_at: at, changed_at: at };
           answer = (query) => {
               if (query.since !== 'p0') throw new Unreachable();
               return body({ next: 'p1', more: true, poll_after_ms: 0, conversations: [row] });
           };
           made.start();
           await clock.pass(1500);
           return [asked.map((query) => query.since), shop.conversations.value.size];""",
    )
    assert found == [["p0", "p1"], 1]


@pytest.mark.parametrize("code", ["resync", "validation_error"])
def test_a_position_that_is_no_longer_good_begins_again_and_reads_everything_shown(core: Page, code: str) -> None:
    found = play(
        core,
        """const order = [];
           answer = (query, number) => {
               order.push(query.since);
               if (number === 1) throw new Refused(given.code === 'resync' ? 410 : 400, { code: given.code }, null);
               return query.since === null ? body({ next: 'fresh' }) : null;
           };
           made.start();
           await clock.pass(3000);
           return [order, resyncs];""",
        code=code,
    )
    assert found == [["p0", None, "fresh"], 1]


def test_another_number_takes_a_position_before_its_lists_are_read(core: Page) -> None:
    found = play(
        core,
        """const order = [];
           answer = (query) => { order.push([query.account_id, query.since]); return query.since === null ? body({
               next: 'b0' }) : null; };
           made.start();
           made.use('b');
           await clock.pass(1500);
           return [order, resyncs, shop.accountId.value];""",
    )
    assert found == [[["b", None], ["b", "b0"]], 1, "b"]


def test_what_comes_for_the_number_before_is_thrown_away(core: Page) -> None:
    found = play(
        core,
        """let late;
           answer = (query) => query.account_id === 'a' ? new Promise((done) =>
               (late = done)) : query.since === null ? body() : null;
           made.start();
           await clock.pass(1500);
           made.use('b');
           late(body({ counts: { a: { unread: 9 } } }));
           await clock.pass(1500);
           return [shop.counts.value, asked.at(-1).account_id];""",
    )
    assert found == [{}, "b"]


def test_the_end_of_the_session_is_shown_and_asking_stops_until_somebody_signs_in(core: Page) -> None:
    found = play(
        core,
        """let over = true;
           answer = () => { if (over) throw new Refused(401, { code: 'invalid_token' }, null); return null; };
           made.start();
           await clock.pass(60_000);
           const before = [polls.length, shop.signedOut.value];
           over = false;
           made.resume();
           await clock.pass(0);
           return [before, polls.length, shop.signedOut.value];""",
    )
    assert found == [[1, True], 2, False]


def test_who_loses_the_right_keeps_nothing_and_is_not_called_offline_until_the_right_comes_back(core: Page) -> None:
    row = {"id": "c", "account_id": "a", "changed_at": "2026-11-28T10:00:00Z", "last_message_at": None}
    message = {"id": "m", "conversation_id": "c", "timestamp": "2026-11-28T10:00:00Z", "position": 1}
    boot = {
        "conversations": {"rows": [row], "next": None},
        "thread": {"conversation_id": "c", "rows": [message], "older": None},
    }
    found = play(
        core,
        """let taken = true;
           answer = (query) => { if (taken) throw new Refused(403, { code: 'permission_denied' }, null);
               return query.since === null ? body() : null; };
           const kept = () => [shop.conversations.value.size, shop.thread('c').value.messages.length];
           const told = [kept()];
           made.start();
           await clock.pass(60_000);
           told.push([...kept(), shop.denied.value, shop.connection.value.state, [...polls]]);
           taken = false;
           await clock.pass(15_000);
           return [...told, [shop.denied.value, resyncs]];""",
        boot=boot,
    )
    assert found == [[1, 1], [0, 0, True, "live", [1.5, 16.5, 31.5, 46.5]], [False, 1]]


def test_other_tabs_are_told_what_changed(core: Page) -> None:
    row = {"id": "c", "account_id": "a", "updated_at": "2026-11-28T10:00:00Z", "changed_at": "2026-11-28T10:00:00Z"}
    found = play(
        core,
        """answer = () => body({ conversations: [given.row] });
           made.start();
           await clock.pass(1500);
           const told = bus.heard.map(([kind, data]) => [kind, data.conversations.length]);
           bus.say('changes', body({ conversations: [{ ...given.row, id: 'd' }], present: null }));
           return [told, [...shop.conversations.value.keys()]];""",
        row=row,
    )
    assert found == [[["changes", 1]], ["c", "d"]]


def test_a_new_release_is_noticed(core: Page) -> None:
    found = play(
        core,
        """const seen = [];
           for (const release of ['one', 'two']) { shop.applyChanges({ release }); seen.push(shop.newRelease.value); }
           return seen;""",
        boot={"release": "one"},
    )
    assert found == [False, True]


def test_a_notice_that_only_one_of_the_servers_processes_tells_does_not_flicker(core: Page) -> None:
    found = play(
        core,
        """const away = { code: 'gemini_away', since: null }, seen = [];
           answer = (query, number) => body({ notices: number <= 6 && number % 2 ? [away] : [] });
           made.start();
           for (let poll = 1; poll <= 12; poll += 1) {
               await clock.pass(1500);
               seen.push(shop.notices.value.length);
           }
           return seen;""",
    )
    assert found == [1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0]


# --- the leader --------------------------------------------------------------------------------------------------


def test_one_tab_leads_and_the_next_one_when_it_closes(core: Page) -> None:
    found = run(
        core,
        "leader",
        """const name = `tabs ${Math.random()}`;
           const [one, two] = [leader.createLeader({ name }), leader.createLeader({ name })];
           await fakes.until(() => one.leads);
           const both = [one.leads, two.leads];
           one.close();
           await fakes.until(() => two.leads);
           two.close();
           return both;""",
    )
    assert found == [True, False]


def test_without_locks_every_visible_tab_leads(core: Page) -> None:
    found = run(
        core,
        "leader",
        """const visible = { value: true };
           const made = leader.createLeader({ name: 'x', locks: null, channel: null, visible });
           const seen = [made.leads];
           visible.value = false;
           return [...seen, made.leads];""",
    )
    assert found == [True, False]


def test_tabs_hear_each_other(core: Page) -> None:
    found = run(
        core,
        "leader",
        """const name = `tabs ${Math.random()}`, heard = [];
           const [one, two] = [leader.createLeader({ name }), leader.createLeader({ name })];
           two.on('read', (data) => heard.push(data));
           one.post('read', { id: 'c' });
           one.post('else', 1);
           await fakes.until(() => heard.length > 0);
           one.close(); two.close();
           return heard;""",
    )
    assert found == [{"id": "c"}]


@pytest.mark.parametrize("locks", ["navigator.locks", "null"])
def test_work_of_one_name_is_done_alone_and_in_turn(core: Page, locks: str) -> None:
    found = run(
        core,
        "leader",
        f"""const order = [];
            const work = (name) => async () => {{ order.push(`${{name}} begins`); await fakes.settle();
                order.push(`${{name}} ends`); }};
            const failing = async () => {{ order.push('fails'); throw new Error('no'); }};
            const all = [work('one'), failing, work('two')].map((each) => leader.alone('work', each,
                {locks}).catch(() => {{}}));
            await Promise.all(all);
            return order;""",
    )
    assert found == ["one begins", "one ends", "fails", "two begins", "two ends"]
