"""The small modules of the core: calls, time, words, keys, presence, reading, notifications."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page

from tests.page.modules import run

# --- calls of the API --------------------------------------------------------------------------------------------

#: `ask` answers as `answers` says, one after another; `heard` is what it was asked.
CALLS = """
    const heard = [], events = [];
    const ask = async (path, init) => {
        heard.push([init.method, path, init.headers['X-CSRF-Token'] ?? null]);
        const said = given.answers[Math.min(heard.length, given.answers.length) - 1];
        if (said === 'hang') return new Promise((_, fail) => init.signal.addEventListener('abort', () =>
            fail(new Error('cut'))));
        if (said === 'cut') throw new TypeError('cut');
        const [status, body, headers] = said;
        return new Response(body === null ? null : JSON.stringify(body), { status, headers: {
            'Content-Type': 'application/json', ...headers } });
    };
    const made = api.createApi({ csrf: 'old', userId: 'me', fetch: ask, onSignedOut: () => events.push('over'),
        onDenied: () => events.push('denied'), onSomebodyElse: () => events.push('else') });
    const told = async (call) => call.then((answer) => ({ body: answer.body, link: answer.link }), (error) => ({
        name: error.name, code: error.code, passing: error.passing, retryAfter: error.retryAfter }));
"""


def call(page: Page, body: str, *answers: Any) -> Any:
    return run(page, "api", CALLS + body, {"answers": list(answers)})


def test_an_answer_comes_with_its_links(core: Page) -> None:
    header = {"Link": '</messages/c?cursor=x>; rel="next", </messages/c?after=y>; rel="prev"'}
    found = call(core, "return told(made.get('/messages/c', { limit: 5, before: null }))", [200, [1], header])
    assert found == {"body": [1], "link": {"next": "/messages/c?cursor=x", "prev": "/messages/c?after=y"}}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ([404, {"code": "x"}, {}], {"name": "Refused", "code": "x", "passing": False, "retryAfter": None}),
        (
            [503, {"code": "y"}, {"Retry-After": "3"}],
            {"name": "Refused", "code": "y", "passing": True, "retryAfter": 3000},
        ),
        ([502, None, {}], {"name": "Refused", "code": "http_502", "passing": True, "retryAfter": None}),
        ("cut", {"name": "Unreachable", "code": None, "passing": None, "retryAfter": None}),
    ],
)
def test_every_call_ends_with_an_answer_a_refusal_or_without_one(
    core: Page, answer: Any, expected: dict[str, Any]
) -> None:
    found = call(core, "const found = await told(made.get('/x')); return JSON.parse(JSON.stringify(found))", answer)
    assert found == {name: value for name, value in expected.items() if value is not None or name in found}


WRONG = [
    {"pointer": "/name", "code": "string_too_short", "problem": "…", "values": {"min_length": 1}},
    {"pointer": "/text", "code": "string_too_long", "problem": "…", "values": {"max_length": 4096}},
    {"pointer": "/at", "code": "of_a_later_release", "problem": "must be early", "values": {}},
]


def test_what_is_wrong_with_a_field_is_said_in_the_readers_language(core: Page) -> None:
    """Its words come with the first refusal; of a code that the page does not know, the API's own sentence is shown."""
    body = """
        words.loadWords('fr', {});
        return made.post('/x').catch((error) => error.errors.map(({ pointer, problem }) => [pointer, problem]))"""
    answers = {"answers": [[400, {"code": "validation_error", "errors": WRONG}, {}]]}
    expected = ["Remplissez ce champ.", "4\u202f096 caractères au plus.", "must be early"]
    told = run(core, "api words", CALLS + body, answers)
    run(core, "words", "words.loadWords('en', {})")
    assert told == [[wrong["pointer"], said] for wrong, said in zip(WRONG, expected, strict=True)]


def test_a_call_without_an_answer_ends_at_its_limit(core: Page) -> None:
    assert call(core, "return (await told(made.get('/x', {}, { limit: 30 }))).name", "hang") == "Unreachable"


def test_a_session_that_began_in_another_tab_is_taken_over_with_its_token(core: Page) -> None:
    found = call(
        core,
        "const found = await told(made.post('/x', { a: 1 })); return [found.body, heard, events]",
        [403, {"code": "csrf_failed"}, {}],
        [200, {"id": "me", "csrf_token": "new"}, {}],
        [202, {"done": True}, {}],
    )
    assert found == [{"done": True}, [["POST", "/x", "old"], ["GET", "/auth/me", None], ["POST", "/x", "new"]], []]


def test_another_persons_session_sends_nothing_of_mine(core: Page) -> None:
    found = call(
        core,
        "const found = await told(made.post('/x')); return [found.code, heard.length, events]",
        [403, {"code": "csrf_failed"}, {}],
        [200, {"id": "somebody else", "csrf_token": "new"}, {}],
    )
    assert found == ["csrf_failed", 2, ["else"]]


def test_the_end_of_the_session_is_told(core: Page) -> None:
    assert call(core, "await told(made.get('/x')); return events", [401, {"code": "invalid_token"}, {}]) == ["over"]


def test_what_i_may_not_do_any_more_is_told(core: Page) -> None:
    found = call(core, "await told(made.post('/x')); return events", [403, {"code": "permission_denied"}, {}])
    assert found == ["denied"]


@pytest.mark.parametrize(
    ("action", "chosen", "open_", "target"),
    [
        ("done", 2, True, "chosen"),
        ("label", 1, False, "chosen"),
        ("done", 0, True, "open"),
        ("done", 0, False, "none"),
        ("unread", 2, True, "not_many"),
        ("bot", 2, False, "not_many"),
        ("reply", 2, True, "open"),
        ("reply", 2, False, "none"),
        ("palette", 2, True, "page"),
        ("back", 0, False, "page"),
    ],
)
def test_keys_act_on_what_is_chosen_else_on_what_is_open(
    core: Page, action: str, chosen: int, open_: bool, target: str
) -> None:
    body = "return keys.targetOf(given.action, given.seen)"
    assert run(core, "keys", body, {"action": action, "seen": {"chosen": chosen, "open": open_}}) == target


@pytest.mark.parametrize(
    ("status", "passes"), [(422, False), (413, False), (503, True), (401, True), (409, True), (None, True)]
)
def test_a_file_that_is_refused_for_what_it_is_is_not_tried_again(core: Page, status: int | None, passes: bool) -> None:
    body = (
        """return attachments.mayPass(given === null ? new api.Unreachable(null) : new api.Refused(given, {}, null))"""
    )
    assert run(core, "api attachments", body, status) is passes


def test_a_line_of_the_audit_log_names_people_and_numbers(core: Page) -> None:
    number = "01a22949-32cc-7716-8000-000000000001"
    body = """words.loadWords('en', { ...(await import('/words/en.js')).default,
            ...(await import('/words/settings-en.js')).default });
        const times = time.createTimes({ lang: 'en-GB', zone: 'UTC', now: () => Date.parse(given.now) });
        return audit.lineOf(given, new Map([[given.number, 'Atelier']]), times.moment);"""
    row = {"target_name": "Anna", "details": {"roles": [f"viewer of {number}", "manager"]}, "number": number}
    assert run(core, "words time settings/audit", body, row) == "Anna · roles: Viewer · Atelier, Manager"
    row["details"] = {"expires_at": "2027-01-03T09:07:05.123Z", "contact_id": number[:-1] + "9", "before": []}
    assert run(core, "words time settings/audit", body, {**row, "now": NOW}) == "Anna · until: 3 Jan 2027 09:07"
    row["details"] = {"shortcut": "hours", "fields": ["name"], "after": {"name": "text"}}
    assert run(core, "words time settings/audit", body, row) == "Anna · shortcut: hours · changed: Name · after: text"


# --- places and doubts -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("account", ["b", None])
def test_the_address_keeps_whose_list_it_is_where_there_are_several(core: Page, account: str | None) -> None:
    """And a number is no filter: the order that the reader prefers holds."""
    found = run(
        core,
        "inbox/places",
        """const before = location.href;
           history.replaceState(null, '', '/inbox');
           const address = () => location.pathname + location.search;
           const made = places.createPlaces({ userId: 'me', order: 'waiting', account: given });
           const told = [made.view.value.order, made.home, address()];
           const again = places.createPlaces({ userId: 'me', order: 'waiting', account: given });
           again.open('01a22949-32cc-7716-8000-000000000001');
           told.push(address());
           again.open(null);
           told.push(address());
           history.replaceState(null, '', before);
           return told;""",
        account,
    )
    home = "/inbox?account_id=b" if account else "/inbox"
    ordered = "/inbox?order=waiting"
    listed = f"{ordered}&account_id=b" if account else "/inbox"
    conversation = "/inbox/01a22949-32cc-7716-8000-000000000001?order=waiting"
    assert found == ["waiting", home, listed, conversation, f"{ordered}&account_id=b" if account else ordered]


@pytest.mark.parametrize(
    ("asked", "after", "decides"),
    [("unconfirmed", 5, True), (None, 5, False), (None, 121, True), ("no_answer", 121, True)],
)
def test_a_doubt_stays_for_a_person_to_decide_also_when_they_have_replied(
    core: Page, asked: str | None, after: int, decides: bool
) -> None:
    body = """const message = { changed_at: '2026-11-28T10:00:00Z' };
        const now = Date.parse(message.changed_at) + given.after * 1000;
        return failure.isToDecide(message, given.asked, { now, window: 120 });"""
    assert run(core, "inbox/failure", body, {"asked": asked, "after": after}) is decides


# --- time --------------------------------------------------------------------------------------------------------


def test_the_servers_now_does_not_move_with_the_devices_clock(core: Page) -> None:
    found = run(
        core,
        "time",
        """let steady = 0, wall = 1_000_000;
           const made = time.createServerTime({ steady: () => steady, wall: () => wall });
           made.begin('2026-11-28T10:00:00Z');
           const seen = [];
           const look = () => seen.push((made.now() - Date.parse('2026-11-28T10:00:00Z')) / 1000);
           steady = 5000; wall += 5000; look();
           wall += 86_400_000; look();                                                     // set by a day
           made.measure(Date.parse('2026-11-28T10:00:09Z'), 5000, 5000); look();           // a fast answer
           made.measure(Date.parse('2026-11-28T10:00:30Z'), 3000, 5000); look();           // a slow one tells less
           return seen;""",
    )
    assert found == [5, 5, 9, 9]


def test_after_sleep_the_first_answer_counts_however_slow(core: Page) -> None:
    found = run(
        core,
        "time",
        """let steady = 0, wall = 0;
           const made = time.createServerTime({ steady: () => steady, wall: () => wall });
           made.measure(1_000_000, 0, 0);
           wall = 3_600_000; steady = 1000;
           made.measure(4_600_000, 0, 1000);
           return made.now();""",
    )
    assert found == 4_600_500


NOW = "2026-11-28T13:00:00Z"  # a Saturday, 14:00 in Paris


@pytest.mark.parametrize(
    ("method", "time", "english", "french"),
    [
        ("clock", "2026-11-28T12:56:04Z", "13:56", "13:56"),
        ("precise", "2026-11-28T12:56:04Z", "13:56:04", "13:56:04"),
        ("short", "2026-11-28T12:56:04Z", "13:56", "13:56"),
        ("short", "2026-11-27T23:30:00Z", "00:30", "00:30"),
        ("short", "2026-11-27T20:00:00Z", "yesterday", "hier"),
        ("short", "2026-11-24T20:00:00Z", "Tuesday", "mardi"),
        ("short", "2026-11-03T20:00:00Z", "3 Nov", "3 nov."),
        ("short", "2025-11-03T20:00:00Z", "3 Nov 2025", "3 nov. 2025"),
        ("moment", "2026-11-28T08:07:04Z", "09:07", "09:07"),
        ("moment", "2026-11-27T20:00:00Z", "yesterday 21:00", "hier 21:00"),
        ("moment", "2027-01-03T20:00:00Z", "3 Jan 2027 21:00", "3 janv. 2027 21:00"),
        ("day", "2026-11-28T12:00:00Z", "Today", "Aujourd’hui"),
        ("day", "2026-11-27T12:00:00Z", "Yesterday", "Hier"),
        ("day", "2026-11-24T12:00:00Z", "Tuesday 24 November", "Mardi 24 novembre"),
        ("ago", "2026-11-28T12:48:00Z", "12 minutes ago", "il y a 12 minutes"),
        ("ago", "2026-11-28T11:48:00Z", None, None),
        ("ago", "2026-11-28T13:30:00Z", "now", "maintenant"),
    ],
)
def test_times_are_written_as_the_reader_does(
    core: Page, method: str, time: str, english: str | None, french: str | None
) -> None:
    found = run(
        core,
        "time",
        """const now = () => Date.parse(given.now);
           return ['en-GB', 'fr'].map((lang) => time.createTimes({ lang, zone: 'Europe/Paris',
               now })[given.method](given.time));""",
        {"now": NOW, "method": method, "time": time},
    )
    assert [each and each.replace("’", "'") for each in found] == [
        each and each.replace("’", "'") for each in (english, french)
    ]


def test_hours_from_one_to_twelve_have_no_zero_before_them(core: Page) -> None:
    body = """return ['en-US', 'en-GB'].map((lang) => {
        const made = time.createTimes({ lang, zone: 'UTC', now: () => 0 });
        return [made.clock(given), made.precise(given)].map((each) => each.replace(/\\s/g, ' '));
    });"""
    assert run(core, "time", body, "2026-11-28T21:17:04Z") == [["9:17 PM", "9:17:04 PM"], ["21:17", "21:17:04"]]


def test_a_date_of_the_calendar_is_the_same_in_every_zone(core: Page) -> None:
    body = "return time.createTimes({ lang: 'en-GB', zone: 'America/Los_Angeles', now: () => 0 }).date(given)"
    assert run(core, "core/time", body, "2026-11-24") == "24 Nov 2026"


@pytest.mark.parametrize(
    ("ms", "written"),
    [
        (0, "0 sec"),
        (72_000, "1 min 12 sec"),
        (3_600_000, "1 hr"),
        (93_600_000, "26 hr"),
        (266_400_000, "3 days 2 hr"),
    ],
)
def test_a_stretch_of_time_has_its_two_largest_units(core: Page, ms: int, written: str) -> None:
    body = "return time.createTimes({ lang: 'en', zone: 'UTC', now: () => 0 }).stretch(given)"
    assert run(core, "time", body, ms) == written


def test_a_reader_who_travels_sees_the_times_of_where_they_are(core: Page) -> None:
    found = run(
        core,
        "time",
        """const zones = ['Europe/Paris', 'America/New_York'], real = Intl.DateTimeFormat;
           let at = 0, place = 0;
           Intl.DateTimeFormat = function (...given) {
               return given.length ? new real(...given) : { resolvedOptions: () => ({ timeZone: zones[place] }) };
           };
           const made = time.createTimes({ lang: 'en-GB', now: () => 0, steady: () => at });
           const seen = [made.clock(given), made.dayOf(given)];
           place = 1;
           at = 61_000;
           return [...seen, made.clock(given), made.dayOf(given)];""",
        "2026-11-28T00:30:00Z",
    )
    assert found == ["01:30", "2026-11-28", "19:30", "2026-11-27"]


# --- words -------------------------------------------------------------------------------------------------------


def test_words_have_slots_and_numbers_and_unknown_codes_the_servers_title(core: Page) -> None:
    found = run(
        core,
        "words",
        """const { loadWords, t, plural, problemText, metaText } = words;
           loadWords('fr', { hi: 'Bonjour {name}', 'new.one': '{n} nouveau', 'new.other': '{n} nouveaux',
               'problem.gone': 'Parti : {who}', 'meta.131047': 'Fenêtre fermée' });
           return [t('hi', { name: '{name}' }), plural('new', 0), plural('new', 2), problemText({ code: 'gone',
               problem: { who: 'elle' } }),
               problemText({ code: 'else', title: 'Something else.' }), metaText({ code: '131047' }), metaText({
                   code: '1', title: 'No.' })];""",
    )
    assert found == [
        "Bonjour {name}",
        "0 nouveau",
        "2 nouveaux",
        "Parti : elle",
        "Something else.",
        "Fenêtre fermée",
        "No.",
    ]


def test_words_that_come_later_leave_those_that_were_there(core: Page) -> None:
    found = run(
        core,
        "words",
        """words.loadWords('en', { mine: 'Mine', both: 'old' });
           words.loadWords('en', { yours: 'Yours', both: 'new' });
           return ['mine', 'yours', 'both'].map((key) => words.t(key));""",
    )
    assert found == ["Mine", "Yours", "new"]


# --- keys --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "state", "action"),
    [
        ({"key": "j"}, {}, "next"),
        ({"key": "J"}, {}, "next"),  # Caps Lock
        ({"key": "U", "shiftKey": True}, {}, "unread"),
        ({"key": "u"}, {}, "to_list"),
        ({"key": "?", "shiftKey": True}, {}, "help"),
        ({"key": "/", "shiftKey": True}, {}, "search"),  # German keyboards
        ({"key": "j"}, {"inField": True}, None),
        ({"key": "j"}, {"singleKeys": False}, None),
        ({"key": "Escape"}, {"inField": True, "singleKeys": False}, "back"),
        ({"key": "k", "ctrlKey": True}, {"inField": True}, "palette"),
        ({"key": "k", "metaKey": True}, {}, None),
        ({"key": "k", "metaKey": True}, {"mac": True, "inField": True}, "palette"),
        ({"key": "Enter", "ctrlKey": True}, {"inField": True, "where": "composer"}, "send"),
        ({"key": "ArrowDown"}, {"where": "list"}, "next"),
        ({"key": "ArrowDown"}, {"where": "thread"}, None),
        ({"key": "ą", "altKey": True}, {}, None),
        ({"key": "a", "altKey": True}, {}, None),
        ({"key": "j", "isComposing": True}, {}, None),
        ({"key": "Process", "keyCode": 229}, {}, None),
    ],
)
def test_keys_do_what_the_map_says(core: Page, key: dict[str, Any], state: dict[str, Any], action: str | None) -> None:
    event = {"ctrlKey": False, "metaKey": False, "shiftKey": False, "altKey": False, **key}
    found = run(core, "keys", "return keys.actionOf(given[0], given[1])", [event, {"inField": False, **state}])
    assert found == action


@pytest.mark.parametrize(
    ("key", "state", "sent"),
    [
        ({}, {}, True),
        ({"shiftKey": True}, {}, False),
        ({"isComposing": True}, {}, False),
        ({"keyCode": 229}, {}, False),
        ({"repeat": True}, {}, False),
        ({}, {"touch": True}, False),
        ({}, {"enterSends": False}, False),
        ({"ctrlKey": True}, {"enterSends": False}, True),
        ({"key": "a"}, {}, False),
    ],
)
def test_enter_sends_but_not_from_an_input_method_held_down_or_on_touch(
    core: Page, key: dict[str, Any], state: dict[str, Any], sent: bool
) -> None:
    event = {"key": "Enter", "ctrlKey": False, "metaKey": False, "shiftKey": False, "altKey": False, **key}
    body = "return keys.sends(given[0], given[1])"
    assert run(core, "keys", body, [event, {"enterSends": True, "touch": False, **state}]) is sent


TYPED = """
    let now = 0;
    const made = typeahead.createTypeahead(() => now);
    const names = ['Me', 'Amélie', 'Anaïs', 'Noé Martin'];
    return given.map(([ms, letter, at]) => { now += ms; return made.to(letter, names, at); });
"""


@pytest.mark.parametrize(
    ("typed", "places"),
    [
        ([[0, "a", 0], [100, "m", 1]], [1, 1]),
        ([[0, "A", 0], [100, "n", 1], [100, "a", 2]], [1, 2, 2]),
        ([[0, "a", 0], [100, "a", 1], [100, "a", 2]], [1, 2, 1]),
        ([[0, "a", 0], [900, "m", 1]], [1, 0]),
        ([[0, "n", 0], [100, "o", 3], [100, "e", 3], [100, " ", 3], [100, "m", 3]], [3, 3, 3, 3, 3]),
        ([[0, "x", 0]], [-1]),
    ],
)
def test_letters_in_a_menu_are_a_name(core: Page, typed: list[Any], places: list[int]) -> None:
    assert run(core, "typeahead", TYPED, typed) == places


# --- presence and reading ----------------------------------------------------------------------------------------

NEARBY = """
    const clock = fakes.fakeClock(), bus = fakes.fakeBus(), leaving = [];
    const tab = { visible: fakes.signal(true), focused: fakes.signal(given?.focused ?? true), onLeaving: (fn) =>
        leaving.push(fn) };
    const server = fakes.fakeApi({ 'POST /presence': () => null,
        'POST /conversations/.*/(un)?read': (body) => ({ unread_count: 0, my_unread: body.count ?? 0 }) });
    const told = ({ path, body }) => path === '/presence' ? `${body.conversation_id} ${body.doing}`
        : [...path.split('/').slice(2), body?.through].filter(Boolean).join(' ');
    const calls = () => server.calls.map(told);
"""


def test_presence_is_told_on_change_every_20_s_and_on_leaving(core: Page) -> None:
    found = run(
        core,
        "presence",
        NEARBY
        + """const made = presence.createPresence({ api: server, clock, tab });
             made.at('c');
             await clock.pass(21_000);
             made.writing(); made.writing();
             await clock.pass(7000);
             made.writing();
             await clock.pass(9000);
             made.at('d');
             leaving.forEach((fn) => fn());
             return calls();""",
    )
    assert found == ["c viewing", "c viewing", "c writing", "c writing", "c viewing", "c gone", "d viewing", "d gone"]


READS = (
    NEARBY
    + """
    const shop = store.createStore(fakes.bootOf([{ id: 'c', account_id: 'a', changed_at: '2026-11-28T10:00:00Z',
        updated_at: '2026-11-28T10:00:00Z', my_unread: 2 }]));
    const made = read.createReading({ api: server, store: shop, clock, tab, leader: bus });
    const unread = () => shop.conversations.value.get('c').my_unread;
"""
)


def test_a_message_on_screen_for_a_second_is_read(core: Page) -> None:
    found = run(
        core,
        "store read",
        READS
        + """made.sees({ conversationId: 'c', through: 'm1' });
             await clock.pass(900);
             const soon = [calls(), unread()];
             await clock.pass(200);
             return [soon, calls(), unread(), bus.heard.length];""",
    )
    assert found == [[[], 2], ["c read m1"], 0, 1]


def test_nothing_is_read_in_a_window_that_nobody_looks_at(core: Page) -> None:
    found = run(
        core,
        "store read",
        READS
        + """made.sees({ conversationId: 'c', through: 'm1' });
             await clock.pass(60_000);
             const before = calls();
             tab.focused.value = true;
             await clock.pass(1000);
             return [before, calls()];""",
        {"focused": False},
    )
    assert found == [[], ["c read m1"]]


def test_what_was_left_within_a_second_is_not_read(core: Page) -> None:
    found = run(
        core,
        "store read",
        READS
        + """made.sees({ conversationId: 'c', through: 'm1' });
             await clock.pass(500);
             made.sees(null);
             await clock.pass(5000);
             return calls();""",
    )
    assert found == []


def test_marked_unread_it_stays_so_until_it_is_left(core: Page) -> None:
    found = run(
        core,
        "store read",
        READS
        + """made.sees({ conversationId: 'c', through: 'm1' });
             await clock.pass(1000);
             await made.unread('c');
             made.sees({ conversationId: 'c', through: 'm2' });
             await clock.pass(60_000);
             return [calls(), unread()];""",
    )
    assert found == [["c read m1", "c unread"], 1]


# --- notifications -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "choice", "told"),
    [
        ({"last_inbound_at": "2026-11-28T10:05:00Z", "my_unread": 1, "assigned_to": "me"}, "mine", "message"),
        ({"last_inbound_at": "2026-11-28T10:05:00Z", "my_unread": 1, "assigned_to": "other"}, "mine", None),
        ({"last_inbound_at": "2026-11-28T10:05:00Z", "my_unread": 1}, "all", "message"),
        ({"last_inbound_at": "2026-11-28T10:05:00Z", "my_unread": 0}, "all", None),
        ({"last_inbound_at": "2026-11-28T10:05:00Z", "my_unread": 1}, "nothing", None),
        ({"my_unread": 0, "assigned_to": "other"}, "all", None),
        ({"needs_human": True}, "nothing", None),
        ({"needs_human": True}, "needs_human", "person"),
        ({"needs_human": True, "assigned_to": "other"}, "mine", None),
    ],
)
def test_only_what_somebody_wants_to_know_is_told(
    core: Page, change: dict[str, Any], choice: str, told: str | None
) -> None:
    before = {"last_inbound_at": "2026-11-28T10:00:00Z", "my_unread": 0, "needs_human": False, "assigned_to": None}
    body = "return notify.worthTelling(given[0], given[1], given[2])"
    assert run(core, "notify", body, [before, before | change, {"me": "me", "choice": choice}]) == told


@pytest.mark.parametrize(("leads", "looks", "shown"), [(True, False, 2), (False, False, 0), (True, True, 0)])
def test_the_leading_tab_tells_when_nobody_looks(core: Page, leads: bool, looks: bool, shown: int) -> None:
    found = run(
        core,
        "store notify",
        """const row = { id: 'c', account_id: 'a', updated_at: '2026-11-28T10:00:00Z',
            changed_at: '2026-11-28T10:00:00Z',
               last_inbound_at: '2026-11-28T10:00:00Z', my_unread: 0, needs_human: false, assigned_to: null };
           const shop = store.createStore(fakes.bootOf([row])), told = [];
           notify.createNotifier({ store: shop, leader: fakes.fakeBus(given.leads),
               tab: { visible: fakes.signal(given.looks), focused: fakes.signal(given.looks) },
               wishes: () => ({ me: 'me', choice: 'all', text: false }), words: () => ({ title: 'T', body: 'B' }),
               show: (title, options) => told.push([title, options.tag]), sound: (kind) => told.push(kind) });
           shop.applyChanges({ conversations: [{ ...row, changed_at: '2026-11-28T10:05:00Z',
               last_inbound_at: '2026-11-28T10:05:00Z', my_unread: 1 }] });
           return told.length;""",
        {"leads": leads, "looks": looks},
    )
    assert found == shown


# --- reading pages -----------------------------------------------------------------------------------------------


def test_a_page_that_fails_leaves_its_trouble_in_place_and_may_be_tried_again(core: Page) -> None:
    found = run(
        core,
        "api store lists",
        """let away = true;
           const rows = [{ id: 'm1', conversation_id: 'c', timestamp: '2026-11-28T10:00:00Z',
               changed_at: '2026-11-28T10:00:00Z', status: 'received' }];
           const server = { get: async (path) => {
               if (away) throw new api.Unreachable('cut');
               return { body: path.startsWith('/messages') ? rows : [], link: { next: null, prev: null } };
           } };
           const shop = store.createStore(fakes.bootOf());
           const made = lists.createLoading({ api: server, store: shop });
           await Promise.all([made.thread('c'), made.list()]);
           const trouble = [shop.thread('c').value.trouble, shop.list.value.trouble, shop.list.value.loading];
           away = false;
           await Promise.all([made.thread('c'), made.more()]);
           return [trouble, shop.thread('c').value.trouble, shop.list.value.trouble,
               shop.thread('c').value.messages.length];""",
    )
    assert found == [["first", True, False], None, False, 1]


def test_only_the_list_that_was_asked_for_last_is_shown(core: Page) -> None:
    found = run(
        core,
        "store lists",
        """const answers = [];
           const server = { get: (path, query) => new Promise((done) => answers.push(() => done({ body: [], link: {
               next: `/for ${query.status}`, prev: null } }))) };
           const shop = store.createStore(fakes.bootOf());
           const made = lists.createLoading({ api: server, store: shop });
           const both = [made.list({ status: 'open' }), made.list({ status: 'done' })];
           answers[1](); answers[0]();
           await Promise.all(both);
           return [shop.filter.value, shop.list.value.next];""",
    )
    assert found == [{"status": "done"}, "/for done"]


# --- numbers -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lang", "text", "number"),
    [
        ("fr", "12,5", 12.5),
        ("fr", "12.5", 12.5),
        ("fr", "1\u202f234,5", 1234.5),
        ("fr", "1.234,5", None),
        ("fr", " -4 ", -4),
        ("en", "12,5", 12.5),
        ("en", "1,234", 1234),
        ("en", "1,234.5", 1234.5),
        ("en", "1'000", 1000),
        ("fr", "douze", None),
        ("fr", "12,5 kg", None),
        ("fr", "1,2,3", None),
        ("en", "12.", None),
        ("en", "1e5", None),
        ("en", "--1", None),
    ],
)
def test_a_number_is_read_as_the_reader_writes_it(core: Page, lang: str, text: str, number: float | None) -> None:
    assert run(core, "numbers", "return numbers.numberIn(...given)", [text, lang]) == number


def test_a_number_is_written_as_it_is_read_again(core: Page) -> None:
    body = "return given.map((each) => numbers.numberIn(numbers.writtenNumber(each, 'fr'), 'fr'))"
    given = [12.5, -1234567.25, 0, 0.1, 10**15]
    assert run(core, "numbers", body, given) == given
    assert run(core, "numbers", "return numbers.writtenNumber(12345.5, 'fr')") == "12345,5"
