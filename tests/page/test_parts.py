"""What the inbox decides before it draws: lists, groups of a thread, suggestions, the reply window, what is told."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from playwright.sync_api import Page

from inbox.team.canned import VARIABLES
from tests.page.modules import run

SHARED = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
IDS = st.lists(st.sampled_from("abcdefgh"), unique=True)

# --- the list ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shown", "fresh", "count"),
    [
        ("abcd", "abcd", 0),
        ("abcd", "cabd", 1),
        ("abcd", "dcab", 2),
        ("abcd", "xabcd", 1),
        ("abcd", "abcdx", 0),
        ("abcd", "bcd", 0),
        ("", "abc", 0),
    ],
)
def test_rows_that_would_rise_are_counted(core: Page, shown: str, fresh: str, count: int) -> None:
    assert run(core, "inbox/listing", "return listing.moved(given[0], given[1])", [list(shown), list(fresh)]) == count


@given(shown=IDS, fresh=IDS)
@SHARED
def test_a_frozen_list_keeps_its_order(core: Page, shown: list[str], fresh: list[str]) -> None:
    """What is shown stays where it is as long as it exists, and nothing is shown twice."""
    body = "return listing.frozen(given[0], given[1], (id) => given[1].includes(id))"
    stays = run(core, "inbox/listing", body, [shown, fresh])
    still = [each for each in shown if each in fresh]
    assert stays[: len(still)] == still
    assert len(stays) == len(set(stays))


@given(scrolled=st.integers(0, 1_000_000), total=st.integers(0, 12_000))
@SHARED
def test_what_is_seen_of_a_list_is_drawn(core: Page, scrolled: int, total: int) -> None:
    part = run(core, "inbox/listing", "return listing.drawn(given[0], 76, given[1], 120)", [scrolled, total])
    assert part["from"] >= 0
    assert 0 <= part["count"] <= 120
    seen = [place for place in (scrolled // 76, scrolled // 76 + 20) if place < total]
    assert all(part["from"] <= place < part["from"] + part["count"] for place in seen)


@pytest.mark.parametrize("order", ["newest", "waiting"])
@pytest.mark.parametrize("label", [None, "11111111-1111-7111-8111-111111111111"])
@pytest.mark.parametrize("name", ["all", "waiting", "person", "mine", "unread", "pending", "done"])
def test_the_address_of_a_view_leads_to_that_view(core: Page, name: str, label: str | None, order: str) -> None:
    view = {"name": name, "label": label, "order": order}
    body = "return listing.viewOf(new URLSearchParams(listing.searchOf(given, 'me')))"
    assert run(core, "inbox/listing", body, view) == view


# --- a thread ----------------------------------------------------------------------------------------------------


def message(key: str, at: str, **more: Any) -> dict[str, Any]:
    theirs = {"direction": "inbound", "message_type": "text", "author": {"kind": "customer", "id": None, "name": None}}
    return {"id": key, "timestamp": f"2026-11-24T{at}:00Z", **theirs, **more}


OURS = {"direction": "outbound", "author": {"kind": "agent", "id": "amina", "name": "Amina"}}
BOT = {"direction": "outbound", "author": {"kind": "bot", "id": None, "name": None}}


def entries(page: Page, messages: list[Any], notes: list[Any] | None = None, **about: Any) -> list[dict[str, Any]]:
    body = """const dayOf = (time) => time.slice(0, 10);
              return grouping.entriesOf(given[0], given[1], { dayOf, ...given[2] })"""
    found: list[dict[str, Any]] = run(page, "inbox/grouping", body, [messages, notes or [], about])
    return found


def groups(found: list[dict[str, Any]]) -> str:
    """Each entry's key, with a bar around groups."""
    marks = ("|" * each["first"] + each["key"] + "|" * each["last"] for each in found if each["kind"] != "day")
    return " ".join(marks)


def test_one_voice_within_five_minutes_is_a_group(core: Page) -> None:
    said = [message("a", "09:00"), message("b", "09:04"), message("c", "09:10"), message("d", "09:11", **OURS)]
    assert groups(entries(core, said)) == "|a b| |c| |d|"


def test_the_bot_and_a_colleague_are_two_voices(core: Page) -> None:
    assert groups(entries(core, [message("a", "09:00", **BOT), message("b", "09:01", **OURS)])) == "|a| |b|"


def test_each_day_stands_before_its_first_message(core: Page) -> None:
    next_day = message("b", "09:00") | {"timestamp": "2026-11-25T00:01:00Z"}
    kinds = [each["kind"] for each in entries(core, [message("a", "23:59"), next_day])]
    assert kinds == ["day", "message", "day", "message"]


def test_the_divider_stands_before_what_is_new_and_ends_a_group(core: Page) -> None:
    found = entries(core, [message("a", "09:00"), message("b", "09:01")], divider={"before": "b", "count": 1})
    assert [each["key"] for each in found][1:] == ["a", "divider", "b"]
    assert groups(found) == "|a| |divider| |b|"


def test_notes_stand_by_their_time_and_wait_for_older_messages(core: Page) -> None:
    author = {"kind": "agent", "id": "amina", "name": "Amina"}
    notes = [
        {"id": key, "created_at": f"2026-11-24T{at}:00Z", "author": author, "deleted": deleted}
        for key, at, deleted in [("old", "08:00", False), ("mid", "09:02", False), ("gone", "09:03", True)]
    ]
    said = [message("a", "09:00"), message("b", "09:05")]
    assert [each["key"] for each in entries(core, said, notes)][1:] == ["a", "mid", "b"]
    assert [each["key"] for each in entries(core, said, notes, atStart=True)][1:] == ["old", "a", "mid", "b"]


@pytest.mark.parametrize(
    ("unread", "start", "first"), [(0, True, None), (1, False, "c"), (2, False, "a"), (9, True, "a"), (9, False, None)]
)
def test_what_is_new_begins_with_the_oldest_unread_of_the_customer(
    core: Page, unread: int, start: bool, first: str | None
) -> None:
    said = [message("a", "09:00"), message("b", "09:01", **OURS), message("c", "09:02")]
    assert run(core, "inbox/grouping", "return grouping.firstNew(...given)", [said, unread, start]) == first


# --- what a message says -----------------------------------------------------------------------------------------


def test_our_lines_about_an_advertisement_are_not_the_customers_words(core: Page) -> None:
    row = {
        "message_type": "text",
        "content_text": "Je veux\n[advertisement] Promo: jusqu'à dimanche",
        "payload": {"referral": {"headline": "Promo", "body": "jusqu'à dimanche"}},
    }
    assert run(core, "inbox/said", "return said.textOf(given)", row) == "Je veux"


def test_a_customer_may_write_such_a_line_themselves(core: Page) -> None:
    row = {"message_type": "text", "content_text": "a\n[advertisement] b", "payload": {}}
    assert run(core, "inbox/said", "return said.textOf(given)", row) == "a\n[advertisement] b"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda part: st.lists(part) | st.dictionaries(st.text(), part),
    )
)
@SHARED
def test_no_payload_breaks_the_reading_of_it(core: Page, value: Any) -> None:
    """Whatever WhatsApp sends in the place of a structure, a bubble is drawn."""
    kinds = ("location", "contacts", "order", "interactive", "button", "referral", "context", "audio", "unsupported")
    row = {"message_type": "text", "content_text": "x", "payload": dict.fromkeys(kinds, value)}
    body = """for (const read of [said.textOf, said.originOf, said.isForwarded, held.placeOf, held.cardsOf,
                                  held.orderOf, held.choiceOf, held.isVoice, held.unknownKindOf]) read(given)"""
    run(core, "inbox/said more/held", body, row)


@pytest.mark.parametrize(
    ("copied", "point"),
    [
        ("48.871, 2.365", ("48.871", "2.365")),
        (" -33.86;151.2 ", ("-33.86", "151.2")),
        ("https://www.openstreetmap.org/?mlat=48.871&mlon=2.365#map=17/48.9/2.4", ("48.871", "2.365")),
        ("https://www.openstreetmap.org/#map=17/48.871/2.365", ("48.871", "2.365")),
        ("https://www.google.com/maps/place/Canal/@48.8,2.3,17z/data=!3d48.871!4d2.365", ("48.871", "2.365")),
        ("https://www.google.com/maps/@48.871,2.365,17z", ("48.871", "2.365")),
        ("https://maps.apple.com/?ll=48.871,2.365", ("48.871", "2.365")),
        ("https://maps.apple.com/place?coordinate=48.871,2.365&name=Canal", ("48.871", "2.365")),
        ("https://www.google.com/maps/search/?api=1&query=48.871%2C2.365", ("48.871", "2.365")),
        ("https://www.google.com/maps/search/48.871,+2.365", ("48.871", "2.365")),
        ("https://maps.google.com/maps?q=loc:48.871,2.365", ("48.871", "2.365")),
        ("geo:48.871,2.365?z=17", ("48.871", "2.365")),
        ("48,871 2,365", ("48.871", "2.365")),
        ("48,871; 2,365", ("48.871", "2.365")),
        ("https://maps.app.goo.gl/abcDEF123", None),
        ("48.871", None),
        ("12 rue de la Paix, 75002 Paris", None),
    ],
)
def test_a_place_is_found_in_what_people_copy(core: Page, copied: str, point: tuple[str, str] | None) -> None:
    found = run(core, "writing/location", "return location.pointIn(given)", copied)
    assert found == (point and {"latitude": point[0], "longitude": point[1]})


# --- writing -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("/", {"kind": "canned", "from": 0, "word": ""}),
        ("/hours", {"kind": "canned", "from": 0, "word": "hours"}),
        ("see /hours", None),
        ("/hours open", None),
        (":sm", {"kind": "emoji", "from": 0, "word": "sm"}),
        ("Merci :sou", {"kind": "emoji", "from": 6, "word": "sou"}),
        (":s", None),
        ("12:30", None),
        ("https://x", None),
    ],
)
def test_what_is_typed_asks_for_suggestions(core: Page, text: str, asked: Any) -> None:
    assert run(core, "inbox/field", "return field.askedAt(given, given.length)", text) == asked


@pytest.mark.parametrize(
    ("text", "cursor", "word"), [("/hours", 0, "hours"), ("/hours", 3, "hours"), ("/ho you", 3, "ho")]
)
def test_a_shortcut_is_one_wherever_the_cursor_stands(core: Page, text: str, cursor: int, word: str) -> None:
    """Taking an insertion back leaves the cursor before it."""
    body = "return field.askedAt(...given)"
    assert run(core, "inbox/field", body, [text, cursor]) == {"kind": "canned", "from": 0, "word": word}


@pytest.mark.parametrize("content", ["[unsupported]", "[unsupported: poll_creation]"])
def test_what_the_page_cannot_show_has_no_machine_word_in_lists(core: Page, content: str) -> None:
    body = "words.loadWords('en', { 'kind.unknown': 'Not shown' }); return said.spoken(given)"
    assert run(core, "words inbox/said", body, content) == "Not shown"


def test_variables_of_a_canned_reply_are_those_that_the_api_takes(core: Page) -> None:
    assert run(core, "inbox/variables", "return variables.VARIABLES") == list(VARIABLES)


@pytest.mark.parametrize(
    ("name", "text", "gaps"),
    [
        ("Anna  Müller", "Hello Anna (Anna  Müller), Paul of Bakery, +33 6 10 00 00 01 {city}", []),
        (None, "Hello {contact.first_name} ({contact.name}), Paul of Bakery, +33 6 10 00 00 01 {city}", [6, 28]),
        ("{me.name}", "Hello {me.name} ({me.name}), Paul of Bakery, +33 6 10 00 00 01 {city}", [6, 17]),
    ],
)
def test_a_canned_reply_is_filled_in_and_shows_what_nobody_knows(
    core: Page, name: str | None, text: str, gaps: list[int]
) -> None:
    body = """
        const store = { me: { value: { name: 'Paul' } },
            accounts: { value: [{ id: 'a', name: 'Bakery', phone_number: '33610000001' }] } };
        const row = { account_id: 'a', is_group: false, contacts: { display_name: given } };
        const text = 'Hello {contact.first_name} ({contact.name}), {me.name} of {account.name}, {number} {city}';
        const filled = variables.fillIn(text, variables.valuesOf(row, store));
        return [filled, variables.unfilled(filled).map(({ from }) => from)];
    """
    assert run(core, "inbox/variables", body, name) == [text, gaps]


@pytest.mark.parametrize(("word", "found"), [("souri", "😊"), ("coeur", "❤"), ("grinning", None)])
def test_emoji_are_found_by_their_name_without_accents(core: Page, word: str, found: str | None) -> None:
    all_emoji = [["😊", "visage souriant", "joie", 0], ["❤", "cœur rouge", "coeur amour", 7]]
    body = "return emoji.findEmoji(given[0], given[1], 8).map((each) => each[0])[0] ?? null"
    assert run(core, "more/emoji", body, [all_emoji, word]) == found


@pytest.mark.parametrize(
    ("until", "open_", "closing"),
    [(None, False, False), ("11:59", False, False), ("13:59", True, True), ("14:01", True, False)],
)
def test_the_reply_window_is_told_two_hours_before_it_closes(
    core: Page, until: str | None, open_: bool, closing: bool
) -> None:
    row = {"reply_window_expires_at": until and f"2026-11-24T{until}:00Z"}
    body = "return window_.replyWindow(given, Date.parse('2026-11-24T12:00:00Z'))"
    found = run(core, "", f"const window_ = await import('/inbox/window.js'); {body}", row)
    assert (found["open"], found["closing"]) == (open_, closing)


@pytest.mark.parametrize(
    ("digits", "shown"),
    [
        ("33610000001", "+33 6 10 00 00 01"),
        ("447700900006", "+44 7700 900006"),
        ("15550100123", "+1 555 010 0123"),
        ("99912345678", "+999 123 456 78"),
    ],
)
def test_a_number_is_written_as_its_country_writes_it(core: Page, digits: str, shown: str) -> None:
    assert run(core, "inbox/phone", "return phone.shownNumber(given)", digits) == shown


# --- what is told about everything -------------------------------------------------------------------------------

QUIET: dict[str, Any] = {
    "signedOut": False,
    "newRelease": False,
    "connection": {"state": "live", "since": 0, "retryAt": None},
    "notices": [],
}
#: the weightiest first
TOLD: list[tuple[str, dict[str, Any]]] = [
    ("signed_out", {"signedOut": True}),
    ("offline", {"connection": {"state": "offline"}}),
    ("database_away", {"notices": ["database_away"]}),
    ("busy", {"connection": {"state": "busy"}}),
    ("reply_expiring", {"notices": ["reply_expiring"]}),
    ("number_paused", {"notices": ["number_paused"]}),
    ("whatsapp_away", {"notices": ["whatsapp_away"]}),
    ("gemini_away", {"notices": ["gemini_away"]}),
    ("whatsapp_struggling", {"notices": ["whatsapp_struggling"]}),
    ("gemini_struggling", {"notices": ["gemini_struggling"]}),
    ("new_release", {"newRelease": True}),
]


def test_the_weightiest_trouble_alone_is_told(core: Page) -> None:
    seen = dict(QUIET)
    assert run(core, "inbox/strips", "return strips.weightiest(given)", seen) is None
    for name, trouble in reversed(TOLD):
        notices = [*seen["notices"], *trouble.get("notices", [])]
        seen = {**seen, **trouble, "notices": notices}
        assert run(core, "inbox/strips", "return strips.weightiest(given)", seen) == name


@pytest.mark.parametrize(
    ("pointer", "said"),
    [
        ("/week/monday/0", "Lundi\u202f: Non."),
        ("/week/tuesday", "Lundi\u202f: Non."),
        ("/exceptions/0/spans/1", "24.11\u202f: Non."),
        ("/week", "Non."),
        ("/bot", "Non."),
    ],
)
def test_what_is_wrong_with_hours_names_its_day(core: Page, pointer: str, said: str) -> None:
    body = """
        words.loadWords('fr', { 'set.hours.wrong': '{place}\u202f: {said}', 'set.hours.day.monday': 'Lundi',
            'set.hours.day.tuesday': 'Lundi' });
        const form = { exceptions: [{ date: '2026-11-24' }] };
        const told = hours.troubleOf({ trouble: null, errors: { [given]: 'Non.' } }, form, { date: () => '24.11' });
        words.loadWords('en', {});
        return told;
    """
    assert run(core, "words settings/hours", body, pointer) == said


def test_numbers_of_one_name_are_told_apart_by_their_telephone_numbers(core: Page) -> None:
    given = [("1", "Canal", "33700000001"), ("2", "Canal", "33700000002"), ("3", "Canal", None), ("4", "Gare", "331")]
    rows = [{"id": id_, "name": name, "phone_number": phone} for id_, name, phone in given]
    body = "return parts.numberOptions(given).map((each) => each.label)"
    assert run(core, "settings/parts", body, rows) == [
        "Canal (+33 7 00 00 00 01)",
        "Canal (+33 7 00 00 00 02)",
        "Canal",
        "Gare",
    ]


STORED_FIRST, SENT_FIRST = ["stored", "whatsapp"], ["whatsapp", "stored"]


@pytest.mark.parametrize(
    ("author", "stored", "first"),
    [
        (None, "2026-11-28T10:00:01Z", STORED_FIRST),
        (None, "2026-11-28T10:00:02.900Z", STORED_FIRST),  # the bot: WhatsApp's times are whole seconds
        (None, "2026-11-28T12:00:00Z", SENT_FIRST),
        ("amina", "2026-11-28T10:00:02.900Z", STORED_FIRST),
        ("amina", "2026-11-28T10:00:04Z", STORED_FIRST),  # WhatsApp's clock is behind ours
    ],
)
def test_what_was_written_elsewhere_reached_us_after_whatsapp(
    core: Page, author: str | None, stored: str, first: list[str]
) -> None:
    row = {"direction": "outbound", "status": "delivered", "stored_at": stored, "sent_at": "2026-11-28T10:00:02Z"}
    given = row | {"author": {"kind": "agent", "id": author, "name": None}}
    body = "return road.stopsOf({ delivered_at: null, read_at: null, ...given }).map((stop) => [stop.name, stop.state])"
    assert run(core, "more/road", body, given) == [
        *([name, "done"] for name in first),
        ["phone", "done"],
        ["read", "ahead"],
    ]
