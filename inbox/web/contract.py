"""What routes take and answer, written down once: checked at run time, and the source of the OpenAPI document."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, wraps
from typing import Any, TypeVar, cast, get_args, get_origin, get_type_hints

from flask import Response, current_app, request
from pydantic import BaseModel, RootModel, create_model

from inbox.errors import DomainError
from inbox.schemas import Body, Query
from inbox.web.requests import checked_body, checked_query, is_empty, read_json

_View = TypeVar("_View", bound=Callable[..., Any])
Model = type[BaseModel]


@dataclass(frozen=True)
class Contract:
    """One route's. `query` and `body` are the view's parameters `query` and `json`."""

    tag: str
    responses: Mapping[int, Model | None]  #: without errors; None: not JSON, or nothing
    raises: Sequence[type[DomainError]]  #: of its own, besides those that follow from its decorators
    described: Mapping[str, Any]  #: of the OpenAPI operation, what nothing else tells: raw bodies, other media types
    query: Model | None
    body: type[Body] | None
    may_be_empty: bool  #: the body, which is None then

    def read_request(self) -> dict[str, BaseModel | None]:
        """The view's arguments. Raises what `requests` raises."""
        found: dict[str, BaseModel | None] = {}
        if self.query is not None:
            found["query"] = checked_query(self.query)
        elif not _is_public():
            checked_query(Query)
        if self.body is not None:
            empty = self.may_be_empty and is_empty(self.body.MAX_BYTES)
            found["json"] = None if empty else checked_body(self.body, read_json(self.body.MAX_BYTES))
        return found

    def check_response(self, response: Response) -> None:
        """Raises pydantic's ValidationError for a body that breaks the contract."""
        model = self.responses.get(response.status_code)
        if model is not None and not response.direct_passthrough and response.is_json:
            model.model_validate_json(response.get_data())


def contract(
    tag: str,
    responses: Mapping[int, Any],
    *,
    raises: Sequence[type[DomainError]] = (),
    described: Mapping[str, Any] | None = None,
) -> Callable[[_View], _View]:
    """The route takes what its parameters `query` and `json` are annotated with, and answers `responses`.

    A `json` that may be None is a body that may be left out. Responses are models, or lists of them, by status. They
    are checked in tests only: a client is better served by an answer that is a little wrong than by none.
    """

    def decorate(view: _View) -> _View:
        hints = get_type_hints(view)
        models = {status: _model(each) for status, each in responses.items()}
        body, may_be_empty = _body(hints.get("json"))
        agreed = Contract(tag, models, raises, described or {}, hints.get("query"), body, may_be_empty)

        @wraps(view)
        def checked(**arguments: Any) -> Response:
            response = current_app.make_response(view(**arguments, **agreed.read_request()))
            if current_app.testing:
                agreed.check_response(response)
            return response

        checked.contract = agreed  # type: ignore[attr-defined]
        return cast("_View", checked)

    return decorate


def _body(hint: Any) -> tuple[type[Body] | None, bool]:
    """What a view's `json` is annotated with; `Model | None` may be left out."""
    kinds = [kind for kind in get_args(hint) if kind is not type(None)]
    return (kinds[0], True) if kinds else (hint, False)


def _is_public() -> bool:
    """Public routes overlook parameters they do not know: probes, scrapers and Meta may add their own."""
    return str(getattr(current_app.view_functions[str(request.endpoint)], "decision", "")).startswith("public")


def _model(answered: Any) -> Model | None:
    return _list_of(*answered.__args__) if get_origin(answered) is list else answered


@cache  # one model for each, or the document would have to tell them apart
def _list_of(row: Model) -> Model:
    return create_model(f"{row.__name__}List", __base__=RootModel[list[row]])  # type: ignore[valid-type]
