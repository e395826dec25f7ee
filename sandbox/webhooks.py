"""Deliver updates to the application the way Meta does: signed, at least once, in no promised order.

Source: Meta, "Webhooks > Overview": a POST is repeated, ever less often, until it is answered 200.
"""

import http.client
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from sandbox.fault_kinds import AT_ATTEMPT, BEFORE_SENDING
from sandbox.faults import FaultBoard, Rule, Subject
from sandbox.options import Options
from sandbox.payloads import Update, encode, envelope, signature_of
from sandbox.poster import Posters
from sandbox.records import Attempt, Records, WebhookRecord
from sandbox.scheduler import Scheduler


@dataclass(slots=True)
class Post:
    """One webhook body on its way. `done` is set when it is acknowledged or given up."""

    body: bytes
    subject: Subject
    record: WebhookRecord
    done: threading.Event = field(default_factory=threading.Event)


class _Raw:
    """A body that somebody else made; no `match` of a fault fits it."""

    def trait(self, _name: str) -> str | None:
        return None

    def recipients(self) -> tuple[str, ...]:
        return ()


class Webhooks:
    """The way out to the application. `url` may change at any time; None: nothing is delivered."""

    def __init__(self, options: Options, faults: FaultBoard, records: Records) -> None:
        self.url = options.webhook_url
        self.subscribed = True
        self._options = options
        self._faults = faults
        self._records = records
        self._scheduler = Scheduler(options.webhook_workers)
        self._posters = Posters(options.webhook_timeout)
        self._lock = threading.Lock()
        self._gathered: dict[str, list[Update]] = {}
        self._awaited: set[threading.Event] = set()
        self._acts: Mapping[str, Callable[[Rule, Update], None]] = {
            "delay": self._delay,
            "drop": self._drop,
            "duplicate": self._duplicate,
            "reorder": self._gather,
            "batch": self._gather,
        }

    def start(self) -> None:
        self._scheduler.start()

    def close(self) -> None:
        """End the threads, and what they are posting."""
        self._scheduler.stop()
        with self._lock:
            for event in self._awaited:
                event.set()
        self._posters.abort()
        while not self._scheduler.join(0.1):
            self._posters.abort()  # one may have connected just after the last time
        self._posters.close()

    def forget(self) -> None:
        """Drop what has not left yet, repetitions included."""
        self._scheduler.forget()
        with self._lock:
            self._gathered.clear()

    def send(self, update: Update, after: float = 0.0) -> None:
        """Deliver an update, after so many seconds and whatever the faults make of it."""
        self._scheduler.after(after, partial(self._release, update))

    def send_and_wait(self, update: Update, seconds: float) -> bool:
        """Deliver an update past the faults; whether it was acknowledged within that time."""
        post = self._new_post([update])
        with self._lock:
            self._awaited.add(post.done)
        self._scheduler.after(0, partial(self._attempt, post))
        post.done.wait(seconds)
        with self._lock:
            self._awaited.discard(post.done)
        return post.record.state == "acknowledged"

    def send_body(self, body: bytes) -> None:
        """Sign and deliver these very bytes."""
        record = WebhookRecord(body=body, updates=[], created_at=self._options.clock())
        self._records.webhooks.add(record)
        self._scheduler.after(0, partial(self._attempt, Post(body, _Raw(), record)))

    def _release(self, update: Update) -> None:
        rule = self._faults.pick("webhook", update, BEFORE_SENDING)
        if rule is None:
            self._attempt(self._new_post([update]))
        else:
            self._acts[rule.fault](rule, update)

    def _new_post(self, updates: Sequence[Update], *faults: str) -> Post:
        body = encode(envelope(self._options.waba_id, updates))
        described = [update.describe() for update in updates]
        record = WebhookRecord(body=body, updates=described, created_at=self._options.clock(), faults=list(faults))
        self._records.webhooks.add(record)
        return Post(body, updates[0], record)

    def _delay(self, rule: Rule, update: Update) -> None:
        self._scheduler.after(rule.params["seconds"], partial(self._attempt, self._new_post([update], "delay")))

    def _drop(self, _rule: Rule, update: Update) -> None:
        self._new_post([update], "drop").record.state = "dropped"

    def _duplicate(self, rule: Rule, update: Update) -> None:
        for number in range(rule.params["copies"] + 1):
            post = self._new_post([update], "duplicate")
            self._scheduler.after(number * rule.params["gap"], partial(self._attempt, post))

    def _gather(self, rule: Rule, update: Update) -> None:
        """Keep the update until as many are there as the rule wants, or the first has waited long enough."""
        size = rule.params["window"] if rule.fault == "reorder" else rule.params["size"]
        with self._lock:
            gathered = self._gathered.setdefault(rule.id, [])
            gathered.append(update)
            is_first, is_full = len(gathered) == 1, len(gathered) >= size
        if is_full:
            self._let_go(rule, gathered)
        elif is_first:
            self._scheduler.after(rule.params["seconds"], partial(self._let_go, rule, gathered))

    def _let_go(self, rule: Rule, gathered: list[Update]) -> None:
        with self._lock:
            if self._gathered.get(rule.id) is not gathered:
                return  # they have left already
            del self._gathered[rule.id]
        if rule.fault == "batch":
            self._attempt(self._new_post(gathered, "batch"))
            return
        for update in reversed(gathered):
            self._attempt(self._new_post([update], "reorder"))

    def _attempt(self, post: Post) -> None:
        """One POST; after anything but 200 the next one is scheduled, until the delays are used up."""
        url = self.url if self.subscribed else None
        if url is None:
            post.record.state = "no webhook_url" if self.subscribed else "not subscribed"
            post.done.set()
            return
        attempt = self._post(url, post)
        post.record.attempts.append(attempt)
        delays = self._options.webhook_retry_delays
        if attempt.status == 200:
            post.record.state = "acknowledged"
            post.done.set()
        elif len(post.record.attempts) <= len(delays):
            self._scheduler.after(delays[len(post.record.attempts) - 1], partial(self._attempt, post))
        else:
            post.record.state = "given up"
            post.done.set()

    def _post(self, url: str, post: Post) -> Attempt:
        rule = self._faults.pick("webhook", post.subject, AT_ATTEMPT)
        secret = self._options.app_secret if rule is None else f"not-{self._options.app_secret}"
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "facebookexternalua",
            "X-Hub-Signature-256": signature_of(post.body, secret),
        }
        status, error, started = None, None, time.monotonic()
        try:
            status = self._posters.mine().post(url, post.body, headers)
        except (OSError, http.client.HTTPException) as failure:
            error = f"{type(failure).__name__}: {failure}"
        return Attempt(
            at=self._options.clock(),
            status=status,
            seconds=round(time.monotonic() - started, 6),
            error=error,
            fault=rule.fault if rule else None,
        )
