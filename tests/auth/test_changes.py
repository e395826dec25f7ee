"""A change of somebody's rights is felt at once in every process of the machine."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select

from inbox import create_app
from inbox.auth import keys
from inbox.auth.access import Grant, Role
from inbox.auth.generation import Changes
from inbox.config import Config
from inbox.errors import InvalidCredentials, UserDisabled
from inbox.models import ApiKey
from inbox.runtime import runtime_of
from tests.auth.people import local_user, session_of


def test_each_process_hears_of_each_change_once(tmp_path: Path) -> None:
    one, other = Changes(tmp_path / "folder" / "changed"), Changes(tmp_path / "folder" / "changed")
    assert not other.since_last_look()
    for _ in range(3):
        one.tell()
        assert other.since_last_look()
        assert not other.since_last_look()


def test_the_file_is_for_us_alone_whatever_the_umask_says(tmp_path: Path) -> None:
    before = os.umask(0o000)
    try:
        Changes(tmp_path / "changed").tell()
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "changed").stat().st_mode) == 0o600


def test_a_folder_that_cannot_be_written_is_no_failure(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("no folder")
    changes = Changes(tmp_path / "file" / "changed")
    changes.tell()
    assert not changes.since_last_look()
    assert "cannot tell the other processes" in caplog.text


def test_who_is_switched_off_in_one_process_is_refused_by_the_others_at_once(app: Flask, config: Config) -> None:
    here, there = runtime_of(app), runtime_of(create_app(config))
    local_user(here.db, "admin@example.com", [Grant(Role.ADMIN)])
    anna = local_user(here.db, "anna@example.com", [Grant(Role.VIEWER)], password=None)
    token = session_of(here.db, anna.id)
    client = app.test_client()
    try:
        assert there.identities.identify(token).email == "anna@example.com"
        secret = keys.create(here.db, name="Admin", role=Role.ADMIN).secret
        answer = client.post(
            f"/admin/users/{anna.id}/status", json={"is_active": False}, headers={"Authorization": f"Bearer {secret}"}
        )
        assert answer.status_code == 200
        with pytest.raises((UserDisabled, InvalidCredentials)):
            there.identities.identify(token)
    finally:
        there.close(5)


def test_so_is_a_key_that_a_command_revokes(app: Flask, config: Config) -> None:
    serving = runtime_of(app)
    key = keys.create(serving.db, name="Till", role=Role.VIEWER)
    assert serving.identities.identify(key.secret).name == "Till"
    with serving.db.reading() as session:
        prefix = session.execute(select(ApiKey.prefix).where(ApiKey.id == key.id)).scalar_one()
    command = create_app(config)
    try:
        result = command.test_cli_runner().invoke(args=["keys", "revoke", prefix])
        assert result.exit_code == 0, result.output
        with pytest.raises(InvalidCredentials):
            serving.identities.identify(key.secret)
    finally:
        runtime_of(command).close(5)
