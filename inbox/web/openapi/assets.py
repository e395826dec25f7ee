"""The files of the page: Swagger UI, which the package flask-swagger-ui brings, and our own."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable

_TYPES = {"js": "text/javascript", "css": "text/css", "png": "image/png"}


@dataclass(frozen=True)
class Asset:
    """A file that never changes under its address: `version` is a hash of its bytes."""

    content: bytes
    mimetype: str
    version: str


@cache
def assets() -> dict[str, Asset]:
    """Every file there is, by its name."""
    swagger, ours = resources.files("flask_swagger_ui") / "dist", resources.files("inbox.web.openapi") / "static"
    files = [swagger / "swagger-ui-bundle.js", swagger / "swagger-ui.css", swagger / "favicon-32x32.png"]
    return {file.name: _asset(file) for file in [*files, ours / "docs.js", ours / "docs.css"]}


def _asset(file: Traversable) -> Asset:
    content = file.read_bytes()
    return Asset(content, _TYPES[file.name.rpartition(".")[2]], hashlib.sha256(content).hexdigest()[:16])
