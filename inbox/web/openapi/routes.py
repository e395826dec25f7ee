"""GET /openapi.json, and /docs: a page that shows it."""

from __future__ import annotations

import json

from flask import Blueprint, Response, current_app, render_template, request, url_for
from werkzeug.exceptions import NotFound

from inbox.web import contract, cookies, public
from inbox.web.openapi.assets import assets
from inbox.web.openapi.document import document

bp = Blueprint("docs", __name__, template_folder="templates")

_WHY = "what the API takes and answers is no secret"
_TEXT = {"schema": {"type": "string"}}
_MINUTES, _A_YEAR = 300, 365 * 86_400  # seconds


@bp.get("/openapi.json")
@public(_WHY)
@contract(
    "docs",
    {200: None, 304: None},
    described={"responses": {"200": {"content": {"application/json": {"schema": {"type": "object"}}}}}},
)
def get_openapi() -> Response:
    """What the API takes and answers: this document."""
    return _cached(Response(_document(cookies.name()), mimetype="application/json"))


@bp.get("/docs")
@public(_WHY)
@contract("docs", {200: None, 304: None}, described={"responses": {"200": {"content": {"text/html": _TEXT}}}})
def get_docs() -> Response:
    """A page that shows this document and can try its GETs."""
    return _cached(Response(render_template("docs.html", address=_address), mimetype="text/html"))


@bp.get("/docs/assets/<version>/<name>")
@public(_WHY)
@contract(
    "docs",
    {200: None},
    described={"responses": {"200": {"content": {"text/javascript": _TEXT, "text/css": _TEXT, "image/png": {}}}}},
)
def get_docs_asset(version: str, name: str) -> Response:
    """A file of that page; what is under one address never changes."""
    asset = assets().get(name)
    if asset is None or asset.version != version:
        raise NotFound
    response = Response(asset.content, mimetype=asset.mimetype)
    response.headers["Cache-Control"] = f"public, max-age={_A_YEAR}, immutable"
    return response


def _document(session_cookie: str) -> bytes:
    """The document as it is sent: made once, for each name that the cookie can have."""
    made: dict[str, bytes] = current_app.extensions.setdefault("inbox.openapi", {})
    if session_cookie not in made:
        made[session_cookie] = json.dumps(document(current_app, session_cookie=session_cookie)).encode()
    return made[session_cookie]


def _address(name: str) -> str:
    return url_for("docs.get_docs_asset", version=assets()[name].version, name=name)


def _cached(response: Response) -> Response:
    """For everybody; 304 to who has it already."""
    response.headers["Cache-Control"] = f"public, max-age={_MINUTES}"
    response.add_etag()
    response.make_conditional(request)
    return response
