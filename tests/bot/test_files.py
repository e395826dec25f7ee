"""Voice messages and pictures: to the model as they are, once they are kept; else to a person."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from inbox.bot.files import MOST_BYTES
from inbox.models import JobKind, MediaFile
from inbox.outbox import jobs
from inbox.runtime import Runtime, crews_of
from sandbox import Sandbox
from sandbox.gemini_request import GeminiRequest
from tests.bot.test_answer import answer_jobs, bot_messages, set_profile, think
from tests.builders import the_conversation
from tests.media.files import file_message

VOICE = b"OggS" + bytes(range(256)) * 8
PICTURE = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 8
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def keep(runtime: Runtime) -> None:
    """Let the crew for files work."""
    crew = crews_of(runtime).keeping
    with runtime.db.writing() as session:
        now = runtime.db.now(session) + timedelta(minutes=1)
        claims = jobs.claim_jobs(session, JobKind.MEDIA, now, 5)
    for claim in claims:
        crew.keep(claim)


def test_a_voice_message_and_a_picture_are_waited_for_and_go_to_the_model(live: Runtime, sandbox: Sandbox) -> None:
    file_message(live, sandbox, VOICE, "audio/ogg; codecs=opus", kind="audio")
    file_message(live, sandbox, PICTURE, "image/jpeg", kind="image")
    heard: list[tuple[str, bytes]] = []

    def respond(request: GeminiRequest) -> str:
        heard.extend(request.files)
        return "Six tarts, with pleasure."

    sandbox.gemini_responder = respond
    think(live)
    assert (sandbox.requests("gemini"), len(answer_jobs(live))) == ([], 1)
    keep(live)
    think(live)
    assert heard == [("audio/ogg", VOICE), ("image/jpeg", PICTURE)]
    assert bot_messages(live) == ["Six tarts, with pleasure."]
    body = json.loads(sandbox.requests("gemini")[0].body)
    assert "Pictures and voice messages" in body["systemInstruction"]["parts"][0]["text"]
    assert body["contents"][-1]["parts"][0]["text"].count("<customer_message>") == 2


@on_sqlite
def test_what_is_not_kept_in_time_or_too_large_goes_to_a_person(live: Runtime, sandbox: Sandbox) -> None:
    file_message(live, sandbox, VOICE, "audio/ogg", kind="audio")
    for _ in range(2):
        think(live)
        assert the_conversation(live.db).needs_human_reason is None
    keep(live)
    with live.db.writing() as session:
        session.query(MediaFile).one().size = MOST_BYTES + 1
    think(live)
    assert the_conversation(live.db).needs_human_reason == "unsupported_content"
    assert sandbox.requests("gemini") == []


@on_sqlite
def test_a_profile_may_keep_files_from_the_model(live: Runtime, sandbox: Sandbox) -> None:
    set_profile(live, reads_files=False)
    file_message(live, sandbox, VOICE, "audio/ogg", kind="audio")
    think(live)
    assert the_conversation(live.db).needs_human_reason == "unsupported_content"


@on_sqlite
def test_a_file_that_the_model_refuses_goes_to_a_person(live: Runtime, sandbox: Sandbox) -> None:
    file_message(live, sandbox, PICTURE, "image/jpeg", kind="image")
    keep(live)
    sandbox.fault("gemini", "status", code=400)
    think(live)
    assert the_conversation(live.db).needs_human_reason == "unsupported_content"
