"""One run from beginning to end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from inbox.legacy import messages, numbers, people, tally, threads
from inbox.legacy.moving import Move

#: What others refer to comes first.
_PARTS = (
    numbers.move_numbers,
    people.move_roles,
    people.move_users,
    numbers.move_profiles,
    threads.move_contacts,
    threads.move_conversations,
    messages.move_messages,
    messages.move_reactions,
)
_KNOWN = frozenset({"app_permissions"})  #: is not taken, and not missed: the permissions here are the program's own


@dataclass(frozen=True, slots=True)
class Report:
    """What was read, and what became of it."""

    tallies: list[tally.Tally]
    others: frozenset[str]  #: tables of which nothing is taken
    written: bool

    @property
    def complete(self) -> bool:
        """True when nothing was left out."""
        return not any(each.left for each in self.tallies)

    def lines(self) -> Iterator[str]:
        return tally.told(self.tallies, self.others, written=self.written)


def run(move: Move) -> Report:
    """Take what is new. What a run that was cut short has taken is here already for the next one.

    Raises DatabaseUnavailable for our database.
    """
    for part in _PARTS:
        part(move)
    others = move.source.tables.keys() - move.read - _KNOWN
    return Report(move.tallies, frozenset(others), move.writes)
