"""Message ids, and which of them exist."""

import base64
import itertools
import os
import threading
from collections import OrderedDict
from typing import Literal

Kind = Literal["customer", "business", "reaction"]

_serial = itertools.count(1)


def new_wamid(whose: str) -> str:
    """A message id: opaque base64 like Meta's, never the same again, in no run."""
    unique = next(_serial).to_bytes(4, "big") + os.urandom(9)
    return "wamid." + base64.b64encode(b"\x1c\x18" + whose.encode()[:20] + b"\x15\x02\x00" + unique).decode()


class Wamids:
    """The last ids given out, and who wrote the message: enough to tell one that exists from one that does not."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kinds: OrderedDict[str, Kind] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, wamid: str, kind: Kind) -> None:
        with self._lock:
            self._kinds[wamid] = kind
            if len(self._kinds) > self._limit:
                self._kinds.popitem(last=False)

    def kind_of(self, wamid: str) -> Kind | None:
        return self._kinds.get(wamid)

    def clear(self) -> None:
        with self._lock:
            self._kinds.clear()
