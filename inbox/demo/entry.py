"""The link by which one comes into the demo: a session that waits in a file, for whoever opens the link first."""

from __future__ import annotations

import hmac
import json
import secrets
from pathlib import Path

_FILE = "entry.json"


def prepare(folder: Path, token: str) -> str:
    """Lay a session's token down. The path of the link that picks it up."""
    word = secrets.token_urlsafe(24)
    path = folder / _FILE
    path.touch(0o600)
    path.write_text(json.dumps({"word": word, "token": token}))
    return f"/demo/enter/{word}"


def pick_up(folder: Path, word: str) -> str | None:
    """The session's token, once; None for a wrong word, and when it was picked up before."""
    path = folder / _FILE
    try:
        kept = json.loads(path.read_text())
        if not hmac.compare_digest(kept["word"].encode(), word.encode()):
            return None
        path.unlink()
    except FileNotFoundError:
        return None
    return str(kept["token"])
