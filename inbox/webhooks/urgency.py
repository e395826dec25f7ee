"""Which webhooks may wait: those that hold delivery statuses and nothing else."""

from __future__ import annotations

import re

_STATUSES = re.compile(rb'"statuses"\s*:')
_MORE = re.compile(rb'"messages"\s*:|"field"\s*:\s*"(?!messages")')


def only_statuses(body: bytes) -> bool:
    """True when a webhook's body has statuses and neither messages nor another field.

    Looked up in the bytes, because it is asked on the request path; a wrong answer costs a place in the line, no more.
    """
    return _STATUSES.search(body) is not None and _MORE.search(body) is None
