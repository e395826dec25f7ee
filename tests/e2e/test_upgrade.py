"""The release phase, while the release before serves: nobody is failed, and the new release works off what waits."""

from __future__ import annotations

import shutil
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import requests

from inbox.models import SCHEMA
from sandbox import Sandbox
from tests.e2e.processes import ROOT, flask, gunicorn, running
from tests.waiting import wait_until

CUSTOMER, OTHER = "33600000077", "33600000078"
WORKER = ["-m", "flask", "--app", "wsgi", "worker"]
MIGRATION = """
import sqlalchemy as sa
from alembic import op

revision, down_revision, branch_labels, depends_on = "{number}", "{before}", None, None

def upgrade():
    {change}

def downgrade():
    pass
"""
CHANGES = (
    'op.add_column("messages", sa.Column("mood", sa.String(16), nullable=True))',
    """op.execute("UPDATE messages SET mood = 'calm'")
    op.create_index("ix_messages_mood", "messages", ["conversation_id", "mood"])
    op.create_table("moods", sa.Column("id", sa.Uuid(), primary_key=True),
                    sa.Column("account_id", sa.Uuid(), sa.ForeignKey("whatsapp_accounts.id")))""",
)


@pytest.fixture
def next_release(tmp_path: Path) -> Path:
    """The folder of a release that is ahead of this one by two changes of the schema."""
    folder = tmp_path / "next"
    folder.mkdir()
    for name in ("wsgi.py", "gunicorn.conf.py"):
        shutil.copy(ROOT / name, folder)
    for name in ("inbox", "sandbox"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    before = SCHEMA
    for change in CHANGES:
        number = f"{int(before) + 1:04}"
        file = folder / "inbox/db/migrations/versions" / f"{number}_next.py"
        file.write_text(MIGRATION.format(number=number, before=before, change=change))
        before = number
    models = folder / "inbox/models/__init__.py"
    text = models.read_text()
    assert f'SCHEMA = "{SCHEMA}"' in text
    models.write_text(text.replace(f'SCHEMA = "{SCHEMA}"', f'SCHEMA = "{before}"'))
    return folder


class Agent:
    """A program that reads and replies without a pause."""

    def __init__(self, url: str, key: str) -> None:
        self.sent: list[str] = []
        self.answers: Counter[int] = Counter()
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {key}"
        self._url = url
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def __enter__(self) -> Agent:
        (account,) = self.ask("GET", "/accounts").json()
        lists = f"/conversations?account_id={account['id']}&q={CUSTOMER}"
        (row,) = wait_until(lambda: self.ask("GET", lists).json(), "the conversation")
        self.conversation = row["id"]
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._over.set()
        self._thread.join(30)
        self._session.close()

    def ask(self, method: str, path: str, **more: Any) -> requests.Response:
        answer = self._session.request(method, f"{self._url}{path}", timeout=30, **more)
        self.answers[answer.status_code] += 1
        return answer

    def _work(self) -> None:
        while not self._over.wait(0.05):
            text = f"reply {len(self.sent)}"
            body = {"conversation_id": self.conversation, "content": text, "client_key": text}
            if self.ask("POST", "/messages/send", json=body).ok:
                self.sent.append(text)
            self.ask("GET", f"/messages/{self.conversation}")


def test_the_release_before_serves_while_the_schema_is_changed_and_the_new_one_goes_on(
    installation: dict[str, str], sandbox: Sandbox, next_release: Path, tmp_path: Path
) -> None:
    sandbox.gemini_responder = lambda _request: "We open at nine."
    settings = installation | {"DISPATCHER": "off"}
    with (
        gunicorn(tmp_path / "web.log", settings) as (_, url),
        running(WORKER, tmp_path / "worker.log", installation) as worker,
    ):
        sandbox.webhook_url = f"{url}/webhook/whatsapp"
        sandbox.customer_writes(phone=CUSTOMER, text="When do you open?")
        wait_until(sandbox.deliveries, "the answer")
        with Agent(url, installation["INBOX_TEST_KEY"]) as agent:
            wait_until(lambda: len(agent.sent) > 5, "replies")
            assert "upgraded" in flask(installation, "db", "upgrade", root=next_release)
            so_far = len(agent.sent)
            wait_until(lambda: len(agent.sent) > so_far + 5, "more replies")
            sandbox.customer_writes(phone=OTHER, text="When do you open?")
            wait_until(lambda: "the schema is not this release's" in worker.output(), "the old worker to stop")
            ready = wait_until(lambda: _refusal(f"{url}/health/ready"), "the old release not to be ready")
            assert "migrations" in ready
            so_far = len(agent.sent)
            wait_until(lambda: len(agent.sent) > so_far + 5, "replies that wait")
        assert set(agent.answers) <= {200, 202}, agent.answers
        assert [
            attempt.status for hook in sandbox.webhooks() for attempt in hook.attempts if attempt.status != 200
        ] == []
        told = flask(installation, "db", "upgrade", exit_code=1)
        assert f"this one knows no later than {SCHEMA}" in told
        assert "Traceback" not in told
        assert worker.stop(30) == 0
    with (
        gunicorn(tmp_path / "next-web.log", settings, root=next_release) as (_, url),
        running(WORKER, tmp_path / "next-worker.log", installation, next_release),
    ):
        sandbox.webhook_url = f"{url}/webhook/whatsapp"
        wait_until(lambda: _texts(sandbox) >= Counter(agent.sent), "every reply to arrive")
        wait_until(lambda: _texts(sandbox)["We open at nine."] == 2, "the question that waited to be answered")
    assert {text: count for text, count in _texts(sandbox).items() if count > 1} == {"We open at nine.": 2}


def _texts(sandbox: Sandbox) -> Counter[str]:
    return Counter(each.text or "" for each in sandbox.deliveries())


def _refusal(url: str) -> str:
    answer = requests.get(url, timeout=10)
    return answer.text if answer.status_code == 503 else ""
