"""What operators see over HTTP: every process's circuits, the cache, incidents; and what they can reset."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import get_args

import pytest
from flask.testing import FlaskClient

from inbox.auth import keys
from inbox.auth.access import Role
from inbox.clock import parse_rfc3339, rfc3339, utc_now
from inbox.db import Database
from inbox.errors import UpstreamUnavailable
from inbox.models import Incident, Process, Reset
from inbox.operations import processes
from inbox.operations.admin_schemas import UpstreamName
from inbox.operations.processes import CacheCounts, Circuit, Identity, Report
from inbox.resilience import UPSTREAMS
from inbox.runtime import Runtime

NAMES = sorted([*UPSTREAMS, "database", "storage"])


@pytest.fixture(autouse=True)
def closed_circuits(runtime: Runtime) -> Iterator[None]:
    """Breakers belong to the test process: they are left as they were found."""
    yield
    for breaker in runtime.watch.breakers.values():
        breaker.reset()


def another_process(db: Database, *, age: float = 0.0, **report: object) -> Identity:
    """The row of a process that is not this one."""
    who = Identity(uuid.uuid4(), "worker", "elsewhere", 4711, utc_now())
    with db.writing() as session:
        processes.save(session, who, Report(**report), db.now(session) - timedelta(seconds=age))
    return who


def open_circuit(runtime: Runtime, name: str) -> None:
    def refuse() -> None:
        raise UpstreamUnavailable(name, "refused", phase="connect")

    while runtime.watch.breakers[name].state == "closed":
        with pytest.raises(UpstreamUnavailable):
            runtime.watch.breakers[name].call(refuse)


def an_incident(db: Database, upstream: str, minutes_ago: float, lasted: float | None = None) -> None:
    started = utc_now() - timedelta(minutes=minutes_ago)
    ended = started + timedelta(seconds=lasted) if lasted is not None else None
    with db.writing() as session:
        session.add(
            Incident(
                upstream=upstream,
                started_at=started,
                ended_at=ended,
                first_error="UpstreamUnavailable connect",
                affected={"failed_calls": 5, "conversations": 2},
            )
        )


# --- circuit breakers --------------------------------------------------------------------------------------------


def test_incidents_can_be_asked_for_by_the_name_of_each_circuit() -> None:
    assert sorted(get_args(UpstreamName)) == NAMES


def test_every_circuit_of_every_live_process_is_shown(client: FlaskClient, runtime: Runtime, db: Database) -> None:
    other = another_process(
        db, circuits={"gemini": Circuit(state="half_open", last_error="UpstreamUnavailable connect")}
    )
    another_process(db, age=45, circuits={"gemini": Circuit(state="open")})
    rows = client.get("/admin/circuit-breakers").json
    assert [row["name"] for row in rows] == NAMES
    gemini = next(row for row in rows if row["name"] == "gemini")
    assert gemini["state"] == "half_open"
    assert [each["process"]["id"] for each in gemini["processes"]] == [str(runtime.reporter.me.id), str(other.id)]
    assert gemini["processes"][1]["last_error"] == "UpstreamUnavailable connect"
    assert next(row for row in rows if row["name"] == "whatsapp")["state"] == "closed"


def test_this_process_is_shown_as_it_stands_now(client: FlaskClient, runtime: Runtime) -> None:
    runtime.reporter.tick()
    open_circuit(runtime, "gemini")
    rows = {row["name"]: row for row in client.get("/admin/circuit-breakers").json}
    assert rows["gemini"]["state"] == "open"
    (mine,) = rows["gemini"]["processes"]
    assert mine["failures_total"] >= 5
    assert mine["opened_at"].endswith("Z")


def test_a_reset_closes_the_circuit_and_tells_the_others(client: FlaskClient, runtime: Runtime, db: Database) -> None:
    open_circuit(runtime, "whatsapp")
    response = client.post("/admin/circuit-breakers/whatsapp/reset")
    assert (response.status_code, response.json) == (200, {"status": "ok", "name": "whatsapp"})
    assert runtime.watch.breakers["whatsapp"].state == "closed"
    with db.reading() as session:
        assert session.get(Reset, "whatsapp") is not None


@pytest.mark.parametrize("name", NAMES)
def test_every_circuit_can_be_reset(client: FlaskClient, name: str) -> None:
    assert client.post(f"/admin/circuit-breakers/{name}/reset").status_code == 200


def test_an_unknown_circuit_is_404(client: FlaskClient) -> None:
    response = client.post("/admin/circuit-breakers/redis/reset")
    assert (response.status_code, response.json["code"]) == (404, "circuit_breaker_not_found")
    assert response.mimetype == "application/problem+json"


# --- the cache ---------------------------------------------------------------------------------------------------


def test_cache_counts_are_summed_over_live_processes(client: FlaskClient, runtime: Runtime, db: Database) -> None:
    account = uuid.uuid4()
    for _ in range(2):
        runtime.profiles.get(account, 1, lambda: (1, {"business_name": "x"}))
    another_process(db, cache=CacheCounts(hits=8, misses=1, loads=1, size=1, backend="simple"))
    another_process(db, age=45, cache=CacheCounts(hits=1000))
    body = client.get("/admin/cache/stats").json
    mine, theirs = body.pop("processes")
    assert body == {"hits": 9, "misses": 2, "loads": 2, "size": 2, "ratio": 0.8182}
    assert (mine["hits"], mine["ratio"], mine["backend"]) == (1, 0.5, "simple")
    assert (theirs["hits"], theirs["process"]["host"]) == (8, "elsewhere")


def test_before_the_first_lookup_there_is_no_ratio(client: FlaskClient) -> None:
    assert client.get("/admin/cache/stats").json["ratio"] is None


def test_clearing_the_cache_makes_the_next_lookup_load(client: FlaskClient, runtime: Runtime, db: Database) -> None:
    account = uuid.uuid4()
    loads: list[int] = []

    def load() -> tuple[int, dict[str, str]]:
        loads.append(1)
        return 1, {"business_name": "x"}

    runtime.profiles.get(account, 1, load)
    assert client.post("/admin/cache/clear").json == {"status": "ok", "complete": True}
    runtime.profiles.get(account, 1, load)
    assert len(loads) == 2
    with db.reading() as session:
        assert session.get(Reset, "cache") is not None


# --- incidents ---------------------------------------------------------------------------------------------------


def test_incidents_are_newest_first_with_what_they_affected(client: FlaskClient, db: Database) -> None:
    an_incident(db, "gemini", minutes_ago=60, lasted=90)
    an_incident(db, "whatsapp", minutes_ago=2)
    newest, oldest = client.get("/admin/incidents").json
    assert (newest["upstream"], newest["ended_at"]) == ("whatsapp", None)
    assert newest["duration_s"] >= 120
    assert (oldest["upstream"], oldest["duration_s"]) == ("gemini", 90.0)
    assert oldest["affected"] == {
        "failed_calls": 5,
        "refused_calls": 0,
        "conversations": 2,
        "webhooks_journaled": 0,
    }
    assert oldest["first_error"] == "UpstreamUnavailable connect"


def test_incidents_are_paged_by_the_link_header(client: FlaskClient, db: Database) -> None:
    for minutes in (1, 2, 3):
        an_incident(db, "gemini", minutes_ago=minutes, lasted=5)
    page = client.get("/admin/incidents?limit=2&upstream=gemini")
    assert len(page.json) == 2
    following = page.headers["Link"].partition(">")[0].lstrip("<")
    assert "upstream=gemini" in following
    rest = client.get(following)
    assert len(rest.json) == 1
    assert "Link" not in rest.headers


@pytest.mark.parametrize(
    ("query", "expected"),
    [("upstream=whatsapp", ["whatsapp"]), ("open=true", ["whatsapp"]), ("open=false", ["gemini"])],
)
def test_incidents_can_be_narrowed(client: FlaskClient, db: Database, query: str, expected: list[str]) -> None:
    an_incident(db, "gemini", minutes_ago=60, lasted=90)
    an_incident(db, "whatsapp", minutes_ago=2)
    assert [row["upstream"] for row in client.get(f"/admin/incidents?{query}").json] == expected


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "upstream=redis", "open=perhaps", "cursor=x", "sort=up"])
def test_a_bad_query_names_its_field(client: FlaskClient, query: str) -> None:
    response = client.get(f"/admin/incidents?{query}")
    assert response.status_code == 400
    assert [error["pointer"] for error in response.json["errors"]] == ["?" + query.partition("=")[0]]


# --- who may -----------------------------------------------------------------------------------------------------

ROUTES = [
    ("GET", "/admin/circuit-breakers"),
    ("POST", "/admin/circuit-breakers/gemini/reset"),
    ("GET", "/admin/cache/stats"),
    ("POST", "/admin/cache/clear"),
    ("GET", "/admin/incidents"),
]


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_only_administrators_may(stranger: FlaskClient, db: Database, method: str, path: str) -> None:
    assert stranger.open(path, method=method).status_code == 401
    manager = keys.create(db, name="m", role=Role.MANAGER).secret
    response = stranger.open(path, method=method, headers={"Authorization": f"Bearer {manager}"})
    assert (response.status_code, response.json["code"]) == (403, "permission_denied")


def test_times_on_the_wire_are_rfc_3339(client: FlaskClient, runtime: Runtime, db: Database) -> None:
    runtime.reporter.tick()
    with db.reading() as session:
        (row,) = session.query(Process).all()
    (mine,) = client.get("/admin/circuit-breakers").json[0]["processes"]
    shown = mine["process"]["started_at"]
    assert shown == rfc3339(parse_rfc3339(shown))
    # the row is by the database's clock, the answer by the process's own
    assert abs(parse_rfc3339(shown) - row.started_at) < timedelta(seconds=1)
