"""Who may ask how often, and who is not kept out by others."""

from __future__ import annotations

import dataclasses
import io
import logging
import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis as redis_client
from flask import Flask
from flask.testing import FlaskClient

from inbox import create_app
from inbox.auth import keys
from inbox.auth.access import Grant, Role
from inbox.config import Config
from inbox.errors import TooManyRequests, UserDisabled, WrongPassword
from inbox.logs import Thinned
from inbox.memory.kept import Kept
from inbox.runtime import runtime_of
from inbox.web.limits import counters
from inbox.web.limits.limits import FAMILIAR, address, sign_in
from inbox.webhooks import routes as webhooks
from tests.auth.people import PASSWORD, local_user
from tests.builders import signed, webhook
from tests.queries import asked
from tests.settings import APP_SECRET

GUESS = "inbox_" + "x" * 43


@pytest.fixture
def database_url(sqlite_template: Any, tmp_path: Any) -> str:
    """On SQLite: what is counted is not in the database."""
    (tmp_path / "inbox.db").write_bytes(sqlite_template.read_bytes())
    return f"sqlite:///{tmp_path / 'inbox.db'}"


@pytest.fixture
def config(config: Config) -> Config:
    return dataclasses.replace(config, rate_limit=5, rate_limit_anonymous=3)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def guess(client: FlaskClient, times: int, **more: Any) -> list[int]:
    """Statuses of so many guesses, each at another token."""
    return [
        client.get("/accounts", headers=bearer(f"{GUESS[:-3]}{number:03d}"), **more).status_code
        for number in range(times)
    ]


@pytest.fixture
def queries(app: Flask) -> Iterator[list[str]]:
    """What the database is asked."""
    with asked(runtime_of(app).db) as statements:
        yield statements


# --- callers -----------------------------------------------------------------------------------------------------


def test_each_answer_to_a_caller_says_what_is_left(client: FlaskClient) -> None:
    told = [client.get("/accounts").headers for _ in range(2)]
    assert [each["RateLimit-Limit"] for each in told] == ["5", "5"]
    assert [each["RateLimit-Remaining"] for each in told] == ["4", "3"]
    assert all(0 < int(each["RateLimit-Reset"]) <= 60 for each in told)
    assert "Retry-After" not in told[0]


def test_a_caller_over_the_limit_is_told_when_to_come_back(client: FlaskClient) -> None:
    answers = [client.get("/accounts") for _ in range(6)]
    assert [each.status_code for each in answers] == [200] * 5 + [429]
    refused = answers[-1]
    assert refused.mimetype == "application/problem+json"
    assert refused.json["code"] == refused.json["detail"] == "too_many_requests"
    assert 0 < int(refused.headers["Retry-After"]) <= 60
    assert refused.headers["RateLimit-Remaining"] == "0"


def test_a_304_says_what_is_left_too(client: FlaskClient) -> None:
    etag = client.get("/accounts").headers["ETag"]
    answer = client.get("/accounts", headers={"If-None-Match": etag})
    assert (answer.status_code, answer.headers["RateLimit-Remaining"]) == (304, "3")


def test_callers_do_not_use_up_each_others_limit(app: Flask, client: FlaskClient) -> None:
    other = keys.create(runtime_of(app).db, name="Other", role=Role.ADMIN).secret
    assert [client.get("/accounts").status_code for _ in range(6)][-1] == 429
    assert client.get("/accounts", headers=bearer(other)).status_code == 200


def test_all_sessions_of_a_user_count_together(app: Flask) -> None:
    local_user(runtime_of(app).db, "anna@example.com", [Grant(Role.ADMIN)])
    statuses = []
    for _ in range(2):
        token = app.test_client().post("/auth/login", json={"email": "anna@example.com", "password": PASSWORD}).json
        statuses += [app.test_client().get("/auth/me", headers=bearer(token["token"])).status_code for _ in range(3)]
    assert statuses == [200] * 5 + [429]


def test_what_a_caller_may_not_do_counts_as_theirs(app: Flask, stranger: FlaskClient) -> None:
    viewer = keys.create(runtime_of(app).db, name="Viewer", role=Role.VIEWER).secret
    answers = [stranger.get("/admin/incidents", headers=bearer(viewer)) for _ in range(6)]
    assert [each.status_code for each in answers] == [403] * 5 + [429]


# --- strangers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/accounts", "/nowhere", "/accounts/x/y"])
def test_a_stranger_is_limited_wherever_they_knock(stranger: FlaskClient, path: str) -> None:
    answers = [stranger.get(path) for _ in range(4)]
    assert [each.status_code for each in answers][-1] == 429
    assert {each.status_code for each in answers[:3]} <= {401, 404}
    assert [each.headers["RateLimit-Remaining"] for each in answers] == ["2", "1", "0", "0"]
    assert answers[-1].headers["RateLimit-Limit"] == "3"
    assert 0 < int(answers[-1].headers["Retry-After"]) <= 60


def test_guesses_are_refused_before_the_database_is_asked(
    app: Flask, stranger: FlaskClient, queries: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app.extensions["inbox.limits"], "_good", Kept(math.inf))  # not once a second, on a slow machine
    assert guess(stranger, 3) == [401] * 3
    assert [each for each in queries if "api_keys" in each]
    assert guess(stranger, 1) == [429]  # asks for all good tokens, once
    queries.clear()
    assert guess(stranger, 200) == [429] * 200
    assert queries == []


def test_a_caller_is_not_locked_out_by_a_guesser_behind_their_address(
    client: FlaskClient, stranger: FlaskClient
) -> None:
    assert client.get("/accounts").status_code == 200
    assert guess(stranger, 5)[-1] == 429
    assert client.get("/accounts").status_code == 200


def test_nor_is_one_who_comes_for_the_first_time(client: FlaskClient, stranger: FlaskClient) -> None:
    assert guess(stranger, 5)[-1] == 429
    assert client.get("/accounts").status_code == 200


def test_nor_is_one_who_signs_in_meanwhile(app: Flask, stranger: FlaskClient) -> None:
    local_user(runtime_of(app).db, "anna@example.com", [Grant(Role.ADMIN)])
    assert guess(stranger, 5)[-1] == 429
    browser = app.test_client()
    assert browser.post("/auth/login", json={"email": "anna@example.com", "password": PASSWORD}).status_code == 200
    assert browser.get("/auth/me").status_code == 200


def test_a_token_that_is_good_no_longer_is_a_guess(app: Flask, client: FlaskClient) -> None:
    assert client.get("/accounts").status_code == 200
    for row, _ in keys.listed(runtime_of(app).db):
        keys.revoke(runtime_of(app).db, row.prefix)
    assert [client.get("/accounts").status_code for _ in range(6)] == [401, 401, 401, 401, 429, 429]


def test_a_flood_is_one_line_in_the_log(stranger: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        guess(stranger, 50)
    lines = [record for record in caplog.records if record.getMessage() == "over the limit"]
    assert [(line.of, line.address) for line in lines] == [("strangers", "127.0.0.1")]  # type: ignore[attr-defined]


def test_questions_before_a_question_are_not_counted(config: Config) -> None:
    """A browser asks with OPTIONS, and without credentials, before each call from another origin."""
    app = create_app(dataclasses.replace(config, cors_origins=("https://desk.example",)))
    asks = {"Origin": "https://desk.example", "Access-Control-Request-Method": "GET"}
    client = app.test_client()
    assert {client.options("/accounts", headers=asks).status_code for _ in range(10)} == {200}
    answer = client.get("/accounts", headers={"Origin": "https://desk.example"})
    exposed = answer.headers["Access-Control-Expose-Headers"]
    assert all(name in exposed for name in ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"))
    runtime_of(app).close(5)


@pytest.mark.parametrize("path", ["/health", "/health/live", "/health/ready"])
def test_probes_have_no_limit(stranger: FlaskClient, path: str) -> None:
    answers = [stranger.get(path) for _ in range(8)]
    assert {each.status_code for each in answers} == {200}
    assert "RateLimit-Limit" not in answers[0].headers


def test_a_signed_webhook_passes_however_often_strangers_sent_unsigned_ones(stranger: FlaskClient) -> None:
    body = webhook(messages=[])
    right = signed(body, APP_SECRET)
    assert {stranger.post("/webhook/whatsapp", data=body, headers=right).status_code for _ in range(8)} == {200}
    wrong = [stranger.post("/webhook/whatsapp", data=body, headers=signed(body, "x" * 20)) for _ in range(8)]
    assert [each.status_code for each in wrong] == [401] * 3 + [429] * 5
    assert stranger.post("/webhook/whatsapp", data=body, headers=right).status_code == 200
    assert stranger.get("/health").status_code == 200


def test_of_an_unsigned_webhook_the_body_is_not_read(stranger: FlaskClient) -> None:
    for header in ({}, {"X-Hub-Signature-256": "sha256=x"}, {"X-Hub-Signature-256": "sha1=" + "0" * 40}):
        body = _Unread()
        sent = stranger.post("/webhook/whatsapp", input_stream=body, content_length=1_000_000, headers=header)
        assert sent.status_code == 401
        assert not body.touched


def test_the_verify_token_cannot_be_guessed_without_end(stranger: FlaskClient, queries: list[str]) -> None:
    asked = [stranger.get(f"/webhook/whatsapp?hub.mode=subscribe&hub.verify_token={n}") for n in range(5)]
    assert [each.status_code for each in asked] == [403] * 3 + [429] * 2


class _Unread(io.BytesIO):
    """A body that knows whether it was read."""

    touched = False

    def read(self, size: int | None = -1, /) -> bytes:
        self.touched = True
        return super().read(size)


def test_bad_forms_of_the_sign_in_are_limited_before_they_are_read(app: Flask, stranger: FlaskClient) -> None:
    local_user(runtime_of(app).db, "anna@example.com", [Grant(Role.ADMIN)])
    forms = [stranger.post("/auth/login", json={"x": 1}) for _ in range(5)]
    assert [each.status_code for each in forms] == [400] * 3 + [429] * 2
    body = _Unread()
    sent = stranger.post("/auth/login", input_stream=body, content_length=9, content_type="application/json")
    assert (sent.status_code, body.touched) == (429, False)
    assert stranger.get("/accounts").status_code == 401  # counted apart


def test_wrong_signatures_are_one_line_in_the_log_of_a_minute(
    stranger: FlaskClient, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "refused", Thinned(webhooks.log))
    with caplog.at_level(logging.INFO):
        for _ in range(20):
            stranger.post("/webhook/whatsapp", data=b"x" * 5000, headers={"X-Hub-Signature-256": "x" * 5000})
    assert len([each for each in caplog.records if each.name.startswith("inbox")]) == 2  # and one of the limit
    assert len(caplog.text) < 1000


def test_what_we_cannot_answer_is_not_the_strangers_fault(
    app: Flask, stranger: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "testing", False)
    monkeypatch.setitem(app.view_functions, "accounts.list_accounts", lambda: 1 / 0)
    app.config["PROPAGATE_EXCEPTIONS"] = False
    assert [stranger.get("/accounts").status_code for _ in range(6)] == [500] * 6


# --- addresses ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("remote", "counted"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", "unknown"),
        ("not an address", "not an address"),
    ],
)
def test_an_address_is_counted_with_those_its_owner_has_as_well(app: Flask, remote: str, counted: str) -> None:
    with app.test_request_context(environ_base={"REMOTE_ADDR": remote}):
        assert address() == counted


@pytest.fixture
def behind(config: Config) -> Iterator[Callable[[int], FlaskClient]]:
    """A stranger's client of an application behind so many proxies."""
    made: list[Flask] = []

    def build(proxies: int) -> FlaskClient:
        made.append(create_app(dataclasses.replace(config, trusted_proxy_count=proxies)))
        return made[-1].test_client()

    yield build
    for app in made:
        runtime_of(app).close(5)


@pytest.mark.parametrize(
    ("proxies", "forwarded"),
    [
        (0, ["6.6.6.{n}"]),  # nobody in front: whatever the header says is the stranger's own invention
        (1, ["6.6.6.{n}, 203.0.113.7"]),  # the last entry is our proxy's
        (2, ["6.6.6.{n}, 203.0.113.7, 10.0.0.1"]),
    ],
)
def test_a_stranger_does_not_become_another_by_a_header(
    behind: Callable[[int], FlaskClient], proxies: int, forwarded: list[str]
) -> None:
    client = behind(proxies)
    statuses = [
        client.get("/nowhere", headers={"X-Forwarded-For": forwarded[0].format(n=number)}).status_code
        for number in range(4)
    ]
    assert statuses == [404, 404, 404, 429]


@pytest.mark.parametrize(("proxies", "forwarded"), [(1, "6.6.6.6, 203.0.113.{n}"), (2, "203.0.113.{n}, 10.0.0.1")])
def test_behind_proxies_each_client_has_a_limit_of_their_own(
    behind: Callable[[int], FlaskClient], proxies: int, forwarded: str
) -> None:
    client = behind(proxies)
    for number in range(8):
        assert client.get("/nowhere", headers={"X-Forwarded-For": forwarded.format(n=number)}).status_code == 404


# --- signing in --------------------------------------------------------------------------------------------------


class Desk:
    """Attempts to sign in, from wherever."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self.locked_out: list[str] = []  #: names, as often as it was told

    def tries(self, name: str, *, right: bool = False, disabled: bool = False, at: str = "203.0.113.1") -> str:
        with self._app.test_request_context(environ_base={"REMOTE_ADDR": at}):
            try:
                with sign_in(name, lambda: self.locked_out.append(name)):
                    if disabled:
                        raise UserDisabled
                    if not right:
                        raise WrongPassword
            except (WrongPassword, UserDisabled, TooManyRequests) as error:
                return error.code
        return "in"


@pytest.fixture
def desk(app: Flask) -> Desk:
    return Desk(app)


def test_ten_wrong_passwords_lock_a_name_for_a_while(desk: Desk) -> None:
    tried = [desk.tries("anna@example.com", at=f"203.0.113.{number}") for number in range(12)]
    assert tried == ["wrong_password"] * 10 + ["too_many_requests"] * 2
    assert desk.tries(" ANNA@example.com", right=True, at="198.51.100.1") == "too_many_requests"
    assert desk.tries("bert@example.com", right=True, at="203.0.113.1") == "in"


def test_an_attacker_elsewhere_does_not_lock_out_who_has_signed_in_here_before(desk: Desk) -> None:
    assert desk.tries("anna@example.com", right=True, at="198.51.100.1") == "in"
    for number in range(12):
        desk.tries("anna@example.com", at=f"203.0.113.{number}")
    assert desk.tries("anna@example.com", right=True, at="203.0.113.99") == "too_many_requests"
    assert desk.tries("anna@example.com", right=True, at="198.51.100.1") == "in"


def test_nor_does_being_familiar_give_more_than_ten_guesses(desk: Desk) -> None:
    assert desk.tries("anna@example.com", right=True, at="198.51.100.1") == "in"
    tried = [desk.tries("anna@example.com", at="198.51.100.1") for _ in range(11)]
    assert tried == ["wrong_password"] * 10 + ["too_many_requests"]


def test_one_address_cannot_try_many_names(desk: Desk) -> None:
    tried = [desk.tries(f"{number}@example.com") for number in range(21)]
    assert tried == ["wrong_password"] * 20 + ["too_many_requests"]


def test_a_success_does_not_count_for_the_name(desk: Desk) -> None:
    tried = [desk.tries("anna@example.com", right=True, at=f"203.0.113.{number}") for number in range(30)]
    assert tried == ["in"] * 30


@pytest.mark.parametrize("outcome", [{"right": True}, {"disabled": True}])
def test_every_attempt_counts_for_its_address_whatever_its_outcome(desk: Desk, outcome: dict[str, bool]) -> None:
    tried = [desk.tries(f"{number}@example.com", **outcome) for number in range(22)]
    assert tried[20:] == ["too_many_requests"] * 2
    assert "too_many_requests" not in tried[:20]


def test_a_right_password_is_not_checked_without_end_where_its_name_is_familiar(desk: Desk) -> None:
    tried = [desk.tries("anna@example.com", right=True) for _ in range(22)]
    assert tried == ["in"] * 21 + ["too_many_requests"]  # the first one made it familiar


def test_the_password_of_somebody_disabled_is_worth_ten_attempts(desk: Desk) -> None:
    tried = [desk.tries("off@example.com", disabled=True, at=f"203.0.113.{number}") for number in range(12)]
    assert tried == ["user_disabled"] * 10 + ["too_many_requests"] * 2


def test_one_network_of_ipv6_is_one_stranger(desk: Desk) -> None:
    tried = [desk.tries(f"{number}@example.com", at=f"2001:db8:1:{number:x}::1") for number in range(62)]
    assert tried == ["wrong_password"] * 60 + ["too_many_requests"] * 2
    assert desk.tries("anna@example.com", at="2001:db8:2::1") == "wrong_password"


def test_strangers_of_the_same_network_do_not_keep_out_who_has_signed_in_from_there(desk: Desk) -> None:
    home = "2001:db8:1:ffff::1"
    assert desk.tries("anna@example.com", right=True, at=home) == "in"
    for number in range(70):
        desk.tries(f"{number}@example.com", at=f"2001:db8:1:{number:x}::1")
        desk.tries(f"{number}@example.com", at=home)
    assert desk.tries("bert@example.com", right=True, at=home) == "too_many_requests"
    assert desk.tries("anna@example.com", right=True, at=home) == "in"


def test_a_lock_is_told_once(desk: Desk) -> None:
    for number in range(15):
        desk.tries("anna@example.com", at=f"203.0.113.{number}")
    assert desk.locked_out == ["anna@example.com"]


def test_somebody_who_mistypes_at_their_own_desk_alarms_nobody(desk: Desk) -> None:
    desk.tries("anna@example.com", right=True)
    for _ in range(12):
        desk.tries("anna@example.com")
    assert desk.locked_out == []


def test_an_attempt_we_could_not_check_does_not_count(app: Flask, desk: Desk) -> None:
    for _ in range(50):
        asked = app.test_request_context(environ_base={"REMOTE_ADDR": "203.0.113.1"})
        with asked, pytest.raises(ZeroDivisionError), sign_in("anna@example.com", lambda: None):
            _ = 1 / 0
    assert desk.tries("anna@example.com") == "wrong_password"


# --- what is kept ------------------------------------------------------------------------------------------------


def test_no_key_in_redis_tells_a_token_or_a_name(config: Config, redis: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counters, "PREFIX", "inbox:test:limits:")
    app = create_app(dataclasses.replace(config, redis_url=redis))
    runtime = runtime_of(app)
    runtime.prepare_database()
    key = keys.create(runtime.db, name="Somebody", role=Role.ADMIN).secret
    client = app.test_client()
    assert client.get("/accounts", headers=bearer(key)).status_code == 200
    guess(client, 4)
    Desk(app).tries("anna@example.com", right=True)
    with redis_client.Redis.from_url(redis) as stored:
        names = [name.decode() for name in stored.scan_iter("inbox:test:limits:*")]
        longest = max(stored.ttl(name) for name in names)
        for name in names:
            stored.delete(name)
    runtime.close(5)
    assert len(names) == 5  # the caller's, the stranger's, two of the sign-in and one of where it was from
    assert longest <= FAMILIAR
    assert not [name for name in names if "anna" in name or key[6:20] in name or GUESS[:20] in name]
