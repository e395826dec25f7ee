"""What the demo's drawer asks of the simulator: a customer's phone, faults for a minute, and the score."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import requests
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from inbox.conversations.counts import WAITING
from inbox.db import Database
from inbox.metrics import meters
from inbox.models import Conversation, Direction, Message
from inbox.outbox.outcomes import parse_callback

LASTS = 60.0  # seconds of a fault
_WAIT = 3.0  # seconds for the simulator, which runs beside us
_SETTLED = 30.0  # seconds after which a webhook that was taken should be stored
_MOST = 2000  # webhooks and deliveries that are looked at

#: By the name the drawer has for it: what is switched on at the simulator.
FAULTS: Mapping[str, tuple[dict[str, Any], ...]] = {
    "gemini_hangs": ({"upstream": "gemini", "fault": "hang", "seconds": 30},),
    "gemini_503": ({"upstream": "gemini", "fault": "status", "code": 503},),
    "whatsapp_late": ({"upstream": "whatsapp", "fault": "late", "seconds": 12},),
    "answer_lost": ({"upstream": "whatsapp", "fault": "close_after", "times": 1, "match": {"path": "messages"}},),
    "token_refused": ({"upstream": "whatsapp", "fault": "graph_error", "code": 190},),
    "webhooks_twice": (
        {"upstream": "webhook", "fault": "duplicate"},
        {"upstream": "webhook", "fault": "reorder", "seconds": 1},
    ),
}


@dataclass(frozen=True, slots=True)
class Score:
    """What the demo is about: nobody forgotten, nobody answered twice, nothing lost, no error of ours."""

    wrote: int
    answered: int
    waiting: int
    twice: int
    lost: int
    our_errors: int


class Simulator:
    """The simulator at `url`."""

    def __init__(self, url: str) -> None:
        self._url = url

    def write(self, phone: str, name: str, text: str) -> None:
        """A customer writes."""
        self._ask("POST", "/_customers/messages", {"phone": phone, "name": name, "text": text})

    def break_(self, name: str) -> None:
        """Switch a fault on for a minute."""
        for fault in FAULTS[name]:
            self._ask("POST", "/_faults", {**fault, "schedule": {"for": LASTS}})

    def mend(self) -> None:
        """Switch all faults off."""
        self._ask("DELETE", "/_faults")

    def received(self, phone: str) -> list[dict[str, Any]]:
        """The texts that reached this phone, oldest first."""
        found = self._ask("GET", f"/_deliveries?to={phone}&limit=50")["deliveries"]
        return [{"id": each["wamid"], "text": each["text"] or "", "at": each["at"]} for each in found]

    def score(self, db: Database) -> Score:
        """How the demo stands."""
        deliveries = self._ask("GET", f"/_deliveries?limit={_MOST}")["deliveries"]
        webhooks = self._ask("GET", f"/_webhooks?limit={_MOST}")["webhooks"]
        with db.reading() as session:
            wrote, waiting = session.execute(_COUNTS).one()
            lost = _not_stored(session, _taken(webhooks))
        return Score(wrote, max(0, wrote - waiting), waiting, _twice(deliveries), lost, _our_errors(webhooks))

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        response = requests.request(method, self._url + path, json=body, timeout=_WAIT)
        response.raise_for_status()
        return response.json()


_COUNTS = select(
    select(func.count()).select_from(Conversation).where(Conversation.last_inbound_at.is_not(None)).scalar_subquery(),
    select(func.count()).select_from(Conversation).where(WAITING).scalar_subquery(),
)


def _twice(deliveries: Iterable[Mapping[str, Any]]) -> int:
    """Messages of ours that reached a phone more than once."""
    ours = Counter(called[0] for each in deliveries if (called := parse_callback(each["callback_data"])))
    return sum(count > 1 for count in ours.values())


def _taken(webhooks: Iterable[Mapping[str, Any]]) -> set[str]:
    """The ids of customers' texts in webhooks that we have taken, some time ago."""
    settled = time.time() - _SETTLED
    updates = (each["updates"] for each in webhooks if each["state"] == "acknowledged" and each["created_at"] < settled)
    return {update.partition(" ")[2] for each in updates for update in each if update.startswith("text ")}


def _not_stored(session: Session, taken: set[str]) -> int:
    newest = (
        select(Message.wa_message_id)
        .where(Message.direction == Direction.INBOUND)
        .order_by(Message.id.desc())
        .limit(2 * _MOST)
    )
    return len(taken - set(session.execute(newest).scalars()))


def _our_errors(webhooks: Iterable[Mapping[str, Any]]) -> int:
    """5xx of ours: to WhatsApp, and to everybody else whom this process answered."""
    to_whatsapp: int = sum((attempt["status"] or 0) >= 500 for each in webhooks for attempt in each["attempts"])
    samples = [sample for metric in meters.REQUESTS.collect() for sample in metric.samples]
    to_others = sum(
        sample.value
        for sample in samples
        if sample.name.endswith("_total")
        and sample.labels["status"].startswith("5")
        and "webhook" not in sample.labels["route"]
    )
    return to_whatsapp + int(to_others)
