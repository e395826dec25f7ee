"""The board of faults: which are switched on, and which one acts on what comes along."""

import itertools
import random
import re
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from sandbox.customers import same_recipient
from sandbox.fault_kinds import HTTP_UPSTREAMS, KINDS, UPSTREAMS, FaultError

_COMMON_KEYS = {"upstream", "fault", "probability", "times", "match", "schedule"}
_REQUEST_MATCHES = {"method", "path", "body", "to"}
_WEBHOOK_MATCHES = {"type", "to"}


class Subject(Protocol):
    """What a fault may act on: a request, or an update on its way to the application."""

    def trait(self, name: str, /) -> str | None:
        """The value that the regular expression of this name in `match` is searched in."""

    def recipients(self) -> tuple[str, ...]:
        """What the customer it concerns is called, for `match` with `to`."""


@dataclass(slots=True)
class Rule:
    """One fault that was switched on, and how often it has acted."""

    id: str
    upstream: str
    fault: str
    params: dict[str, Any]
    probability: float
    times: int | None
    match: dict[str, str]
    schedule: dict[str, float]
    patterns: dict[str, re.Pattern[str]]
    since: float
    hits: int = 0

    def is_due(self, now: float) -> bool:
        """Whether its schedule and its number of times leave it something to do. now is of the board's clock."""
        age = now - self.since
        start = self.schedule.get("after", 0.0)
        in_time = start <= age < start + self.schedule.get("for", float("inf"))
        return in_time and (self.times is None or self.hits < self.times)

    def fits(self, subject: Subject) -> bool:
        wanted = self.match.get("to")
        if wanted is not None and not any(same_recipient(each, wanted) for each in subject.recipients()):
            return False
        return all(pattern.search(subject.trait(name) or "") for name, pattern in self.patterns.items())

    def as_json(self) -> dict[str, Any]:
        hidden = ("patterns", "since")
        return {name: getattr(self, name) for name in self.__slots__ if name not in hidden}


class FaultBoard:
    """The faults that are switched on. Safe to use from every thread."""

    def __init__(self, seed: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._rules: tuple[Rule, ...] = ()
        self._lock = threading.Lock()
        self._random = random.Random(seed)
        self._ids = itertools.count(1)

    def add(self, upstream: str, fault: str, **settings: Any) -> str:
        """Switch a fault on and return its id. Raises FaultError.

        settings are the fault's parameters and `probability` (0 … 1), `times` (None: always), `match` (regular
        expressions on method, path and body, and a phone number or user id as `to`; on webhooks `type` and `to`) and
        `schedule` ({"after": seconds, "for": seconds}, from now).
        """
        if upstream not in UPSTREAMS:
            raise FaultError(f"unknown upstream {upstream}; there is {', '.join(UPSTREAMS)}")
        names = [name for name, kind in KINDS.items() if upstream in kind.upstreams]
        if fault not in names:
            raise FaultError(f"unknown fault {fault}; for {upstream} there is {', '.join(names)}")
        params = {name: value for name, value in settings.items() if name not in _COMMON_KEYS}
        match = _match(settings.get("match"), _WEBHOOK_MATCHES if upstream == "webhook" else _REQUEST_MATCHES)
        rule = Rule(
            id=f"fault-{next(self._ids)}",
            upstream=upstream,
            fault=fault,
            params=KINDS[fault].read(params),
            probability=_probability(settings.get("probability", 1.0)),
            times=_times(settings.get("times")),
            match=match,
            schedule=_schedule(settings.get("schedule")),
            patterns={name: _pattern(name, wanted) for name, wanted in match.items() if name != "to"},
            since=self._clock(),
        )
        with self._lock:
            self._rules += (rule,)
        return rule.id

    def add_from_json(self, content: Any) -> str:
        """The same from the body of `POST /_faults`."""
        if not isinstance(content, dict):
            raise FaultError("a fault is a JSON object")
        upstream, fault = content.get("upstream"), content.get("fault")
        if not isinstance(upstream, str) or not isinstance(fault, str):
            raise FaultError(f"upstream and fault are required; faults: {', '.join(KINDS)}")
        return self.add(upstream, fault, **{key: content[key] for key in content if key not in ("upstream", "fault")})

    def remove(self, fault_id: str | None = None) -> int:
        """Switch one fault off, or all; the number that were on."""
        with self._lock:
            kept = tuple(rule for rule in self._rules if fault_id is not None and rule.id != fault_id)
            removed = len(self._rules) - len(kept)
            self._rules = kept
        return removed

    def rules(self) -> tuple[Rule, ...]:
        return self._rules

    def pick(self, upstream: str, subject: Subject, among: Collection[str] = KINDS.keys()) -> Rule | None:
        """The first fault that acts on this subject now, counted as a hit; None for an undisturbed course."""
        if not self._rules:
            return None
        now = self._clock()
        with self._lock:
            for rule in self._rules:
                concerns = rule.upstream == upstream or (rule.upstream == "any" and upstream in HTTP_UPSTREAMS)
                if not concerns or rule.fault not in among or not rule.is_due(now) or not rule.fits(subject):
                    continue
                if rule.probability >= 1 or self._random.random() < rule.probability:
                    rule.hits += 1
                    return rule
        return None


def _match(value: Any, known: Collection[str]) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, Mapping) or not all(isinstance(each, str) for each in value.values()):
        raise FaultError("match is an object of strings")
    if unknown := sorted(set(value) - set(known)):
        raise FaultError(f"unknown match {', '.join(unknown)}; there is {', '.join(sorted(known))}")
    return dict(value)


def _pattern(name: str, wanted: str) -> re.Pattern[str]:
    try:
        return re.compile(wanted)
    except re.error as error:
        raise FaultError(f"match {name} is not a regular expression: {error}") from error


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def _schedule(value: Any) -> dict[str, float]:
    if value is None:
        return {}
    fits = isinstance(value, Mapping) and set(value) <= {"after", "for"} and all(map(_is_number, value.values()))
    if not fits:
        raise FaultError("schedule takes `after` and `for`, in seconds")
    return dict(value)


def _probability(value: Any) -> float:
    if not _is_number(value) or value > 1:
        raise FaultError("probability is a number from 0 to 1")
    return float(value)


def _times(value: Any) -> int | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value > 0):
        return value
    raise FaultError("times is null or a whole number above 0")
