"""What a check says: ok, warning or problem, what about, and in plain words what to do."""

from __future__ import annotations

import enum
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from inbox.errors import UpstreamError, UpstreamOutcomeUnknown, UpstreamUntrusted


class Level(enum.StrEnum):
    OK = "ok"
    WARNING = "warning"  #: it works, but somebody should look
    PROBLEM = "problem"  #: something does not work until somebody acts


@dataclass(frozen=True, slots=True)
class Finding:
    """One line. `found` and `do` are sentences for people at a terminal; neither ever holds a secret.

    What is found of a number has a `code` as well, from which pages make sentences of their own with the `values`.
    """

    level: Level
    what: str
    found: str
    do: str | None = None
    code: str = ""
    values: Mapping[str, str] = field(default_factory=dict)


def ok(what: str, found: str, code: str = "", **values: str) -> Finding:
    return Finding(Level.OK, what, found, None, code, values)


def warning(what: str, found: str, do: str, code: str = "", **values: str) -> Finding:
    return Finding(Level.WARNING, what, found, do, code, values)


def problem(what: str, found: str, do: str, code: str = "", **values: str) -> Finding:
    return Finding(Level.PROBLEM, what, found, do, code, values)


def silent(what: str, error: UpstreamError, total: float) -> Finding:
    """No answer came within `total` seconds: how far the request got says where to look."""
    if isinstance(error, UpstreamUntrusted):
        return problem(
            what,
            "its certificate is not to be trusted, so we do not talk to it",
            "Look at this machine's clock and CA certificates, and whether a proxy reads the traffic.",
            "untrusted",
        )
    if isinstance(error, UpstreamOutcomeUnknown):
        return problem(
            what,
            f"takes the connection, but no whole answer came within {total:g} s ({error.reason})",
            "If its status page shows nothing, look for a proxy or firewall that swallows answers.",
            "no_whole_answer",
            seconds=f"{total:g}",
        )
    return problem(
        what,
        f"cannot be reached ({error.reason})",
        "Look at name resolution, the firewall and outbound connections of this host, and at the *_URL setting.",
        "unreachable",
    )


def seconds(value: float) -> str:
    """A duration as people say it: 0.3 s, 12 s, 5 min, 3 h, 2 days."""
    if value < 1:
        return f"{value:.1f} s"
    for size, name in ((86_400 * 2, "days"), (3600 * 2, "h"), (120, "min")):
        if value >= size:
            return f"{value / {'days': 86_400, 'h': 3600, 'min': 60}[name]:.0f} {name}"
    return f"{value:.0f} s"


class Clocks:
    """How far other clocks are ahead of ours, as far as the other checks saw them. Thread-safe."""

    TOLERANCE = 30.0  # seconds; WhatsApp's windows and signed tokens forgive that much

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.now = now
        self._lock = threading.Lock()
        self._ahead: dict[str, float] = {}

    def saw(self, whose: str, theirs: datetime) -> None:
        """Somebody's time, as of now."""
        with self._lock:
            self._ahead[whose] = (theirs - self.now()).total_seconds()

    def check(self) -> list[Finding]:
        """Is our clock right? If most of the others are against it, it is not; else the odd one out is named."""
        with self._lock:
            ahead = dict(self._ahead)
        if not ahead:
            nobody = "nobody answered whose clock could be compared with ours"
            return [warning("clock", nobody, "Compare this machine's time with a clock you trust.")]
        off = {whose: offset for whose, offset in ahead.items() if abs(offset) > self.TOLERANCE}
        if 2 * len(off) > len(ahead):
            typical = sorted(off.values())[len(off) // 2]
            found = f"{seconds(abs(typical))} {'behind' if typical > 0 else 'ahead of'} the clock of {_names(off)}"
            return [problem("clock", f"this machine's clock is {found}", _SYNCHRONISE)]
        if off:
            found = (
                f"the clock of {_names(off)} differs from ours by more than {self.TOLERANCE:g} s; others agree with us"
            )
            return [problem("clock", found, f"Correct the clock of {_names(off)}.")]
        return [ok("clock", f"agrees with that of {_names(ahead)}")]


_SYNCHRONISE = (
    "Switch on time synchronisation (timedatectl set-ntp true, or the platform's own). Until then reply windows, "
    "signed tokens and the order of messages are judged by a wrong time."
)


def _names(clocks: Iterable[str]) -> str:
    return ", ".join(sorted(clocks))
