"""A bot's answer for the person who edits its profile: asked while they wait, sent to nobody.

The one route besides media and identity that calls an upstream: there is nothing to store and nobody else waits. It
is bounded by Gemini's deadline, and by a bulkhead of a quarter of the request threads.
"""

from __future__ import annotations

import logging
import math
from uuid import UUID

from inbox.auth.access import Access
from inbox.bot.model import Models
from inbox.bot.presentable import presentable
from inbox.bot.profiles import get_profile
from inbox.bot.prompt import fenced, system_text
from inbox.bot.schemas import Preview, ProfileContent
from inbox.db import Database
from inbox.errors import DomainError, TemporarilyUnavailable, UpstreamError, UpstreamRejected
from inbox.gateways.gemini import Turn
from inbox.resilience import Bulkhead

log = logging.getLogger(__name__)


class BotRefused(DomainError):
    """The model will not answer this message; a customer would be handed to a person."""

    status, code, title = 422, "bot_refused", "The model does not answer this; a customer would be handed to a person."


class BotUnavailable(TemporarilyUnavailable):
    """The model cannot be asked at the moment."""

    code, title = "bot_unavailable", "The model cannot be reached at the moment. Try again shortly."


def preview(
    db: Database, models: Models, previews: Bulkhead, access: Access, account_id: UUID, message: str
) -> Preview:
    """Raises AccountNotFound, PermissionDenied, BotRefused, BotUnavailable."""
    row = get_profile(db, access, account_id)
    profile = ProfileContent.model_validate(row.model_dump(exclude={"id", "account_id", "updated_at"}))
    try:
        with previews.place(access.principal.id):
            turns = [Turn("user", fenced(message))]
            generated = models.generate(profile.model, system_text(profile), turns, about=account_id)
    except UpstreamRejected as error:
        log.info("preview refused", extra={"reason": error.reason})
        raise BotRefused from error
    except UpstreamError as error:
        log.info("preview unavailable", extra={"reason": error.reason})
        raise BotUnavailable(retry_after=math.ceil(min(max(error.retry_after or 5.0, 1.0), 60.0))) from error
    answer = presentable(generated.text, profile)
    if not answer:
        log.info("preview refused", extra={"reason": "nothing of the answer may be shown"})
        raise BotRefused
    return Preview(answer=answer, model=generated.model)
