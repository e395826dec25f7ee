"""What somebody writes is kept: in the browser, at the server, and never over what they are writing."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page

from tests.page.modules import run

#: `made` keeps drafts over a server that holds `held`: one draft for each mode, with a version.
SETUP = """
    const { Refused, Unreachable } = api;
    const clock = fakes.fakeClock(), shelves = { outgoing: new Map(), drafts: new Map() };
    const held = new Map(Object.entries(given.held ?? {}));
    const leaving = [];
    const server = fakes.fakeApi({
        'GET /conversations/.*/drafts': () => [...held.entries()].map(([mode, draft]) => ({ mode, ...draft })),
        'PUT /conversations/c/drafts/reply': (body) => put('reply', body),
        'PUT /conversations/c/drafts/note': (body) => put('note', body),
        'DELETE /conversations/c/drafts/reply': () => { held.delete('reply'); return null; },
    });
    function put(mode, body) {
        const had = held.get(mode);
        if ((had?.version ?? 0) !== body.version) throw new Refused(409, { code: 'draft_conflict', draft: { mode,
            ...had } }, null);
        held.set(mode, { text: body.text, reply_to: body.reply_to, version: body.version + 1 });
        return held.get(mode);
    }
    const make = (more = {}) => drafts.createDrafts({ api: server, kept: fakes.fakeKept(shelves), owner: 'me', clock,
        tab: { onLeaving: (fn) => leaving.push(fn) }, ...more });
    const made = make();
    const writes = () => server.calls.filter((call) => call.method !== 'GET').map((call) => [call.method,
        call.body?.text ?? null]);
"""


def play(page: Page, body: str, **given: Any) -> Any:
    return run(page, "api drafts", SETUP + body, given)


def test_it_is_in_the_browser_after_300_ms_and_at_the_server_after_3_s(core: Page) -> None:
    found = play(
        core,
        """const draft = made.open('c', 'reply');
           await draft.ready;
           for (const text of ['B', 'Bo', 'Bon']) { draft.set(text); await clock.pass(100); }
           const soon = [...shelves.drafts.values()].map((row) => row.text);
           await clock.pass(2900);
           return [soon, writes()];""",
    )
    assert found == [["Bon"], [["PUT", "Bon"]]]


def test_who_signs_out_is_told_how_many_texts_the_server_does_not_have(core: Page) -> None:
    """What was written a moment ago, and what an earlier page has left, is handed over first."""
    found = play(
        core,
        """shelves.drafts.set('me c note', { id: 'me c note', owner: 'me', conversationId: 'c', mode: 'note',
               text: 'left', replyTo: null, version: 0 });
           made.open('c', 'reply').set('just written');
           const lost = await made.unsaved();
           made.open('another', 'reply').set('where nothing can be stored');
           const stuck = await made.unsaved();
           shelves.drafts.set('me c form list', { id: 'me c form list', owner: 'me', conversationId: 'c', mode: 'form',
               content: { type: 'list' } });  // the server keeps none
           return [lost, stuck, await made.unsaved(), writes()];""",
    )
    assert found == [0, 1, 2, [["PUT", "just written"], ["PUT", "left"]]]


def test_who_signs_out_in_one_tab_loses_nothing_of_another(core: Page) -> None:
    """What the other tab was given a moment ago is in no other place yet; what it cannot hand over is told."""
    found = play(
        core,
        """const [mine, theirs] = fakes.fakeBuses(2);
           const here = make({ leader: mine }), there = make({ leader: theirs });
           there.open('c', 'reply').set('the last seconds');
           const none = here.unsaved();
           await clock.pass(200);
           const saved = [await none, writes()];
           there.open('elsewhere', 'reply').set('where nothing can be stored');
           const one = here.unsaved();
           await clock.pass(200);
           return [...saved, await one];""",
    )
    assert found == [0, [["PUT", "the last seconds"]], 1]


def test_a_tab_that_is_frozen_does_not_keep_anybody_from_signing_out(core: Page) -> None:
    found = play(
        core,
        """const [mine, theirs] = fakes.fakeBuses(2);
           theirs.on('hand over drafts', (question) => theirs.post('drafts here', question));
           let left = null;
           make({ leader: mine }).unsaved().then((count) => (left = count));
           await clock.pass(4900);
           const early = left;
           await clock.pass(100);
           return [early, left];""",
    )
    assert found == [None, 0]


def test_a_reply_and_a_note_are_two_drafts(core: Page) -> None:
    found = play(
        core,
        """made.open('c', 'reply').set('to the customer');
           made.open('c', 'note').set('for us');
           await clock.pass(4000);
           return [held.get('reply').text, held.get('note').text, made.texts.value.get('c')];""",
    )
    assert found == ["to the customer", "for us", "to the customer"]


def test_a_reload_finds_the_text_and_what_it_quotes(core: Page) -> None:
    found = play(
        core,
        """const draft = made.open('c', 'reply');
           draft.set('half a sent');
           draft.setReplyTo('m1');
           await clock.pass(300);
           const next = make().open('c', 'reply');
           await next.ready;
           return [next.text.value, next.replyTo.value];""",
    )
    assert found == ["half a sent", "m1"]


def test_a_draft_of_another_device_fills_an_untouched_field(core: Page) -> None:
    found = play(
        core,
        """const draft = made.open('c', 'reply');
           await draft.ready;
           return [draft.text.value, draft.other.value];""",
        held={"reply": {"text": "from the phone", "reply_to": None, "version": 3}},
    )
    assert found == ["from the phone", None]


def test_a_draft_of_another_device_is_offered_and_never_put_over_what_is_written(core: Page) -> None:
    found = play(
        core,
        """const draft = made.open('c', 'reply');
           draft.set('mine');
           await draft.ready;
           await clock.pass(30_000);
           const offered = [draft.text.value, draft.other.value?.text, held.get('reply').text];
           await draft.useOther();
           return [offered, draft.text.value, draft.other.value];""",
        held={"reply": {"text": "theirs", "reply_to": None, "version": 3}},
    )
    assert found == [["mine", "theirs", "theirs"], "theirs", None]


def test_what_is_taken_is_the_other_draft_as_it_is_by_now(core: Page) -> None:
    found = play(
        core,
        """const draft = made.open('c', 'reply');
           draft.set('mine');
           await draft.ready;
           held.set('reply', { text: 'theirs, which went on', reply_to: null, version: 4 });
           await draft.useOther();
           return [draft.text.value, draft.other.value];""",
        held={"reply": {"text": "theirs", "reply_to": None, "version": 3}},
    )
    assert found == ["theirs, which went on", None]


@pytest.mark.parametrize("way", ["watched", "taken"])
def test_a_draft_that_was_sent_meanwhile_is_offered_no_longer(core: Page, way: str) -> None:
    found = play(
        core,
        """const draft = made.open('c', 'reply');
           draft.set('mine');
           await draft.ready;
           const stop = draft.watch(), offered = draft.other.value?.text;
           held.delete('reply'); // the other tab has sent it
           if (given.way === 'taken') await draft.useOther();
           else await clock.pass(5000);
           stop();
           const left = [draft.text.value, draft.other.value];
           await clock.pass(4000);
           const looks = server.calls.filter(({ method }) => method === 'GET').length;
           return [offered, left, held.get('reply').text, looks];""",
        held={"reply": {"text": "theirs", "reply_to": None, "version": 3}},
        way=way,
    )
    assert found == ["theirs", ["mine", None], "mine", 2]


def test_keeping_mine_writes_it_over_the_other(core: Page) -> None:
    found = play(
        core,
        """const draft = made.open('c', 'reply');
           draft.set('mine');
           await clock.pass(4000);
           draft.keepMine();
           await clock.pass(0);
           return [held.get('reply').text, draft.other.value];""",
        held={"reply": {"text": "theirs", "reply_to": None, "version": 3}},
    )
    assert found == ["mine", None]


def test_a_draft_that_was_written_meanwhile_is_met_when_mine_is_saved(core: Page) -> None:
    found = play(
        core,
        """const draft = made.open('c', 'reply');
           await draft.ready;
           held.set('reply', { text: 'theirs', reply_to: null, version: 1 });
           draft.set('mine');
           await clock.pass(4000);
           return [draft.text.value, draft.other.value?.text, held.get('reply').text];""",
    )
    assert found == ["mine", "theirs", "theirs"]


def test_the_server_keeps_the_text_until_it_has_the_message(core: Page) -> None:
    found = play(
        core,
        """let arrived;
           const own = make({ outgoing: { settled: () => new Promise((done) => (arrived = done)) } });
           const draft = own.open('c', 'reply');
           draft.set('Bonjour');
           await clock.pass(4000);
           draft.clear('key');
           await clock.pass(60_000);
           const before = [draft.text.value, held.get('reply')?.text];
           arrived();
           await clock.pass(0);
           return [before, held.has('reply'), shelves.drafts.size];""",
    )
    assert found == [["", "Bonjour"], False, 0]


def test_the_next_text_goes_over_the_one_that_is_on_its_way(core: Page) -> None:
    found = play(
        core,
        """const own = make({ outgoing: { settled: () => new Promise(() => {}) } });
           const draft = own.open('c', 'reply');
           draft.set('first');
           await clock.pass(4000);
           draft.clear('key');
           draft.set('second');
           await clock.pass(4000);
           return [held.get('reply').text, shelves.drafts.size];""",
    )
    assert found == ["second", 1]


def test_an_emptied_field_takes_the_draft_away_everywhere(core: Page) -> None:
    found = play(
        core,
        """const draft = made.open('c', 'reply');
           draft.set('Bonjour');
           await clock.pass(4000);
           draft.set('');
           await clock.pass(4000);
           return [held.has('reply'), shelves.drafts.size, made.count.value];""",
    )
    assert found == [False, 0, 0]


def test_leaving_writes_everything_down_at_once(core: Page) -> None:
    found = play(
        core,
        """made.open('c', 'reply').set('half');
           leaving.forEach((fn) => fn());
           await fakes.settle();
           return [[...shelves.drafts.values()].map((row) => row.text), held.get('reply').text];""",
    )
    assert found == [["half"], "half"]


@pytest.mark.parametrize(
    "trouble", ["new Unreachable('cut')", "new Refused(503, { code: 'database_unavailable' }, null)"]
)
def test_a_draft_that_could_not_be_saved_is_saved_later(core: Page, trouble: str) -> None:
    found = play(
        core,
        f"""let away = true;
            const before = server.answers['PUT /conversations/c/drafts/reply'];
            server.answers['PUT /conversations/c/drafts/reply'] = (body) => {{ if (away) throw {trouble};
                return before(body); }};
            made.open('c', 'reply').set('Bonjour');
            await clock.pass(10_000);
            away = false;
            await clock.pass(20_000);
            return held.get('reply').text;""",
    )
    assert found == "Bonjour"


def test_typing_during_a_save_is_saved_after_it_and_not_beside_it(core: Page) -> None:
    found = play(
        core,
        """let open = 0, most = 0;
           const before = server.answers['PUT /conversations/c/drafts/reply'];
           server.answers['PUT /conversations/c/drafts/reply'] = async (body) => {
               most = Math.max(most, ++open);
               await new Promise((done) => clock.after(done, 5000));
               open -= 1;
               return before(body);
           };
           const draft = made.open('c', 'reply');
           draft.set('one');
           await clock.pass(4000);
           draft.set('two');
           await clock.pass(30_000);
           return [most, held.get('reply').text, draft.other.value];""",
    )
    assert found == [1, "two", None]


def test_the_list_knows_the_drafts_of_an_earlier_page(core: Page) -> None:
    found = play(
        core,
        """made.open('c', 'reply').set('half');
           await clock.pass(300);
           const next = make();
           await next.begin();
           return [...next.texts.value];""",
    )
    assert found == [["c", "half"]]
