"""gunicorn's own lines in the form of ours, from its first one on."""

from __future__ import annotations

import os
from typing import Any, Literal

from gunicorn.glogging import Logger

from inbox import logs


class OurLogger(Logger):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn's logger. A worker that loads the application is set up again, with the settings that are checked."""

    def setup(self, cfg: Any) -> None:
        """Called at the start of the master, and when it reads its configuration again."""
        super().setup(cfg)
        logs.configure(_format(os.environ), "INFO")


def _format(env: os._Environ[str]) -> Literal["json", "text"]:
    """As `Config` has it; a word that is none of them the workers refuse."""
    default = "text" if env.get("INBOX_ENV", "").strip() == "development" else "json"
    return "text" if (env.get("LOG_FORMAT", "").strip() or default) == "text" else "json"
