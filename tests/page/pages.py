"""A browser without scripts, and what a shell tells."""

from __future__ import annotations

import json
import re
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

#: What browsers say when a person opens an address.
LOOKS = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


def browser(app: Flask, session: str | None = None, language: str = "en") -> FlaskClient:
    """A client that asks as browsers do, and keeps cookies. Pages are not held against the API's document."""
    made = FlaskClient(app, app.response_class)
    made.environ_base = {"HTTP_ACCEPT": LOOKS, "HTTP_ACCEPT_LANGUAGE": language, "REMOTE_ADDR": "127.0.0.1"}
    if session is not None:
        made.set_cookie("inbox_session", session)
    return made


def boot_of(response: TestResponse) -> Any:
    """The data block of a shell."""
    assert response.status_code == 200, response.text
    (block,) = re.findall(r'<script type="application/json" id="boot">(.*?)</script>', response.text, re.DOTALL)
    return json.loads(block)


def field_of(response: TestResponse, name: str) -> str:
    """What a form's field holds."""
    (value,) = re.findall(rf'name="{name}"[^>]* value="([^"]*)"', response.text)
    return str(value)
