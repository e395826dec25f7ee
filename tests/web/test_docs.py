"""The page of the API and its files."""

from __future__ import annotations

import re

import pytest
from flask.testing import FlaskClient

from inbox.web.openapi.assets import assets


def addresses(page: str) -> list[str]:
    """What the page loads."""
    return re.findall(r'(?:src|href)="(/docs/[^"]+)"', page)


def test_the_page_tells_how_to_get_a_key_and_loads_only_its_own_files(stranger: FlaskClient) -> None:
    page = stranger.get("/docs")
    assert (page.status_code, page.mimetype) == (200, "text/html")
    assert "flask --app wsgi keys create" in page.text
    assert "://" not in page.text.replace("https://…", "")
    assert "<style" not in page.text
    assert re.findall(r"<script[^>]*>[^<]", page.text) == []
    assert len(addresses(page.text)) == len(assets())


def test_no_header_of_a_request_changes_the_page(stranger: FlaskClient) -> None:
    honest = stranger.get("/docs").data
    for headers in ({"Host": "evil.example"}, {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"}):
        page = stranger.get("/docs", headers=headers)
        assert page.data == honest
        assert b"evil" not in stranger.get("/openapi.json", headers=headers).data


def test_its_files_never_change_under_their_address(stranger: FlaskClient) -> None:
    for address in addresses(stranger.get("/docs").text):
        file = stranger.get(address)
        assert (file.status_code, file.headers["Cache-Control"]) == (200, "public, max-age=31536000, immutable")
        assert file.mimetype in ("text/javascript", "text/css", "image/png")


@pytest.mark.parametrize("name", ["docs.js/..", "routes.py", "..%2froutes.py", "%2e%2e/routes.py", "", "DOCS.JS"])
def test_there_are_no_other_files(stranger: FlaskClient, name: str) -> None:
    version = assets()["docs.js"].version
    assert stranger.get(f"/docs/assets/{version}/{name}").status_code == 404
    assert stranger.get("/docs/assets/0123456789abcdef/docs.js").status_code == 404


def test_the_page_is_not_sent_twice(stranger: FlaskClient) -> None:
    first = stranger.get("/docs")
    assert stranger.get("/docs", headers={"If-None-Match": first.headers["ETag"]}).status_code == 304
