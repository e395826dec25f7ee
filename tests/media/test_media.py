"""The file of a message: who gets it, as what, and what happens when WhatsApp does not give it."""

from __future__ import annotations

import dataclasses
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update
from werkzeug.http import parse_options_header

from inbox.auth import keys
from inbox.auth.access import Role
from inbox.clock import new_id, utc_now
from inbox.media.headers import MAX_NAME, headers_for, safe_name
from inbox.models import Account, Message
from inbox.resilience import WHATSAPP, WHATSAPP_MEDIA
from inbox.runtime import Runtime
from sandbox import Sandbox
from tests.builders import NUMBER_ID
from tests.media.files import PNG, file_message

MEDIA = r"whatsapp_business/attachments"  # the path of the simulator's host of files
GRAPH = r"/v26\.0/\d+\?phone_number_id"


def get(client: FlaskClient, message: Message, method: str = "GET", **more: Any) -> Any:
    return client.open(f"/messages/media/{message.id}", method=method, **more)


# --- what comes --------------------------------------------------------------------------------------------------


def test_a_file_comes_byte_for_byte_with_its_type_its_name_and_nothing_that_could_run(
    client: FlaskClient, runtime: Runtime, sandbox: Sandbox
) -> None:
    response = get(client, file_message(runtime, sandbox, PNG, "image/png", "Mon chat.png"))
    assert (response.status_code, response.data) == (200, PNG)
    headers = response.headers
    assert headers["Content-Type"] == "image/png"
    assert headers["Content-Length"] == str(len(PNG))
    assert parse_options_header(headers["Content-Disposition"]) == ("inline", {"filename": "Mon chat.png"})
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert (response.cache_control.private, response.cache_control.max_age) == (True, 3600)
    assert {"authorization", "cookie"} <= {name.lower() for name in response.vary}
    question, download = sandbox.requests("whatsapp")
    assert f"phone_number_id={NUMBER_ID}" in question.path
    for request in (question, download):
        assert request.headers["authorization"] == "Bearer test-access-token"
        assert request.headers["user-agent"]


def test_a_file_without_a_byte_is_a_file(client: FlaskClient, runtime: Runtime, sandbox: Sandbox) -> None:
    response = get(client, file_message(runtime, sandbox, b"", "text/plain", "empty.txt"))
    assert (response.status_code, response.data, response.headers["Content-Length"]) == (200, b"", "0")


@pytest.mark.parametrize("framing", ["chunked", "no_length"])
def test_a_file_whose_host_does_not_say_how_long_it_is_has_the_length_graph_tells(
    client: FlaskClient, runtime: Runtime, sandbox: Sandbox, framing: str
) -> None:
    sandbox.fault("whatsapp", "drip_body", interval=0.0, framing=framing, match={"path": MEDIA})
    response = get(client, file_message(runtime, sandbox, PNG[:300]))
    assert (response.data, response.headers["Content-Length"]) == (PNG[:300], "300")


def described(response: Any) -> dict[str, str]:
    """The headers that are about the file, not about the request."""
    passing = ("x-request-id", "ratelimit", "date")
    return {name: value for name, value in response.headers if not name.lower().startswith(passing)}


def test_head_tells_the_same_and_fetches_nothing(client: FlaskClient, runtime: Runtime, sandbox: Sandbox) -> None:
    message = file_message(runtime, sandbox)
    head = get(client, message, "HEAD")
    assert (head.status_code, head.data, len(sandbox.requests())) == (200, b"", 1)
    whole = get(client, message)
    assert described(head) == described(whole)
    assert head.headers["Content-Length"] == str(len(PNG))


def test_whoever_has_the_file_is_told_so_without_asking_whatsapp(
    client: FlaskClient, runtime: Runtime, sandbox: Sandbox
) -> None:
    message = file_message(runtime, sandbox)
    etag = get(client, message).headers["ETag"]
    asked = len(sandbox.requests())
    for method in ("GET", "HEAD"):
        again = get(client, message, method, headers={"If-None-Match": f'"other", W/{etag}'})
        assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", etag)
        assert "Content-Type" not in again.headers
    assert len(sandbox.requests()) == asked
    assert get(client, message, headers={"If-None-Match": '"other"'}).status_code == 200


def test_a_range_that_the_host_of_files_does_not_know_gives_the_whole(
    client: FlaskClient, runtime: Runtime, sandbox: Sandbox
) -> None:
    response = get(client, file_message(runtime, sandbox), headers={"Range": "bytes=0-1"})
    assert (response.status_code, response.data) == (200, PNG)
    assert sandbox.requests()[-1].headers["range"] == "bytes=0-1"


def test_a_range_of_another_file_and_one_that_is_none_are_not_passed_on(
    client: FlaskClient, runtime: Runtime, sandbox: Sandbox
) -> None:
    message = file_message(runtime, sandbox)
    for headers in (
        {"Range": "bytes=0-1", "If-Range": '"of another"'},
        {"Range": "bytes=0-1,4-5"},
        {"Range": "lines=1-2"},
    ):
        assert get(client, message, headers=headers).status_code == 200
        assert "range" not in sandbox.requests()[-1].headers


# --- who gets it -------------------------------------------------------------------------------------------------


def refused(response: Any) -> tuple[int, str]:
    assert response.content_type == "application/problem+json"
    return response.status_code, response.json["code"]


def test_strangers_get_nothing(web: Flask, runtime: Runtime, sandbox: Sandbox) -> None:
    assert refused(get(web.test_client(), file_message(runtime, sandbox))) == (401, "missing_token")


def test_a_file_of_a_number_one_may_not_see_is_as_good_as_missing(
    web: Flask, client: FlaskClient, runtime: Runtime, sandbox: Sandbox
) -> None:
    message = file_message(runtime, sandbox)
    assert refused(client.get(f"/messages/media/{uuid.uuid4()}")) == (404, "message_not_found")
    with runtime.db.writing() as session:
        session.execute(update(Account).values(deleted_at=utc_now()))
    assert refused(get(client, message)) == (404, "message_not_found")
    assert refused(get(client, message, headers={"If-None-Match": "*"})) == (404, "message_not_found")
    assert sandbox.requests() == []


def test_whoever_may_see_another_number_only_gets_nothing(
    web: Flask, client: FlaskClient, runtime: Runtime, sandbox: Sandbox
) -> None:
    message = file_message(runtime, sandbox)
    now, other = utc_now(), new_id()
    with runtime.db.writing() as session:
        session.add(Account(id=other, name="Other", phone_number_id="2", created_at=now, updated_at=now))
    etag = get(client, message).headers["ETag"]
    asked = len(sandbox.requests())
    for accounts, allowed in (([other], False), ([other, message.account_id], True)):
        key = keys.create(runtime.db, name="Some", role=Role.VIEWER, accounts=accounts).secret
        answer = get(web.test_client(), message, headers={"Authorization": f"Bearer {key}", "If-None-Match": etag})
        assert answer.status_code == (304 if allowed else 404)
        assert allowed or refused(answer) == (404, "message_not_found")
    assert len(sandbox.requests()) == asked


def test_a_message_without_a_file_has_none(client: FlaskClient, runtime: Runtime, sandbox: Sandbox) -> None:
    message = file_message(runtime, sandbox)
    with runtime.db.writing() as session:
        session.execute(update(Message).values(media_id=None))
    assert refused(get(client, message)) == (404, "media_not_found")


# --- when it does not come ---------------------------------------------------------------------------------------

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # where the database does not matter
GONE, AWAY = (404, "media_not_found"), (503, "media_unavailable")


@on_sqlite
@pytest.mark.parametrize(
    ("path", "fault", "settings", "expected"),
    [
        (GRAPH, "graph_error", {"code": 100}, GONE),
        (GRAPH, "graph_error", {"code": 33}, GONE),
        (GRAPH, "status", {"code": 404, "body": "html"}, GONE),
        (GRAPH, "graph_error", {"code": 190}, AWAY),
        (GRAPH, "graph_error", {"code": 10}, AWAY),
        (GRAPH, "graph_error", {"code": 80007}, AWAY),
        (GRAPH, "graph_error", {"code": 131000}, AWAY),
        (GRAPH, "status", {"code": 502, "body": "html"}, AWAY),
        (GRAPH, "status", {"code": 400, "body": "html"}, AWAY),
        (GRAPH, "hang", {"seconds": 3}, AWAY),
        (GRAPH, "reset_after", {}, AWAY),
        (GRAPH, "html_200", {}, AWAY),
        (GRAPH, "wrong_shape", {}, AWAY),
        (GRAPH, "wrong_json", {}, AWAY),
        (MEDIA, "status", {"code": 404, "body": "html"}, GONE),
        (MEDIA, "status", {"code": 410, "body": "empty"}, GONE),
        (MEDIA, "graph_error", {"code": 190}, AWAY),
        (MEDIA, "status", {"code": 403, "body": "empty"}, AWAY),
        (MEDIA, "status", {"code": 429, "body": "empty"}, AWAY),
        (MEDIA, "status", {"code": 500, "body": "html"}, AWAY),
        (MEDIA, "status", {"code": 206, "body": "html"}, AWAY),
        (MEDIA, "status", {"code": 416, "body": "html"}, (416, "range_not_satisfiable")),
        (MEDIA, "redirect", {"location": "http://127.0.0.1:9/elsewhere"}, AWAY),
        (MEDIA, "hang", {"seconds": 3}, AWAY),
        (MEDIA, "reset_before", {}, AWAY),
        (MEDIA, "cut_headers", {}, AWAY),
        (MEDIA, "cut_body", {}, AWAY),
        (MEDIA, "cut_body", {"framing": "chunked"}, AWAY),
        (MEDIA, "cut_body", {"framing": "no_length"}, AWAY),
        (MEDIA, "html_200", {}, AWAY),
        (MEDIA, "gzip_bomb", {"bytes": 3_000_000}, AWAY),
        (MEDIA, "big_body", {"bytes": 200_000_000}, (404, "media_too_large")),
    ],
    ids=lambda value: str(value)[:40],
)
def test_every_failure_before_the_first_byte_is_told_as_a_problem(
    client: FlaskClient,
    runtime: Runtime,
    sandbox: Sandbox,
    path: str,
    fault: str,
    settings: dict[str, Any],
    expected: tuple[int, str],
) -> None:
    message = file_message(runtime, sandbox)
    sandbox.fault("whatsapp", fault, match={"path": path}, **settings)
    response = get(client, message)
    assert refused(response) == expected
    assert ("Retry-After" in response.headers) == (expected[0] == 503)
    sandbox.clear_faults()
    WHATSAPP_MEDIA.breaker.reset()
    assert get(client, message).data == PNG
    assert all("elsewhere" not in request.path for request in sandbox.requests())


def test_a_file_that_is_gone_is_not_found(client: FlaskClient, runtime: Runtime, sandbox: Sandbox) -> None:
    message = file_message(runtime, sandbox)
    sandbox.graph._media.clear()
    assert refused(get(client, message)) == GONE


@on_sqlite
@pytest.mark.parametrize("code", [401, 403, 404, 410])
def test_an_address_whose_time_is_over_is_asked_for_once_more(
    client: FlaskClient, runtime: Runtime, sandbox: Sandbox, code: int
) -> None:
    message = file_message(runtime, sandbox)
    sandbox.fault("whatsapp", "status", code=code, body="empty", times=1, match={"path": MEDIA})
    assert get(client, message).data == PNG
    assert ["attachments" in request.path for request in sandbox.requests()] == [False, True, False, True]


@on_sqlite
def test_what_whatsapp_names_as_the_time_to_wait_is_handed_on(
    client: FlaskClient, runtime: Runtime, sandbox: Sandbox
) -> None:
    message = file_message(runtime, sandbox)
    for value, expected in (("17", "17"), ("1e300", "3600"), ("0", "5"), ("0.2", "1"), ("soon", "5")):
        fault = sandbox.fault("whatsapp", "retry_after", value=value, code=429, match={"path": MEDIA})
        assert get(client, message).headers["Retry-After"] == expected
        sandbox.faults.remove(fault)


def test_a_number_without_a_token_that_can_be_read_gives_no_files(
    client: FlaskClient, runtime: Runtime, sandbox: Sandbox
) -> None:
    message = file_message(runtime, sandbox)
    for stored in (None, "of another key"):
        with runtime.db.writing() as session:
            session.execute(update(Account).values(access_token_encrypted=stored))
        assert refused(get(client, message)) == AWAY


def test_failures_of_the_host_of_files_leave_the_circuit_of_sends_alone(
    client: FlaskClient, runtime: Runtime, sandbox: Sandbox
) -> None:
    message = file_message(runtime, sandbox)
    sandbox.fault("whatsapp", "reset_before", match={"path": MEDIA})
    for _ in range(2 * runtime.config.whatsapp.breaker_failures):
        assert refused(get(client, message)) == AWAY
    assert (WHATSAPP.breaker.state, WHATSAPP.breaker.snapshot().failure_count) == ("closed", 0)


def test_one_file_that_whatsapp_fails_at_neither_stops_other_files_nor_replies(
    client: FlaskClient, runtime: Runtime, sandbox: Sandbox
) -> None:
    before = WHATSAPP.breaker.snapshot().failures_total
    broken, other = file_message(runtime, sandbox), file_message(runtime, sandbox)
    sandbox.fault("whatsapp", "status", code=500, match={"path": rf"/v26\.0/{broken.media_id}\?"})
    for _ in range(12):
        assert refused(get(client, broken)) == AWAY
    assert get(client, other).data == PNG
    assert (WHATSAPP_MEDIA.breaker.state, WHATSAPP_MEDIA.breaker.snapshot().failure_count) == ("closed", 0)
    assert (WHATSAPP.breaker.state, WHATSAPP.breaker.snapshot().failures_total) == ("closed", before)


def test_several_files_that_whatsapp_fails_at_open_the_circuit_of_files_alone(
    client: FlaskClient, runtime: Runtime, sandbox: Sandbox
) -> None:
    sandbox.fault("whatsapp", "status", code=500, match={"path": MEDIA})
    for _ in range(runtime.config.whatsapp_media.breaker_failures):
        assert refused(get(client, file_message(runtime, sandbox))) == AWAY
    assert (WHATSAPP_MEDIA.breaker.state, WHATSAPP.breaker.state) == ("open", "closed")


def test_a_file_is_not_asked_for_while_the_circuit_of_files_is_open(
    client: FlaskClient, runtime: Runtime, sandbox: Sandbox
) -> None:
    message = file_message(runtime, sandbox)
    sandbox.fault("whatsapp", "reset_before", match={"path": GRAPH})
    for _ in range(2 * runtime.config.whatsapp_media.breaker_failures):
        assert refused(get(client, message)) == AWAY
    assert WHATSAPP_MEDIA.breaker.state == "closed"  # one file alone says nothing about the others
    for _ in range(runtime.config.whatsapp_media.breaker_failures - 1):
        assert refused(get(client, file_message(runtime, sandbox))) == AWAY
    asked = len(sandbox.requests())
    response = get(client, message)
    assert refused(response) == AWAY
    assert int(response.headers["Retry-After"]) > 1
    assert len(sandbox.requests()) == asked


@on_sqlite
def test_a_screen_of_twelve_pictures_that_is_asked_for_at_once_is_shown(
    web: Flask, client: FlaskClient, runtime: Runtime, sandbox: Sandbox
) -> None:
    pictures = [file_message(runtime, sandbox, bytes([number]) * 1000) for number in range(12)]
    sandbox.fault("whatsapp", "slow", seconds=0.1, match={"path": GRAPH})
    for each in (WHATSAPP, WHATSAPP_MEDIA):
        patient = dataclasses.replace(each.policy, total=30.0, read=10.0, patience=10.0)
        each.configure(patient, retries=True, breaker=True)
    with ThreadPoolExecutor(12) as browser:
        shown = list(browser.map(lambda picture: get(_another(web, client), picture).data, pictures))
    assert shown == [bytes([number]) * 1000 for number in range(12)]


def _another(web: Flask, client: FlaskClient) -> FlaskClient:
    """A client of the same person, for a thread of its own."""
    made = web.test_client()
    made.environ_base.update(client.environ_base)
    return made


def test_only_so_many_files_are_under_way_at_once_and_each_place_is_given_back(
    client: FlaskClient, runtime: Runtime, sandbox: Sandbox
) -> None:
    message = file_message(runtime, sandbox, b"x" * 500_000)
    most = runtime.config.whatsapp_media.bulkhead
    runtime.media._files.bulkhead.patience = 0.05
    under_way = [get(client, message) for _ in range(most)]
    assert refused(get(client, message)) == AWAY
    assert get(client, message, "HEAD").status_code == 503
    for response in under_way:
        response.close()
    assert [len(get(client, message).data) for _ in range(most + 1)] == [500_000] * (most + 1)


def test_the_database_is_not_held_while_whatsapp_is_asked(
    client: FlaskClient, runtime: Runtime, sandbox: Sandbox
) -> None:
    message = file_message(runtime, sandbox, b"x" * 500_000)
    response = get(client, message)
    assert runtime.db.engine.pool.checkedout() == 0
    response.close()


def test_a_file_that_breaks_off_does_not_look_whole(client: FlaskClient, runtime: Runtime, sandbox: Sandbox) -> None:
    message = file_message(runtime, sandbox, b"x" * 1_000_000)
    sandbox.fault("whatsapp", "cut_body", match={"path": MEDIA})
    response = get(client, message)
    assert (response.status_code, response.headers["Content-Length"]) == (200, "1000000")
    got = bytearray()
    with pytest.raises(ConnectionResetError):
        for piece in response.response:
            got += piece
    assert 0 < len(got) < 1_000_000
    response.close()


# --- types and names ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "given", "how"),
    [
        ("image/jpeg", "image/jpeg", "inline"),
        ("IMAGE/PNG ", "image/png", "inline"),
        ("audio/ogg; codecs=opus", "audio/ogg; codecs=opus", "inline"),
        ("audio/ogg; codecs=opus; x=<script>", "audio/ogg", "inline"),
        ("video/mp4", "video/mp4", "inline"),
        ("application/pdf", "application/pdf", "attachment"),
        ("text/plain", "text/plain", "attachment"),
        ("text/html", "application/octet-stream", "attachment"),
        ("image/svg+xml", "application/octet-stream", "attachment"),
        ("application/xhtml+xml", "application/octet-stream", "attachment"),
        ("text/xml", "application/octet-stream", "attachment"),
        ("text/javascript", "application/octet-stream", "attachment"),
        ("image/png, text/html", "application/octet-stream", "attachment"),
        ("image/png\r\nX: y", "application/octet-stream", "attachment"),
        ("", "application/octet-stream", "attachment"),
        (None, "application/octet-stream", "attachment"),
    ],
)
def test_only_types_that_cannot_run_are_shown(told: str | None, given: str, how: str) -> None:
    headers = headers_for(told, "a", "image")
    assert headers["Content-Type"] == given
    assert headers["Content-Disposition"].startswith(f"{how}; ")


@pytest.mark.parametrize(
    ("name", "mime_type", "expected"),
    [
        ("facture é.pdf", "application/pdf", "facture é.pdf"),
        ("../../etc/passwd", "", "passwd"),
        ("C:\\Users\\x\\report.docx", "", "report.docx"),
        ("photo.html", "image/jpeg", "photo.html.jpg"),
        ("photo", "image/jpeg", "photo.jpg"),
        ("photo.JPEG", "image/jpeg", "photo.JPEG"),
        ("a\r\nSet-Cookie: x=1", "text/plain", "a  Set-Cookie_ x=1.txt"),
        ('say "hi".txt', "text/plain", "say _hi_.txt"),
        ("photo\u202egpj.exe", "", "photogpj.exe"),
        (".htaccess", "", "htaccess"),
        ("...", "image/png", "file.png"),
        ("", "", "file"),
        ("name. . ", "", "name"),
        ("CON", "text/plain", "_CON.txt"),
        ("nul.tar.gz", "", "_nul.tar.gz"),
        ("COM¹.txt", "text/plain", "_COM¹.txt"),
        ("console.txt", "text/plain", "console.txt"),
        ("تقرير.pdf", "application/pdf", "تقرير.pdf"),
        ("می‌خواهم.pdf", "application/pdf", "می‌خواهم.pdf"),
        ("👩‍👩‍👧.png", "image/png", "👩‍👩‍👧.png"),
        ("x" * 300 + ".pdf", "application/pdf", "x" * (MAX_NAME - 5) + ".pdf"),
    ],
)
def test_names_stay_readable_and_become_harmless(name: str, mime_type: str, expected: str) -> None:
    assert safe_name(name, mime_type) == expected


TYPES = st.sampled_from(["", "image/jpeg", "application/pdf", "text/plain", "audio/ogg", "text/html"])
NASTY = st.text(
    st.sampled_from([*"\r\n\0/\\\".;%'*<>:| ／℀", "\u202e", "\ud800", "é", "C", "O", "N", "ß"]), max_size=40
)


@given(name=st.text(st.characters(codec=None), max_size=400) | NASTY, mime_type=TYPES)
def test_any_name_gives_a_header_that_means_one_harmless_file(name: str, mime_type: str) -> None:
    value = headers_for(mime_type, name, "document")["Content-Disposition"]
    assert value.isascii()
    assert value.isprintable()
    _, options = parse_options_header(value)
    fallback = parse_options_header(value.partition("; filename*=")[0])[1]["filename"]
    for read in (options["filename"], fallback):
        assert read
        assert not set(read) & set('\r\n\0/\\"<>:|?*')
        assert read == read.strip(" .")
        assert len(read.encode()) <= MAX_NAME + 1
        assert read.partition(".")[0].upper() not in ("CON", "NUL", "PRN", "AUX", "COM1")
    assert options["filename"] == safe_name(name or "document", mime_type)
    assert safe_name(options["filename"], mime_type) == options["filename"]


@given(told=st.text(max_size=60))
def test_any_type_gives_a_header_of_ours(told: str) -> None:
    assert headers_for(told, "a", "image")["Content-Type"] == "application/octet-stream"
