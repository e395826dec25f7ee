"""What `scale.py` asks for: the same question to our application and to the floor."""

from __future__ import annotations

import json
import random
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from urllib.parse import urlencode
from uuid import UUID

import psycopg

from inbox.clock import rfc3339
from inbox.db.paging import Cursor
from tests.benchmarks import load
from tests.benchmarks.ingest import SECRET
from tests.benchmarks.scale_wire import get
from tests.builders import signed, text_message, webhook

NUMBER_ID = "300000000000000"  # of the account that has nine tenths of everything
_NEW = 10  # conversations that changed since a poll's updated_since


@dataclass(frozen=True)
class Samples:
    """What there is to ask for in one database: ids, times and names of its largest account."""

    url: str
    conversations: int  #: in the whole database
    account: UUID
    deep: list[tuple[datetime, UUID]]  #: places all over the list
    threads: list[UUID]  #: with 100 messages at least
    since: datetime
    names: list[str]

    @classmethod
    def of(cls, url: str) -> Samples:
        """Read them."""
        with psycopg.connect(url, autocommit=True) as connection:

            def column(query: str, *values: object) -> list[object]:
                return [row[0] if len(row) == 1 else row for row in connection.execute(query, values)]

            (account,) = column("SELECT id FROM whatsapp_accounts WHERE phone_number_id = %s", NUMBER_ID)
            share = "tablesample bernoulli (%s) repeatable (1)"
            (count,) = column("SELECT count(*) FROM conversations")
            percent = min(100.0, 20_000 / count)
            picked = f"SELECT {{}} FROM conversations c {share} WHERE c.account_id = %s"
            deep = column(picked.format("c.updated_at, c.id"), percent, account)
            long = picked.format("c.id") + " AND 100 <= (SELECT count(*) FROM (SELECT FROM messages m"
            threads = column(f"{long} WHERE m.conversation_id = c.id LIMIT 100) x)", min(100.0, percent * 50), account)
            newest = (
                "SELECT changed_at FROM conversations WHERE account_id = %s ORDER BY changed_at DESC LIMIT 1 OFFSET %s"
            )
            (since,) = column(newest, account, _NEW - 1)
            names = column(f"SELECT display_name FROM contacts c {share} WHERE c.account_id = %s", percent, account)
        return cls(url, count, account, deep, threads, since, names)  # type: ignore[arg-type]

    def stored(self) -> int:
        """How many messages the benchmark's webhooks have become."""
        with psycopg.connect(self.url) as connection:
            query = "SELECT coalesce(sum(stored), 0) FROM webhook_events WHERE state = 'done'"
            return int(connection.execute(query).fetchone()[0])  # type: ignore[index]


class Served(Protocol):
    """What a case needs to know of a side."""

    key: str
    samples: Samples


@dataclass(frozen=True)
class Case:
    """One kind of request. `ask` gives our path with its query, and the floor's query name with its values."""

    name: str
    ask: Callable[[Samples, random.Random], tuple[str, str, Mapping[str, object]]]

    def request(self, side: Served, target: str, rng: random.Random) -> bytes:
        """The bytes to send to ours or to the floor."""
        path, query, values = self.ask(side.samples, rng)
        if target == "ours":
            return get(path, {"Authorization": f"Bearer {side.key}"})
        return get(f"/floor/{query}?{urlencode(values)}", {})


def _listed(query: str, **ours: str) -> Callable[[Samples, random.Random], tuple[str, str, Mapping[str, object]]]:
    def ask(samples: Samples, _rng: random.Random) -> tuple[str, str, Mapping[str, object]]:
        path = f"/conversations?{urlencode({'account_id': samples.account, **ours})}"
        return path, query, {"account": samples.account, "limit": 51}

    return ask


def _deep(samples: Samples, rng: random.Random) -> tuple[str, str, Mapping[str, object]]:
    time_, id_ = rng.choice(samples.deep)
    cursor = Cursor(time_, id_).encode()
    values = {"account": samples.account, "time": time_.isoformat(), "id": id_, "limit": 51}
    return f"/conversations?{urlencode({'account_id': samples.account, 'cursor': cursor})}", "deep", values


def _poll(samples: Samples, _rng: random.Random) -> tuple[str, str, Mapping[str, object]]:
    since = rfc3339(samples.since)
    path = f"/conversations?{urlencode({'account_id': samples.account, 'updated_since': since})}"
    return path, "poll", {"account": samples.account, "since": since, "limit": 51}


def _thread(limit: int) -> Callable[[Samples, random.Random], tuple[str, str, Mapping[str, object]]]:
    def ask(samples: Samples, rng: random.Random) -> tuple[str, str, Mapping[str, object]]:
        id_ = rng.choice(samples.threads)
        return f"/messages/{id_}?limit={limit}", "thread", {"id": id_, "limit": limit}

    return ask


def _search(whole: bool) -> Callable[[Samples, random.Random], tuple[str, str, Mapping[str, object]]]:
    """A whole name, which one contact has, or its first word, which three in a hundred have."""

    def ask(samples: Samples, rng: random.Random) -> tuple[str, str, Mapping[str, object]]:
        name = rng.choice([name for name in samples.names if len(name.split()[0]) >= 3])
        words = name if whole else name.split()[0]
        path = f"/conversations?{urlencode({'account_id': samples.account, 'q': words, 'limit': 20})}"
        return path, "search", {"account": samples.account, "q": f"%{words}%", "limit": 21}

    return ask


def _counts(samples: Samples, _rng: random.Random) -> tuple[str, str, Mapping[str, object]]:
    path = f"/conversations/counts?account_id={samples.account}"
    return path, "counts", {"account": samples.account, "user": UUID(int=0)}


CASES = [
    Case("first page", _listed("first")),
    Case("deep page", _deep),
    Case("thread of 50", _thread(50)),
    Case("thread of 100", _thread(100)),
    Case("poll, 10 new", _poll),
    Case("unread", _listed("unread", unread="true")),
    Case("needs a person", _listed("human", needs_human="true")),
    Case("search, one", _search(whole=True)),
    Case("search, many", _search(whole=False)),
    Case("counts", _counts),
]


def webhooks(url: str, count: int, conversations: int) -> list[bytes]:
    """Signed webhooks with one message each, of customers all over the database."""
    run, at, rng = uuid.uuid4().hex[:8], int(time.time()), random.Random()
    made = []
    for number in range(count):
        phone = str(33600000000 + rng.randrange(1, conversations + 1))
        message = text_message(f"message {number}", wa_id=f"wamid.{run}.{number}", phone=phone, at=at)
        contacts = [{"wa_id": phone, "profile": {"name": f"Customer {phone}"}}]
        body = json.loads(webhook(number_id=NUMBER_ID, contacts=contacts, messages=[message]))
        raw = json.dumps(body, separators=(",", ":")).encode()
        made.append(load.request_bytes(f"{url}/webhook/whatsapp", "POST", raw, signed(raw, SECRET)))
    return made
