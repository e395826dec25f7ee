"""From a request to what create_app wired together."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from flask import current_app

if TYPE_CHECKING:
    from inbox.runtime import Services


def services() -> Services:
    """What create_app wired together."""
    return cast("Services", current_app.extensions["inbox"])
