"""A text on its way from the field to the server: one message, whatever happens, and never lost."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page

from tests.page.modules import run

#: What every test begins with: `made` hands over to a server that answers as `answers.send` says.
SETUP = """
    const { Refused, Unreachable } = api;
    const clock = fakes.fakeClock(), time = { now: () => clock.now() }, bus = fakes.fakeBus();
    const shop = store.createStore(fakes.bootOf());
    const refused = (status, code, retryAfter = null, more = {}) => new Refused(status, { code, title: code,
        ...more }, retryAfter);
    const stored = (body, number = 1) => ({ status: 'queued', message: {
        id: `m${number}`, conversation_id: body.conversation_id, client_key: body.client_key,
            timestamp: '2026-11-28T10:00:00Z',
        changed_at: '2026-11-28T10:00:00Z', status: 'queued', content_text: body.content, author: {
            kind: 'agent' } } });
    const server = fakes.fakeApi({ 'POST /messages/send': (body) => stored(body) });
    const shelves = { outgoing: new Map(), drafts: new Map() }, texts = fakes.fakeKept(shelves);
    const make = (more = {}) => outgoing.createOutgoing({ api: server, store: shop, kept: texts, owner: 'me', clock,
        time,
        leader: bus, locks: fakes.fakeLocks(), ...more });
    const made = make();
    const shown = (id = 'c') => made.of(id).value.map((row) => [row.text, row.state]);
    const sent = () => server.calls.filter((call) => call.path === '/messages/send').map((call) => call.body);
"""


def play(page: Page, body: str, given: Any = None) -> Any:
    return run(page, "api store kept outgoing", SETUP + body, given)


def test_a_text_is_shown_at_once_and_handed_over_with_its_key(core: Page) -> None:
    found = play(
        core,
        """const key = made.send({ conversationId: 'c', text: 'Bonjour', replyTo: 'q', seenThrough: 's' });
           const atOnce = shown();
           await clock.pass(0);
           return { key, atOnce, sent: sent(), shown: shown(), kept: await texts.all('outgoing'),
                    thread: shop.thread('c').value.early.map((row) => row.client_key) };""",
    )
    assert found["atOnce"] == [["Bonjour", "waiting"]]
    assert found["sent"] == [
        {"conversation_id": "c", "content": "Bonjour", "client_key": found["key"], "reply_to": "q", "seen_through": "s"}
    ]
    assert (found["shown"], found["kept"], found["thread"]) == ([], [], [found["key"]])


def test_a_note_goes_to_the_notes_and_never_to_the_customer(core: Page) -> None:
    found = play(
        core,
        """server.answers['POST /conversations/c/notes'] = (body) => ({ id: 'n', conversation_id: 'c',
            created_at: '2026-11-28T10:00:00Z',
               changed_at: '2026-11-28T10:00:00Z', text: body.text, client_key: body.client_key });
           made.send({ conversationId: 'c', text: 'Only for us', mode: 'note' });
           await clock.pass(0);
           return [sent(), server.calls.map((call) => [call.path, call.body.text]),
               shop.thread('c').value.notes.length, shown()];""",
    )
    assert found == [[], [["/conversations/c/notes", "Only for us"]], 1, []]


def test_without_an_answer_the_same_key_is_handed_over_again_ever_more_rarely(core: Page) -> None:
    found = play(
        core,
        """const at = [], from = clock.now();
           server.answers['POST /messages/send'] = (body) => {
               at.push((clock.now() - from) / 1000);
               if (at.length < 8) throw new Unreachable('cut');
               return stored(body);
           };
           made.send({ conversationId: 'c', text: 'Bonjour' });
           await clock.pass(200_000);
           return [at, new Set(sent().map((body) => body.client_key)).size, shown()];""",
    )
    assert found == [[0, 1, 3, 7, 15, 30, 60, 90], 1, []]


@pytest.mark.parametrize("status", [500, 502, 503, 429])
def test_a_server_that_cannot_now_is_asked_again_when_it_said(core: Page, status: int) -> None:
    found = play(
        core,
        """const at = [], from = clock.now();
           server.answers['POST /messages/send'] = (body) => {
               at.push((clock.now() - from) / 1000);
               if (at.length === 1) throw refused(given.status, 'in_doubt', 7000);
               return stored(body);
           };
           made.send({ conversationId: 'c', text: 'Bonjour' });
           await clock.pass(6000);
           const waits = shown();
           await clock.pass(2000);
           return [at, waits, shown(), new Set(sent().map((body) => body.client_key)).size];""",
        {"status": status},
    )
    assert found == [[0, 7], [["Bonjour", "waiting"]], [], 1]


def test_after_ten_minutes_a_person_is_asked_and_may_go_on(core: Page) -> None:
    found = play(
        core,
        """let away = true;
           server.answers['POST /messages/send'] = (body) => { if (away) throw new Unreachable('cut');
               return stored(body); };
           const key = made.send({ conversationId: 'c', text: 'Bonjour' });
           await clock.pass(590_000);
           const before = shown();
           await clock.pass(60_000);
           const after = shown(), tries = sent().length;
           await clock.pass(600_000);
           const quiet = sent().length === tries;
           away = false;
           made.sendNow(key);
           await clock.pass(0);
           return [before, after, quiet, shown(), new Set(sent().map((body) => body.client_key)).size];""",
    )
    assert found == [[["Bonjour", "waiting"]], [["Bonjour", "not_handed"]], True, [], 1]


@pytest.mark.parametrize(
    ("status", "code", "state"),
    [
        (409, "reply_window_closed", "window_closed"),
        (409, "overtaken", "overtaken"),
        (409, "idempotency_conflict", "failed"),
        (403, "permission_denied", "failed"),
        (404, "conversation_not_found", "failed"),
        (400, "validation_error", "failed"),
        (422, "validation_error", "failed"),
        (413, "payload_too_large", "failed"),
        (401, "invalid_token", "waiting"),
    ],
)
def test_each_refusal_has_its_state_and_none_is_repeated_by_itself(
    core: Page, status: int, code: str, state: str
) -> None:
    found = play(
        core,
        """server.answers['POST /messages/send'] = () => { throw refused(given.status, given.code, null, {
            detail: 'why' }); };
           made.send({ conversationId: 'c', text: 'Bonjour' });
           await clock.pass(900_000);
           return [shown(), sent().length, made.rows.value[0].problem?.code ?? null];""",
        {"status": status, "code": code},
    )
    assert found == [[["Bonjour", state]], 1, None if status == 401 else code]


def test_texts_of_a_conversation_arrive_in_the_order_they_were_written(core: Page) -> None:
    found = play(
        core,
        """let first = true;
           server.answers['POST /messages/send'] = (body) => {
               if (first) { first = false; throw new Unreachable('cut'); }
               return stored(body, body.content);
           };
           for (const text of ['one', 'two', 'three']) made.send({ conversationId: 'c', text });
           made.send({ conversationId: 'd', text: 'elsewhere' });
           await clock.pass(5000);
           return sent().map((body) => body.content);""",
    )
    assert [text for text in found if text != "elsewhere"] == ["one", "one", "two", "three"]


def test_another_conversation_does_not_wait_for_one_that_is_stuck(core: Page) -> None:
    found = play(
        core,
        """server.answers['POST /messages/send'] = (body) => {
               if (body.conversation_id === 'c') return new Promise(() => {});
               return stored(body);
           };
           made.send({ conversationId: 'c', text: 'stuck' });
           made.send({ conversationId: 'd', text: 'free' });
           await clock.pass(0);
           return [shown('c'), shown('d')];""",
    )
    assert found == [[["stuck", "handing"]], []]


def test_what_was_refused_holds_back_nothing_but_a_question_does(core: Page) -> None:
    found = play(
        core,
        """const codes = { refused: 'permission_denied', asks: 'overtaken' };
           server.answers['POST /messages/send'] = (body) => {
               if (codes[body.content] && body.seen_through) throw refused(409, codes[body.content]);
               return stored(body);
           };
           const all = ['refused', 'free', 'asks', 'behind'];
           const keys = all.map((text) => made.send({ conversationId: 'c', text, seenThrough: 's' }));
           await clock.pass(0);
           const held = shown();
           made.confirm(keys[2]);
           await clock.pass(0);
           return [held, shown(), sent().map((body) => [body.content, body.seen_through ?? null])];""",
    )
    assert found[0] == [["refused", "failed"], ["asks", "overtaken"], ["behind", "waiting"]]
    assert found[1] == [["refused", "failed"]]
    assert found[2][-2:] == [["asks", None], ["behind", "s"]]


def test_what_an_earlier_page_left_is_handed_over_with_its_key(core: Page) -> None:
    found = play(
        core,
        """server.answers['POST /messages/send'] = () => new Promise(() => {});
           const key = made.send({ conversationId: 'c', text: 'Bonjour' });
           await clock.pass(0);
           server.answers['POST /messages/send'] = (body) => stored(body);
           const next = make();
           await next.begin();
           await clock.pass(0);
           return [sent().map((body) => body.client_key === key), next.count.value, await texts.all('outgoing')];""",
    )
    assert found == [[True, True], 0, []]


def test_what_an_earlier_page_left_long_ago_waits_for_a_person(core: Page) -> None:
    found = play(
        core,
        """server.answers['POST /messages/send'] = () => { throw new Unreachable('cut'); };
           made.send({ conversationId: 'c', text: 'Bonjour' });
           await clock.pass(300_000);
           const tries = sent().length;
           const later = make({ clock: fakes.fakeClock(), time: { now: () => clock.now() + 700_000 } });
           await later.begin();
           await fakes.settle();
           return [later.of('c').value.map((row) => row.state), sent().length === tries];""",
    )
    assert found == [["not_handed"], True]


def test_the_browser_keeps_texts_for_their_owner_alone(core: Page) -> None:
    found = play(
        core,
        """const name = `inbox ${Math.random()}`;
           const [mine, theirs] = [kept.createKept('me', { name }), kept.createKept('other', { name })];
           await mine.write([{ shelf: 'outgoing', put: { id: '2', owner: 'me' } }, { shelf: 'outgoing', put: {
               id: '1', owner: 'me' } }]);
           await theirs.write([{ shelf: 'drafts', put: { id: '3', owner: 'other' } }]);
           const again = kept.createKept('me', { name });
           const seen = [await again.all('outgoing'), await theirs.all('outgoing'), await again.all('drafts')];
           await again.clear();
           const left = [await mine.all('outgoing'), await theirs.all('drafts')];
           for (const each of [mine, theirs, again]) await each.close();
           return [...seen, ...left].map((rows) => rows.map((row) => row.id));""",
    )
    assert found == [["1", "2"], [], [], [], ["3"]]


def test_a_text_survives_the_page_in_the_browsers_database(core: Page) -> None:
    found = play(
        core,
        """const name = `inbox ${Math.random()}`;
           server.answers['POST /messages/send'] = () => new Promise(() => {});
           const key = make({ kept: kept.createKept('me', { name }) }).send({ conversationId: 'c', text: 'Bonjour' });
           await fakes.until(() => sent().length === 1);
           server.answers['POST /messages/send'] = (body) => stored(body);
           const after = kept.createKept('me', { name });
           const next = make({ kept: after });
           await next.begin();
           await fakes.until(async () => (await after.all('outgoing')).length === 0);
           return [sent().map((body) => body.client_key === key), next.count.value];""",
    )
    assert found == [[True, True], 0]


def test_what_the_database_had_no_time_to_take_survives_the_page(core: Page) -> None:
    found = play(
        core,
        """const name = `inbox ${Math.random()}`;
           const one = kept.createKept('me', { name });
           one.write([{ shelf: 'drafts', put: { id: '1', owner: 'me', text: 'half' } }]);
           one.leave();
           const [other, next] = [kept.createKept('other', { name }), kept.createKept('me', { name })];
           const seen = [await other.all('drafts'), await next.all('drafts')];
           const left = Object.keys(localStorage).filter((key) => key.startsWith(name));
           return [...seen.map((rows) => rows.map((row) => row.text)), left];""",
    )
    assert found == [[], ["half"], []]


def test_two_tabs_hand_over_once_and_in_order(core: Page) -> None:
    found = play(
        core,
        """const locks = fakes.fakeLocks();
           const [one, two] = [make({ locks, leader: fakes.fakeBus() }), make({ locks, leader: fakes.fakeBus() })];
           server.answers['POST /messages/send'] = (body) => { if (sent().length < 3) throw new Unreachable('cut');
               return stored(body); };
           one.send({ conversationId: 'c', text: '1' });
           await clock.pass(1);
           await two.begin();
           two.send({ conversationId: 'c', text: '2' });
           await clock.pass(1);
           one.send({ conversationId: 'c', text: '3' });
           await one.begin();
           await two.begin();
           await clock.pass(10_000);
           return sent().map((body) => body.content);""",
    )
    assert found == ["1", "1", "1", "2", "3"]


def test_a_message_that_comes_with_the_changes_ends_the_waiting_of_its_text(core: Page) -> None:
    """The answer to the send was lost; the row says that the server has it."""
    found = play(
        core,
        """server.answers['POST /messages/send'] = () => { throw new Unreachable('cut'); };
           const key = made.send({ conversationId: 'c', text: 'Bonjour' });
           await clock.pass(0);
           const waits = shown();
           shop.applyChanges({ messages: [stored({ conversation_id: 'c', client_key: key,
               content: 'Bonjour' }).message] });
           const atOnce = shown();
           await clock.pass(60_000);
           return [waits, atOnce, sent().length, await texts.all('outgoing')];""",
    )
    assert found == [[["Bonjour", "waiting"]], [], 1, []]


def test_the_same_message_is_never_shown_beside_its_text(core: Page) -> None:
    found = play(
        core,
        """shop.applyThreadPage('c', [], 'open', { older: null, newer: null });
           server.answers['POST /messages/send'] = () => new Promise(() => {});
           const key = made.send({ conversationId: 'c', text: 'Bonjour' });
           await clock.pass(0);
           shop.applyMessages([stored({ conversation_id: 'c', client_key: key, content: 'Bonjour' }).message]);
           return [shown(), shop.thread('c').value.messages.length];""",
    )
    assert found == [[], 1]


@pytest.mark.parametrize(
    ("path", "content"), [("/messages/send", None), ("/messages/send-content", {"type": "location", "latitude": 48.9})]
)
def test_a_text_comes_back_whole_but_not_while_it_is_being_handed_over(core: Page, path: str, content: Any) -> None:
    found = play(
        core,
        """let answer, asked;
           server.answers[`POST ${given.path}`] = (body) => {
               asked = body.content;
               return new Promise((_, fail) => (answer = fail));
           };
           const key = made.send({ conversationId: 'c', text: 'Bonjour', content: given.content, replyTo: 'q' });
           await clock.pass(0);
           const during = made.back(key);
           answer(new Unreachable('cut'));
           await clock.pass(0);
           const after = made.back(key);
           await clock.pass(60_000);
           return [during, after, shown(), server.calls.length, asked];""",
        {"path": path, "content": content},
    )
    whole = {"text": "Bonjour", "content": content, "replyTo": "q", "mode": "reply"}
    assert found == [None, whole, [], 1, content or "Bonjour"]


def test_after_signing_in_again_the_text_leaves_with_its_key(core: Page) -> None:
    found = play(
        core,
        """let over = true;
           server.answers['POST /messages/send'] = (body) => {
               if (!over) return stored(body);
               shop.signedOut.value = true;
               throw refused(401, 'invalid_token');
           };
           made.send({ conversationId: 'c', text: 'Bonjour' });
           await clock.pass(60_000);
           const waits = [shown(), sent().length];
           over = false;
           shop.signedOut.value = false;
           await clock.pass(0);
           return [waits, shown(), new Set(sent().map((body) => body.client_key)).size];""",
    )
    assert found == [[[["Bonjour", "waiting"]], 1], [], 1]


@pytest.mark.parametrize(
    "factory", ["null", "{ open: () => { throw new Error('forbidden') } }", "{ open: () => ({}) }"]
)
def test_without_the_browsers_database_texts_are_sent_all_the_same(core: Page, factory: str) -> None:
    """Forbidden, full, or silent. Leaving the page would lose what is not sent, and the page can ask."""
    found = play(
        core,
        f"""const memory = kept.createKept('me', {{ factory: {factory}, patience: 20 }});
            let away = true;
            server.answers['POST /messages/send'] = (body) => {{ if (away) throw new Unreachable('cut');
                return stored(body); }};
            const own = make({{ kept: memory }});
            own.send({{ conversationId: 'c', text: 'Bonjour' }});
            await fakes.until(() => sent().length > 0);
            const risk = own.atRisk;
            away = false;
            await clock.pass(5000);
            return [risk, sent().length > 1, own.count.value];""",
    )
    assert found == [True, True, 0]


#: Answers of the browser's database come when `go` is called.
SLOW = """
    let go;
    const gone = new Promise((done) => (go = done));
    const held = (real) => {
        const made = { get result() { return real.result; } };
        real.onupgradeneeded = () => made.onupgradeneeded();
        real.onsuccess = () => gone.then(() => made.onsuccess());
        return made;
    };
    const slow = { open: (...named) => held(indexedDB.open(...named)) };
    const { getAll } = IDBObjectStore.prototype;
"""


@pytest.mark.parametrize("part", ["open", "read"])
def test_what_a_slow_browser_has_kept_is_shown_when_it_comes(core: Page, part: str) -> None:
    """Neither a draft nor a text on its way is lost because nobody waited; what was written meanwhile stays."""
    found = run(
        core,
        "api store kept outgoing drafts",
        SETUP
        + SLOW
        + """const name = `inbox ${Math.random()}`, row = { owner: 'me', conversationId: 'c', mode: 'reply' };
           const before = kept.createKept('me', { name });
           const unsent = { ...row, id: '1', key: 'k', text: 'Bonjour', state: 'not_handed', since: 0, tries: 1 };
           const half = { ...row, id: 'me d reply', conversationId: 'd', text: 'half', replyTo: null, version: 0 };
           await before.write([{ shelf: 'outgoing', put: unsent }, { shelf: 'drafts', put: half }]);
           await before.close();
           if (given === 'read') IDBObjectStore.prototype.getAll = function () { return held(getAll.call(this)); };
           const factory = given === 'open' ? slow : indexedDB;
           const late = kept.createKept('me', { name, factory, patience: 20 });
           server.answers['GET /conversations/.*/drafts'] = () => [];
           const own = make({ kept: late });
           const mine = drafts.createDrafts({ api: server, kept: late, owner: 'me', clock });
           const draft = mine.open('d', 'reply');
           await Promise.all([own.begin(), mine.begin(), draft.ready]);
           own.send({ conversationId: 'e', text: 'meanwhile' });
           await fakes.until(() => sent().length === 1);
           const early = [own.count.value, draft.text.value];
           go();
           await fakes.until(() => draft.text.value === 'half' && own.of('c').value.length === 1);
           IDBObjectStore.prototype.getAll = getAll;
           await fakes.until(async () => (await late.all('outgoing')).length === 1);
           await late.close();
           return [early, own.rows.value.map((each) => each.text), mine.texts.value.get('d')];""",
        part,
    )
    assert found[1:] == [["Bonjour"], "half"]
    assert found[0][1] == ""
