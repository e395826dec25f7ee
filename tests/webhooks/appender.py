"""A process that journals events and drains them at the same time, until it is killed or has done its part.

    python -m tests.webhooks.appender FOLDER DATABASE_URL COUNT

Prints the id of every event that append() promised to keep.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from inbox.db import Database
from inbox.webhooks.journal import journal
from inbox.webhooks.journal.journal import Journal
from inbox.webhooks.routes import new_event


def main(folder: str, url: str, count: str) -> None:
    journal.POLL = 0.01
    db = Database(url)
    kept = Journal(Path(folder), db, max_bytes=1 << 30)
    for number in range(int(count)):
        row = new_event(b"%d " % number * (1 + number % 3000))
        if kept.append(row):
            os.write(1, row["id"].hex.encode() + b"\n")
    kept.close()
    db.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
