"""What became of every row that was read: taken, here already, or left out for a reason."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

_EXAMPLES = 3


class Reason(enum.Enum):
    """Why a row was left out, or is not as it was. The value continues "messages that …"."""

    UNREADABLE = "cannot be read"
    NO_NUMBER_ID = "have no phone_number_id of Meta's, which is digits"
    REMOVED_HERE = "belong to a number that was removed here"
    NO_NUMBER = "belong to a number that is not taken"
    NO_PHONE = "have no phone number with its country code"
    WHOSE = "have no conversation that tells which number they wrote to"
    ERASED = "are of somebody who was erased here"
    NO_CONVERSATION = "are of a conversation that is not taken"
    GONE = "are of a conversation that went away meanwhile"
    NO_DIRECTION = "do not say whether the customer wrote or the business"
    NO_TIME = "have no time that makes sense"
    TOO_OLD = "are older than the number keeps messages"
    TWICE = "are another copy of a message that WhatsApp knows by the same id"
    RECEIPT = "are delivery receipts that were stored as messages"
    NO_TARGET = "are of a message that WhatsApp has no id for"
    NO_EMOJI = "have no emoji"
    TOO_LARGE = "are larger than a profile may be"
    NO_PERMISSIONS = "permit nothing that there is here"
    NO_SIGN_IN = "have neither a usable e-mail address nor an account at Supabase"
    NO_USER = "are of somebody who is not taken"
    NO_ROLE = "are of a role that is not taken"
    NO_PERMISSION = "name a permission that there is not here"
    NO_LEVEL = "name a level of access that is not known"

    # taken, but not as they were
    CANNOT_SEND = "have no usable access token (give one: accounts resume NUMBER --new-token)"
    INACTIVE = "were switched off, and are paused here (accounts resume NUMBER)"
    PART_LEFT = "lost a part that is not allowed here"
    SOME_PERMISSIONS = "permit something that there is not here, and lose it"
    INVITED = "are invited (they sign in by Supabase with their address, or after: users password EMAIL)"
    JOINED = "continue a conversation with the same customer"
    NOT_SENT = "had not been sent, never will be by themselves, and show as failed"
    OTHER_TIME = "have no time that makes sense, stand when they were stored, and open no reply window"
    NO_STATUS = "have no status that is known, and are taken for sent"
    NO_FILE = "have a file that is not kept any longer"


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one row. Without a reason it is taken, or `here` already."""

    id: str
    here: bool = False
    left: Reason | None = None
    notes: tuple[Reason, ...] = ()


@dataclass(slots=True)
class Cases:
    """How many, and the ids of some."""

    count: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, example: str) -> None:
        self.count += 1
        if len(self.examples) < _EXAMPLES:
            self.examples.append(example)


@dataclass(slots=True)
class Tally:
    """Of one kind of row: read == taken + here + left."""

    name: str
    read: int = 0
    taken: int = 0
    here: int = 0
    left_out: dict[Reason, Cases] = field(default_factory=dict)
    notes: dict[Reason, Cases] = field(default_factory=dict)

    @property
    def left(self) -> int:
        return sum(cases.count for cases in self.left_out.values())

    def count(self, outcomes: Iterable[Outcome]) -> None:
        """Add what became of some rows."""
        for outcome in outcomes:
            self.read += 1
            if outcome.left is not None:
                self.left_out.setdefault(outcome.left, Cases()).add(outcome.id)
                continue
            self.taken += not outcome.here
            self.here += outcome.here
            for note in outcome.notes:
                self.notes.setdefault(note, Cases()).add(outcome.id)


def told(tallies: Iterable[Tally], others: Iterable[str], *, written: bool) -> Iterator[str]:
    """The report, line by line. `others` are tables that nothing is taken of."""
    tallies = [each for each in tallies if each.read]
    head = "taken" if written else "to take"
    yield f"{'':20}{'read':>10}{head:>10}{'here':>10}{'left out':>10}"
    for each in tallies:
        yield f"{each.name:20}{each.read:10}{each.taken:10}{each.here:10}{each.left:10}"
    for title, cases in (
        ("Left out:", [(each.name, each.left_out) for each in tallies]),
        ("Taken, but not as they were:", [(each.name, each.notes) for each in tallies]),
    ):
        if any(found for _, found in cases):
            yield ""
            yield title
        for name, found in cases:
            for reason, some in found.items():
                yield f"  {name} that {reason.value}: {some.count}, such as {', '.join(some.examples)}"
    if named := ", ".join(sorted(others)):
        yield ""
        yield f"Tables that nothing is taken of: {named}"
