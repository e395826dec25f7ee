"""What the doctor examines."""

from __future__ import annotations

from typing import Protocol

from inbox.cipher import TokenCipher
from inbox.config import Config
from inbox.db import Database
from inbox.webhooks.journal.journal import Journal


class Subject(Protocol):
    """An installation; what a process holds (`runtime.Runtime`) is one."""

    config: Config
    db: Database
    cipher: TokenCipher
    journal: Journal
