"""The bot's profile, and what it would answer."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, Response

from inbox.auth.access import Permission
from inbox.bot import preview, profiles
from inbox.bot.schemas import Preview, PreviewBody, ProfileContent, ProfileRow
from inbox.web import access, answer, contract, requires, runtime

bp = Blueprint("bot", __name__)


@bp.get("/bot/profile/<uuid:account_id>")
@requires(Permission.SETTINGS_MANAGE)
@contract("bot", {200: ProfileRow})
def get_profile(account_id: UUID) -> Response:
    """The profile of an account. Texts that were never set are left out."""
    return answer(profiles.get_profile(runtime().db, access(), account_id))


@bp.put("/bot/profile/<uuid:account_id>")
@requires(Permission.SETTINGS_MANAGE)
@contract("bot", {200: ProfileRow})
def put_profile(account_id: UUID, json: ProfileContent) -> Response:
    """Replace the fields that are sent; null empties one. The next answer uses them, in every process."""
    return answer(profiles.put_profile(runtime().db, access(), account_id, json))


@bp.post("/bot/preview/<uuid:account_id>")
@requires(Permission.SETTINGS_MANAGE)
@contract("bot", {200: Preview}, raises=[preview.BotRefused, preview.BotUnavailable])
def preview_answer(account_id: UUID, json: PreviewBody) -> Response:
    """What the bot would answer a customer who writes `message`. Nothing is sent."""
    held = runtime()
    return answer(preview.preview(held.db, held.models, held.previews, access(), account_id, json.message))
