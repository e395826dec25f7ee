"""Whose fault is it: the upstream's, or that of the one thing it is asked about?

A number, a conversation or a file whose calls fail again and again, while the upstream answers others, says nothing
about the upstream. Its failure counts once (I12), be it an answer or no answer at all.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class About:
    """What a call is about, where no answer concerns something else than an answer does. None: the upstream as a whole.

    WhatsApp answers with failures for a number, and its silence is one recipient's: with a single number, several
    recipients have to be enough to see that WhatsApp is away. While it answers another number, it is not: then the
    silence is the number's as well.
    """

    answered: Hashable
    unanswered: Hashable

    @property
    def has_parts(self) -> bool:
        """What answers are about is a whole, and each call without an answer is about a part of it."""
        return self.unanswered not in (None, self.answered)


@dataclass(slots=True)
class _Record:
    """Of an object whose newest call failed. `at` is how many calls about others had succeeded by then."""

    at: int
    repeats: int = 0  #: failures between which the upstream answered somebody else


class Suspects:
    """Objects by a hash of their name, so that nothing of a customer is kept. The caller holds a lock."""

    MOST = 1000  #: objects; beyond that the oldest is forgotten, and would count again
    GUILTY = 5  #: repeats. At one failure in ten by chance, one object in 100,000 is blamed without fault

    def __init__(self) -> None:
        self._records: OrderedDict[int, _Record] = OrderedDict()
        self._well: OrderedDict[int, None] = OrderedDict()  # wholes whose newest call went well
        self._successes = 0

    def succeeded(self, about: About) -> None:
        """A call went well: what it was about is cleared, and the others are seen to fail alone."""
        self._successes += 1
        for subject in {hash(thing) for thing in (about.answered, about.unanswered) if thing is not None}:
            self._records.pop(subject, None)
        if about.has_parts:
            self._well[hash(about.answered)] = None
            self._well.move_to_end(hash(about.answered))
            if len(self._well) > self.MOST:
                self._well.popitem(last=False)

    def blamed(self, about: About, *, answered: bool) -> int | None:
        """What a call that failed after it was sent says something about; None for the upstream as a whole."""
        if about.has_parts:
            self._well.pop(hash(about.answered), None)
            answered = answered or bool(self._well)
        thing = about.answered if answered else about.unanswered
        return None if thing is None else hash(thing)

    def failed(self, subject: int) -> bool:
        """A call failed after it was sent. True when this is the object's first."""
        record = self._records.get(subject)
        if record is None:
            self._records[subject] = _Record(self._successes)
            if len(self._records) > self.MOST:
                self._records.popitem(last=False)
            return True
        if self._successes > record.at:
            record.at = self._successes
            record.repeats += 1
        return False

    def fails_alone(self, subject: int) -> bool:
        """True when somebody else was answered between two failures of this object."""
        record = self._records.get(subject)
        return record is not None and record.repeats > 0

    def is_guilty(self, subject: int) -> bool:
        """True when that happened so often that it is no chance."""
        record = self._records.get(subject)
        return record is not None and record.repeats >= self.GUILTY

    def clear(self) -> None:
        self._records.clear()
        self._well.clear()
