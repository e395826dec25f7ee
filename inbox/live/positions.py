"""Positions among the changes of an account, as clients hold them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from uuid import UUID

from itsdangerous import BadData, URLSafeSerializer

from inbox.clock import parse_rfc3339, rfc3339
from inbox.errors import FieldProblem, InvalidRequest

_SHOWN_LATELY = 4096  # positions


@dataclass(frozen=True, slots=True)
class Position:
    """Changes from `since` on are still to be told.

    `scene` is what was told of the moment (`changes`). In the middle of many: those up to (`time`, `id`) have been
    told, and `until` is where the next round begins.
    """

    since: datetime
    scene: str = ""
    until: datetime | None = None
    time: datetime | None = None
    id: UUID | None = None


class Positions:
    """Positions as clients hold them: opaque, signed, and good for one account."""

    def __init__(self, secret: str) -> None:
        self._signer = URLSafeSerializer(secret, salt="changes")
        #: While nothing happens, a page shows the same position again and again.
        self.decode = lru_cache(_SHOWN_LATELY)(self._decode)

    def encode(self, account_id: UUID, position: Position) -> str:
        parts = [rfc3339(position.since), position.scene]
        if position.until is not None and position.time is not None and position.id is not None:
            parts += [rfc3339(position.until), rfc3339(position.time), position.id.hex]
        return str(self._signer.dumps([account_id.hex, *parts]))

    def _decode(self, account_id: UUID, token: str) -> Position:
        """Raises InvalidRequest for what `encode` did not make for this account."""
        try:
            whose, since, scene, *rest = self._signer.loads(token)
            if whose != account_id.hex:
                raise ValueError("of another account")
            if not rest:
                return Position(parse_rfc3339(since), str(scene))
            until, told, last = rest
            return Position(parse_rfc3339(since), str(scene), parse_rfc3339(until), parse_rfc3339(told), UUID(hex=last))
        except (BadData, ValueError, TypeError, AttributeError):
            problem = "is not a position in this account; take `next` of an earlier answer, or leave it out"
            raise InvalidRequest([FieldProblem("?since", "not_a_position", problem)]) from None
