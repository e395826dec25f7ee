"""What several threads want to have stored at about the same time: in one transaction.

To store one takes as much as to make it. So the thread that comes first stores for all that wait, and while others are
under way it waits a moment for them. Who is alone waits for nobody.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from inbox.db.wake import GATHER
from inbox.errors import DatabaseUnavailable

Item = TypeVar("Item")


@dataclass(eq=False)
class _Waiting(Generic[Item]):
    """What one thread brings. `error`: why it could not be stored."""

    item: Item
    done: bool = False
    error: Exception | None = None


@dataclass
class Gathering(Generic[Item]):
    """Of one process. Any thread may call it.

    `together` stores several in one transaction, and returns those that have to be stored `alone`: as are those that
    are not `usual`.
    """

    together: Callable[[Sequence[Item]], Sequence[Item]]
    alone: Callable[[Item], object]
    is_usual: Callable[[Item], bool] = lambda _item: True
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _waiting: list[_Waiting[Item]] = field(default_factory=list)
    _under_way: int = 0
    _storing: bool = False

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """Something is being made that will be stored soon."""
        with self._changed:
            self._under_way += 1
        try:
            yield
        finally:
            with self._changed:
                self._under_way -= 1
                self._changed.notify_all()

    def store(self, item: Item) -> None:
        """Return when it is stored. Raises what storing it raised."""
        mine = _Waiting(item)
        with self._changed:
            self._waiting.append(mine)
            self._changed.notify_all()
            self._changed.wait_for(lambda: mine.done or not self._storing)
            if not mine.done:
                self._storing = True
                self._changed.wait_for(lambda: not self._under_way, GATHER)
                taken, self._waiting = self._waiting, []
        if not mine.done:
            self._store(taken)
        if mine.error is not None:
            raise mine.error

    def _store(self, taken: Sequence[_Waiting[Item]]) -> None:
        try:
            for each in self._left(taken):
                try:
                    self.alone(each.item)
                except Exception as error:
                    each.error = error
        finally:
            with self._changed:
                for each in taken:
                    each.done = True
                self._storing = False
                self._changed.notify_all()

    def _left(self, taken: Sequence[_Waiting[Item]]) -> list[_Waiting[Item]]:
        """Those that have to be stored alone, after all others were stored together."""
        alike = [each for each in taken if self.is_usual(each.item)]
        alone = [each for each in taken if each not in alike]
        if not alike:
            return alone
        try:
            left = {id(item) for item in self.together([each.item for each in alike])}
        except DatabaseUnavailable as error:
            for each in alike:
                each.error = error
            return alone
        except Exception:  # whichever it is: alone it holds up nobody else
            return [*taken]
        return [*alone, *(each for each in alike if id(each.item) in left)]
