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
from inbox.bot.profiles import changed_by, get_profile
from inbox.bot.prompt import fenced, system_text, with_passages
from inbox.bot.schemas import PassageRef, Preview, PreviewBody, ProfileContent
from inbox.db import Database
from inbox.errors import DomainError, TemporarilyUnavailable, UpstreamError, UpstreamRejected
from inbox.gateways.gemini import Turn
from inbox.knowledge.finding import best_passages
from inbox.resilience import Bulkhead

log = logging.getLogger(__name__)


class BotRefused(DomainError):
    """The model will not answer this message; a customer would be handed to a person."""

    status, code, title = 422, "bot_refused", "The model does not answer this; a customer would be handed to a person."


class BotUnavailable(TemporarilyUnavailable):
    """The model cannot be asked at the moment."""

    code, title = "bot_unavailable", "The model cannot be reached at the moment. Try again shortly."


def preview(
    db: Database, models: Models, previews: Bulkhead, access: Access, account_id: UUID, body: PreviewBody
) -> Preview:
    """Raises AccountNotFound, PermissionDenied, BotRefused, BotUnavailable."""
    row = get_profile(db, access, account_id)
    content = row.model_dump(mode="json", exclude={"id", "account_id", "updated_at"})
    if body.profile is not None:
        content = changed_by(body.profile, content)
    profile = ProfileContent.model_validate(content)
    with db.reading() as session:
        passages = best_passages(session, account_id, body.message)
    try:
        with previews.place(access.principal.id):
            turns = with_passages([Turn("user", fenced(body.message))], passages)
            system = system_text(profile, knows_more=bool(passages))
            generated = models.generate(profile.model, system, turns, about=account_id)
    except UpstreamRejected as error:
        log.info("preview refused", extra={"reason": error.reason})
        raise BotRefused from error
    except UpstreamError as error:
        log.info("preview unavailable", extra={"reason": error.reason})
        raise BotUnavailable(retry_after=math.ceil(min(max(error.retry_after or 5.0, 1.0), 60.0))) from error
    answer = presentable(generated.text, profile, passages)
    if not answer:
        log.info("preview refused", extra={"reason": "nothing of the answer may be shown"})
        raise BotRefused
    sources = [PassageRef(**passage.reference) for passage in passages]
    return Preview(answer=answer, model=generated.model, knowledge=sources)
