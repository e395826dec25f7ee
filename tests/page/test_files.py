"""The files of messages: two at a time, as late as somebody sees them, again when WhatsApp says so."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page

from tests.page.modules import run

#: A loader over scripted answers. `answer(status, headers)` answers the oldest request; `waits` are its pauses.
BEGIN = """
    const asked = [], waits = [];
    const fetch = (url) => new Promise((done, fail) => asked.push({ url, done, fail }));
    const later = (run, ms) => waits.push({ run, ms });
    let out = 0;
    const files = new loading.Files({ fetch, later, onSignedOut: () => (out += 1) });
    const settle = () => new Promise((done) => setTimeout(done, 0));
    const answer = async (status, headers = {}, body = 'x') => {
      asked.shift().done(new Response(status === 204 ? null : body, { status, headers }));
      await settle(); await settle();
    };
    const states = (...ids) => ids.map((id) => files.of(id).value.state);
"""


def files(page: Page, body: str) -> Any:
    return run(page, "more/loading", BEGIN + body)


def test_two_are_loaded_at_a_time_in_the_order_they_were_seen(core: Page) -> None:
    body = """['a', 'b', 'c'].forEach((id) => files.want(id)); const first = states('a', 'b', 'c');
              await answer(200); return [first, states('a', 'b', 'c')];"""
    assert files(core, body) == [["loading", "loading", "line"], ["ready", "loading", "loading"]]


def test_who_scrolls_past_does_not_load(core: Page) -> None:
    body = """['a', 'b', 'c'].forEach((id) => files.want(id)); files.unwant('c'); files.unwant('a');
              await answer(200); await answer(200); return [states('a', 'b', 'c'), asked.length];"""
    assert files(core, body) == [["ready", "ready", "idle"], 0]


def test_a_busy_whatsapp_is_asked_again_when_it_says(core: Page) -> None:
    body = """files.want('a'); await answer(503, { 'Retry-After': '7' });
              const told = [states('a')[0], waits[0].ms, files.of('a').value.again];
              waits[0].run(); await answer(200); return [...told, states('a')[0]];"""
    assert files(core, body) == ["later", 7000, 7, "ready"]


def test_an_answer_that_breaks_off_is_asked_for_again(core: Page) -> None:
    body = """files.want('a'); asked.shift().fail(new TypeError('cut')); await settle(); await settle();
              return [states('a')[0], waits.length];"""
    assert files(core, body) == ["later", 1]


def test_after_six_tries_a_person_is_asked_and_can_try_again(core: Page) -> None:
    body = """files.want('a');
              for (let turn = 0; turn < 6; turn += 1) { await answer(503); waits.shift()?.run(); }
              const ended = states('a')[0]; files.want('a'); return [ended, states('a')[0], asked.length];"""
    assert files(core, body) == ["failed", "loading", 1]


def test_what_whatsapp_no_longer_has_is_not_asked_for_again(core: Page) -> None:
    body = """files.want('a');
              await answer(404, { 'Content-Type': 'application/problem+json' }, '{"code": "media_not_found"}');
              files.want('b');
              await answer(404, { 'Content-Type': 'application/problem+json' }, '{"code": "media_too_large"}');
              files.want('a'); return [states('a', 'b'), asked.length, waits.length];"""
    assert files(core, body) == [["gone", "large"], 0, 0]


def test_how_much_has_come_is_shown_in_percent(core: Page) -> None:
    body = """files.want('a'); let push;
              const stream = new ReadableStream({ start: (control) => (push = control) });
              asked.shift().done(new Response(stream, { headers: { 'Content-Length': '4' } }));
              await settle(); push.enqueue(new Uint8Array(1)); await settle(); await settle();
              const quarter = files.of('a').value.percent;
              push.enqueue(new Uint8Array(3)); push.close(); await settle(); await settle();
              return [quarter, states('a')[0], files.of('a').value.size];"""
    assert files(core, body) == [25, "ready", 4]


def test_the_oldest_files_make_room_and_can_be_loaded_anew(core: Page) -> None:
    body = """for (let n = 0; n < 82; n += 1) { files.want(`f${n}`); await answer(200); }
              return states('f0', 'f1', 'f2', 'f81');"""
    assert files(core, body) == ["idle", "idle", "ready", "ready"]


def test_a_session_that_ended_is_told(core: Page) -> None:
    body = """files.want('a'); await answer(401, {}, '{}'); return [out, states('a')[0]];"""
    assert files(core, body) == [1, "failed"]
