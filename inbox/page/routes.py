"""The shells that browsers open, and the files they are made of."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from typing import Annotated, Any, cast
from uuid import UUID

from flask import Blueprint, Response, redirect, request
from pydantic import ConfigDict, Field
from werkzeug.exceptions import NotFound

from inbox.auth.access import Permission
from inbox.bot.profiles import get_profile
from inbox.operations.status.schemas import StatusRow
from inbox.page import html, shell
from inbox.page.assets import PACKINGS
from inbox.page.schemas import Boot, Welcome
from inbox.schemas import Query
from inbox.web import access, answer, contract, member, principal, public, requires, runtime
from inbox.web.callers import csrf_token

bp = Blueprint("page", __name__, template_folder="templates")
#: Served in development only.
workshop = Blueprint("workshop", __name__)

_A_YEAR = 365 * 86_400  # seconds
_HTML = {"content": {"text/html": {"schema": {"type": "string"}}}}
_PAGE = {"responses": {"200": _HTML}}
_LAST_ACCOUNT = "inbox_account"  # the page's own cookie: which number was open last
_PLOTS = {"status": ("vendor/uplot.css",)}  # what vendored modules of a page need
#: The parts of the settings, as settings/sections.js has them.
SECTIONS = ("me", "numbers", "canned", "labels", "fields", "people", "roles", "keys", "webhooks", "reports", "audit")
_FAST = 5  # gzip's level for what is made anew each time


class ShellQuery(Query):
    """Filters of the list, as GET /conversations has them. What a shell does not know, or cannot read, it overlooks."""

    model_config = ConfigDict(extra="allow")

    account_id: Annotated[str | None, Field(max_length=200)] = None


# --- shells ------------------------------------------------------------------------------------------------------


@bp.get("/")
@public("it leads to the inbox, or tells programs where the API is described")
@contract("page", {200: Welcome, 303: None})
def get_root() -> Response:
    """Leads browsers to the inbox, and tells programs where this API is described."""
    response: Any = redirect("/inbox", 303) if html.wants_page() else answer(Welcome())
    response.vary.add("Accept")
    return cast("Response", response)


@bp.get("/inbox", strict_slashes=False)
@member
@contract("page", {200: None}, described=_PAGE)
def get_inbox(query: ShellQuery) -> Response:
    """The inbox: conversations, and nothing opened."""
    return _inbox(_asked(query))


@bp.get("/inbox/<uuid:conversation_id>")
@member
@contract("page", {200: None}, described=_PAGE)
def get_inbox_conversation(conversation_id: UUID, query: ShellQuery) -> Response:
    """The inbox with a conversation opened."""
    return _inbox(_asked(query, conversation_id))


@bp.get("/settings", strict_slashes=False)
@member
@contract("page", {200: None}, described=_PAGE)
def get_settings() -> Response:
    """What can be set, by the reader for themselves and by administrators for all."""
    return _settings()


@bp.get("/settings/<section>")
@member
@contract("page", {200: None}, described=_PAGE)
def get_settings_section(section: str) -> Response:
    """One part of the settings."""
    if section not in SECTIONS:
        raise NotFound
    return _settings()


def _settings() -> Response:
    return _shell("settings", shell.boot(_sources(), _reader(), html.current().release))


@bp.get("/bot/<uuid:account_id>/edit")
@requires(Permission.SETTINGS_MANAGE)
@contract("page", {200: None}, described=_PAGE)
def get_profile_editor(account_id: UUID) -> Response:
    """Where the bot of a number is told what it has to know."""
    profile = get_profile(runtime().db, access(), account_id)
    boot = shell.boot(_sources(), _reader(), html.current().release)
    return _shell("bot", boot.model_copy(update={"account_id": account_id, "profile": profile}))


def _inbox(asked: shell.Asked) -> Response:
    return _shell("inbox", shell.inbox_boot(_sources(), _reader(), html.current().release, asked))


def _sources() -> shell.Sources:
    config = runtime().config
    demo = config.demo_simulator_url is not None
    return shell.Sources(runtime().db, runtime().changes, runtime().bot_stays_out, config.confirm_window, demo)


def _asked(query: ShellQuery, conversation_id: UUID | None = None) -> shell.Asked:
    filters = query.model_dump(exclude_none=True)
    return shell.Asked(filters, request.cookies.get(_LAST_ACCOUNT), conversation_id)


def _reader() -> shell.Reader:
    return shell.Reader(principal(), csrf_token(salted=True), html.language(), html.theme())


def _shell(entry: str, boot: Boot) -> Response:
    return _packed(_opened(entry, boot.model_dump_json(), boot.lang))


def _opened(entry: str, block: str, lang: str) -> Response:
    """A page whose first module is static/<entry>/main.js, with the data that it is given."""
    first, modules = _scripts(f"{entry}/main.js")
    demo = _scripts("demo/main.js")[0] if runtime().config.demo_simulator_url else None
    return html.page(
        "shell.html",
        entry=first,
        boot=block.replace("<", "\\u003c"),  # "</script>" in a customer's text ends nothing
        modules=[*modules, *_words(entry, lang)],
        styles=[*_PLOTS.get(entry, ()), *html.styles(entry), *(["style/demo.css"] if demo else [])],
        demo=demo,
    )


def _scripts(entry: str) -> tuple[str, list[str]]:
    return html.current().scripts(entry, joined=runtime().config.production)


def _words(entry: str, lang: str) -> list[str]:
    own = {"settings": "settings", "bot": "settings", "status": "status"}.get(entry)
    return [f"words/{lang}.js", *([f"words/{own}-{lang}.js"] if own else [])]


def _packed(response: Response) -> Response:
    """In gzip where the browser takes it. The token in it is another one each time (see `cookies.csrf_token`)."""
    response.vary.add("Accept-Encoding")
    if _takes("gzip"):
        response.set_data(gzip.compress(response.get_data(), _FAST))
        response.headers["Content-Encoding"] = "gzip"
    return response


def _takes(encoding: str) -> bool:
    return request.accept_encodings[encoding] > 0


@bp.get("/status", strict_slashes=False)
@member
@contract("health", {200: StatusRow})
def get_status() -> Response:
    """How everything stands: to browsers as a page, to programs as JSON."""
    reader = _reader()
    if html.wants_page():
        response = _shell("status", shell.boot(_sources(), reader, html.current().release))
    else:
        response = answer(runtime().status.now(reader.principal))
    response.vary.add("Accept")
    return response


@bp.get("/manifest.webmanifest")
@public("browsers ask for it without credentials when the page is installed")
@contract("page", {200: None}, described={"responses": {"200": {"content": {"application/manifest+json": {}}}}})
def get_manifest() -> Response:
    """What a browser needs to know to install the page as an app."""
    response = Response(json.dumps(_manifest(html.spoken().say("app.name"), html.current().address)))
    response.mimetype = "application/manifest+json"
    response.headers["Cache-Control"] = "no-cache"
    return response


def _manifest(name: str, address: Callable[[str], str]) -> dict[str, Any]:
    png = [("art/icon-192.png", "192x192", "any"), ("art/icon-512.png", "512x512", "any")]
    masked = [("art/icon-maskable.png", "512x512", "maskable")]
    icons = [
        {"src": address(path), "sizes": sizes, "type": "image/png", "purpose": purpose}
        for path, sizes, purpose in [*png, *masked]
    ]
    where = {"id": "/inbox", "start_url": "/inbox", "scope": "/"}
    look = {"display": "standalone", "background_color": "#F1F4F2", "theme_color": "#F1F4F2"}
    return {"name": name, "short_name": name, **where, **look, "icons": icons}


@bp.get("/notifier.js")
@public("the same for everybody; browsers ask for it from time to time")
@contract("page", {200: None}, described={"responses": {"200": {"content": {"text/javascript": {}}}}})
def get_notifier() -> Response:
    """The service worker, which shows notifications. It stands here because a worker works for its own folder."""
    response = Response(html.current().files["notifier.js"].content, mimetype="text/javascript")
    response.headers["Cache-Control"] = "no-cache"
    return response


@workshop.get("/page-parts")
@public("it shows made-up people; in production it is not there")
@contract("page", {200: None}, described=_PAGE)
def get_page_parts() -> Response:
    """Every part that pages are made of, in each of its states. In development only."""
    return _opened("parts", json.dumps({"lang": html.language()}), html.language())


# --- files -------------------------------------------------------------------------------------------------------


@bp.get("/assets/<release>/<path:path>")
@public("the page's files are the same for everybody, and hold nothing of anybody")
@contract("page", {200: None}, described={"responses": {"200": {"content": {"*/*": {}}}}})
def get_asset(release: str, path: str) -> Response:
    """A file of the page; what is under one address never changes."""
    files = html.current()
    asset = files.files.get(path)
    if asset is None or release != files.release:
        raise NotFound
    encoding = next(filter(_takes, PACKINGS), None) if asset.packs else None
    response = Response(asset.packed(encoding) if encoding else asset.content, mimetype=asset.mimetype)
    if encoding:
        response.headers["Content-Encoding"] = encoding
    if asset.packs:
        response.vary.add("Accept-Encoding")
    response.headers["Cache-Control"] = f"public, max-age={_A_YEAR}, immutable"
    return response
