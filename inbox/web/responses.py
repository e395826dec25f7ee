"""Answers: rows, pages with the next one in the Link header, ETags."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, cast
from urllib.parse import urlencode

from flask import Response, request
from pydantic import BaseModel, TypeAdapter

from inbox.db.paging import Page


def answer(row: BaseModel, status: int = 200) -> Response:
    """One row as JSON; 304 when the client reads just what it has."""
    response = Response(row.model_dump_json(), status, mimetype="application/json")
    return conditional(response) if request.method in ("GET", "HEAD") else response


def answer_once(row: str | None) -> Response:
    """One row as JSON that is good for this request alone, so without an ETag; 204 when there is none."""
    response = Response(status=204) if row is None else Response(row, mimetype="application/json")
    response.headers["Cache-Control"] = "private, no-store"
    return response


def answer_page(model: type[BaseModel], page: Page[Any]) -> Response:
    """A JSON array with the next page in the Link header, and 304 when the client has just this."""
    response = Response(_adapter(model).dump_json(list(page.rows)), mimetype="application/json")
    links = {"next": page.next and ("cursor", page.next.encode()), "prev": page.prev and ("after", str(page.prev.id))}
    if told := [f'<{_url(*begin)}>; rel="{name}"' for name, begin in links.items() if begin]:
        response.headers["Link"] = ", ".join(told)
    return conditional(response)


@cache  # to make one takes longer than to fill a page
def _adapter(model: type[BaseModel]) -> TypeAdapter[Any]:
    return TypeAdapter(list[model])  # type: ignore[valid-type]


def conditional(response: Response) -> Response:
    """Answer 304 when the client's ETag still holds. Rows are for their reader only, and only after asking us."""
    response.headers["Cache-Control"] = "private, no-cache"
    response.add_etag()
    return cast("Response", response.make_conditional(request))


_PLACES = {"cursor", "after", "around"}


def _url(name: str, begin: str) -> str:
    """The same list from another place."""
    gone = _PLACES | {"before"} if name == "after" else _PLACES
    query: Sequence[tuple[str, str]] = [(k, v) for k, v in request.args.items(multi=True) if k not in gone]
    return f"{request.path}?{urlencode([*query, (name, begin)])}"
