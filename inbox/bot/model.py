"""Which model is asked: the profile's, else the fallback, and none whose quota is known to be used up.

A quota belongs to the Google project, so what one process learns is stored for all of them (`cool_downs`). Breakers
are not: they are about what a process can reach.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import BindParameter, ColumnElement, delete, exists, select
from sqlalchemy.orm import Session

from inbox.db import Database, insert
from inbox.errors import UpstreamMisconfigured, UpstreamThrottled
from inbox.gateways.gemini import UPSTREAM, Gemini, Generated, ModelGone, Turn
from inbox.models import CoolDown

log = logging.getLogger(__name__)

DAILY_QUOTA = "daily_quota"
_GONE, _THROTTLED = "gone", "throttled"
#: Daily quotas start again at its midnight (Gemini API, Rate limits, 2026).
_QUOTA_ZONE = ZoneInfo("America/Los_Angeles")
_GONE_FOR = timedelta(minutes=15)  # a retired model does not come back; a mistaken 404 does
_LONGEST_HINT = timedelta(minutes=15)
_NO_HINT = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Models:
    """Asks the first model that may be asked. `default` and `fallback` are names; None: no fallback."""

    db: Database
    gemini: Gemini
    default: str
    fallback: str | None

    def generate(
        self,
        preferred: str | None,
        system: str,
        turns: Sequence[Turn],
        *,
        about: UUID | None = None,
        resting: bool = True,
    ) -> Generated:
        """The answer of `preferred` or the default, or of the fallback when that one is refused or used up.

        `about`: see Gemini.generate. `resting`: False when the caller has just seen that no model rests (`some_rest`).

        Raises what Gemini.generate raises, ModelGone for the daily quota only. While nothing may be asked, it raises
        without a call.
        """
        names = list(dict.fromkeys(filter(None, [preferred or self.default, self.fallback])))
        rest, now = self._who_rests(names) if resting else ({}, None)
        why: ModelGone | UpstreamThrottled | None = None
        for name in names:
            if now is not None and name in rest:
                why = why or _still_resting(rest[name], now)
                continue
            try:
                return self.gemini.generate(model=name, system=system, turns=turns, about=about)
            except ModelGone as error:
                log.warning("model refused", extra={"model": name, "reason": error.reason})
                self._rest(name, error)
                why = why or error
            except UpstreamThrottled as error:
                self._rest(name, error)
                raise
        assert why is not None  # every name was tried or is resting
        if isinstance(why, ModelGone) and why.code != DAILY_QUOTA:
            # Not the customer's question was refused: somebody has to name another model, and then it can be answered.
            raise UpstreamMisconfigured(UPSTREAM, "no model can be asked: set GEMINI_MODEL", code="no_model") from why
        raise why

    def _who_rests(self, names: Sequence[str]) -> tuple[dict[str, CoolDown], datetime]:
        with self.db.reading() as session:
            now = self.db.now(session)
            return _resting(session, names, now), now

    def _rest(self, name: str, error: ModelGone | UpstreamThrottled) -> None:
        with self.db.writing() as session:
            now = self.db.now(session)
            reason, until = _rest_after(error, now)
            session.execute(delete(CoolDown).where(CoolDown.until <= now))
            statement = insert(session, CoolDown).values(key=_key(name), until=until, reason=reason)
            fields: dict[str, Any] = {"until": statement.excluded.until, "reason": statement.excluded.reason}
            session.execute(statement.on_conflict_do_update(index_elements=[CoolDown.key], set_=fields))


def _rest_after(error: ModelGone | UpstreamThrottled, now: datetime) -> tuple[str, datetime]:
    """Why a model is left alone after this error, and until when."""
    if isinstance(error, UpstreamThrottled):
        hint = _NO_HINT if error.retry_after is None else timedelta(seconds=error.retry_after)
        return _THROTTLED, now + min(hint, _LONGEST_HINT)
    return (DAILY_QUOTA, next_reset(now)) if error.code == DAILY_QUOTA else (_GONE, now + _GONE_FOR)


def next_reset(now: datetime) -> datetime:
    """When daily quotas start again: the next midnight in California."""
    tomorrow = now.astimezone(_QUOTA_ZONE).date() + timedelta(days=1)
    midnight = datetime(tomorrow.year, tomorrow.month, tomorrow.day, tzinfo=_QUOTA_ZONE)
    return midnight.astimezone(now.tzinfo)


def _key(name: str) -> str:
    return f"{UPSTREAM}:{name}"


def some_rest(now: BindParameter[datetime]) -> ColumnElement[bool]:
    """Asks whether some model, of whatever name, may not be asked at the moment."""
    return exists().where(CoolDown.until > now)


def _resting(session: Session, names: Sequence[str], now: datetime) -> dict[str, CoolDown]:
    query = select(CoolDown).where(CoolDown.key.in_([_key(name) for name in names]), CoolDown.until > now)
    found = {row.key: row for row in session.execute(query).scalars()}
    return {name: found[_key(name)] for name in names if _key(name) in found}


def _still_resting(row: CoolDown, now: datetime) -> ModelGone | UpstreamThrottled:
    if row.reason == _THROTTLED:
        wait = (row.until - now).total_seconds()
        return UpstreamThrottled(UPSTREAM, "it asked us to wait", scope="project", retry_after=wait)
    code = DAILY_QUOTA if row.reason == DAILY_QUOTA else None
    return ModelGone(UPSTREAM, "the model is not available", code=code)
