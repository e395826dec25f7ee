"""The bot's profile, and what it would answer."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, Response

from inbox.auth.access import Permission
from inbox.bot import preview, profiles, questions, versions
from inbox.bot.schemas import (
    Preview,
    PreviewBody,
    ProfileContent,
    ProfileRow,
    QuestionBody,
    QuestionRow,
    VersionRow,
    VersionWhole,
)
from inbox.db.paging import Page
from inbox.errors import TooManyOfThem
from inbox.schemas import Removed
from inbox.web import access, answer, answer_page, contract, idempotency_key, requires, runtime

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
    """What the bot would answer a customer who writes `message`, by a profile that is saved or not. Nothing is sent."""
    held = runtime()
    return answer(preview.preview(held.db, held.models, held.previews, access(), account_id, json))


@bp.get("/bot/profile/<uuid:account_id>/versions")
@requires(Permission.SETTINGS_MANAGE)
@contract("bot", {200: list[VersionRow]})
def list_versions(account_id: UUID) -> Response:
    """Who saved the profile when, and what was different: the newest hundred, the one in use first."""
    return answer_page(VersionRow, Page(versions.list_versions(runtime().db, access(), account_id), None))


@bp.get("/bot/versions/<uuid:version_id>")
@requires(Permission.SETTINGS_MANAGE)
@contract("bot", {200: VersionWhole})
def get_version(version_id: UUID) -> Response:
    """A profile as it was saved once."""
    return answer(versions.get_version(runtime().db, access(), version_id))


@bp.post("/bot/versions/<uuid:version_id>/restore")
@requires(Permission.SETTINGS_MANAGE)
@contract("bot", {200: ProfileRow})
def restore_version(version_id: UUID) -> Response:
    """Save the profile as it was then, as a new version. The next answer uses it."""
    return answer(versions.restore_version(runtime().db, access(), version_id))


@bp.get("/bot/profile/<uuid:account_id>/questions")
@requires(Permission.SETTINGS_MANAGE)
@contract("bot", {200: list[QuestionRow]})
def list_questions(account_id: UUID) -> Response:
    """The questions that profiles of a number are tried with: each by `POST /bot/preview/{account_id}`."""
    return answer_page(QuestionRow, Page(questions.list_questions(runtime().db, access(), account_id), None))


@bp.post("/bot/profile/<uuid:account_id>/questions")
@requires(Permission.SETTINGS_MANAGE)
@contract("bot", {201: QuestionRow}, raises=[TooManyOfThem])
def add_question(account_id: UUID, json: QuestionBody) -> Response:
    """Keep a question, ten at most. One that is there already stays as it is."""
    idempotency_key(None)  # the question is the key
    return answer(questions.add_question(runtime().db, access(), account_id, json), 201)


@bp.delete("/bot/questions/<uuid:question_id>")
@requires(Permission.SETTINGS_MANAGE)
@contract("bot", {200: Removed})
def remove_question(question_id: UUID) -> Response:
    """Try profiles with it no longer."""
    questions.remove_question(runtime().db, access(), question_id)
    return answer(Removed(id=question_id))
