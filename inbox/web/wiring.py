"""From a request to what create_app wired together."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from flask import current_app

if TYPE_CHECKING:
    from inbox.runtime import Runtime


def runtime() -> Runtime:
    """What create_app wired together."""
    return cast("Runtime", current_app.extensions["inbox"])
