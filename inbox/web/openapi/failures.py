"""Every error an operation can answer: what follows from its decorators, and what it declares."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple
from uuid import UUID

from pydantic import BaseModel

from inbox import errors
from inbox.errors import DomainError
from inbox.web.openapi.operations import Operation


class Failure(NamedTuple):
    """One error answer; `code` tells it from others of the same status."""

    status: int
    code: str
    title: str


_ALWAYS = [
    Failure(500, "internal_error", "Something went wrong on our side. It was logged under this request id."),
    Failure(503, "overloaded", "Too many requests are waiting. Try again in a second."),
]
_UNKNOWN_PATH = Failure(404, "not_found", "The requested URL was not found on the server.")
_OF_CALLERS: list[type[DomainError]] = [
    errors.MissingCredentials,
    errors.InvalidCredentials,
    errors.UserDisabled,
    errors.NotAMember,
    errors.DatabaseUnavailable,
    errors.IdentityUnavailable,
    errors.InvalidRequest,  # parameters that a route does not know are refused
]
_OF_BODIES: list[type[DomainError]] = [
    errors.NotJSON,
    errors.UnsupportedEncoding,
    errors.JSONTooComplex,
    errors.InvalidRequest,
    errors.PayloadTooLarge,
]


def failures(operation: Operation) -> dict[int, list[Failure]]:
    """By status, in ascending order; within one as they are found out: who is calling before what they sent."""
    found = dict.fromkeys([*_derived(operation), *map(_failure, operation.contract.raises), *_ALWAYS])
    if operation.placeholders:
        found[_UNKNOWN_PATH] = None
    return {status: [each for each in found if each.status == status] for status in sorted({f.status for f in found})}


def _derived(operation: Operation) -> Iterator[Failure]:
    yield from map(_failure, _of_caller(operation))
    if operation.blueprint != "health":
        yield _failure(errors.TooManyRequests)
    if operation.contract.query is not None:
        yield _failure(errors.InvalidRequest)
    if operation.contract.body is not None:
        yield from map(_failure, _OF_BODIES)
    names = [name for name, kind in operation.placeholders.items() if kind is UUID]
    yield from _missing([*names, *_ids(operation.contract.query), *_ids(operation.contract.body)])


def _of_caller(operation: Operation) -> Iterator[type[DomainError]]:
    if operation.public:
        return
    yield from _OF_CALLERS
    if operation.permission is not None:
        yield errors.PermissionDenied
    if operation.method != "GET":
        yield errors.ForgedRequest


def _ids(model: type[BaseModel] | None) -> list[str]:
    """Fields that have to name something which is there."""
    fields = model.model_fields.items() if model is not None else ()
    return [name for name, field in fields if field.annotation is UUID]


def _missing(names: Iterable[str]) -> Iterator[Failure]:
    """What is answered when the thing of an id is not there: of `letter_id`, dead_letter_not_found."""
    for name in names:
        code = f"{name.removesuffix('_id')}_not_found"
        yield from (_failure(error) for error in _all_errors(DomainError) if f"_{error.code}".endswith(f"_{code}"))


def _all_errors(root: type[DomainError]) -> Iterator[type[DomainError]]:
    for error in root.__subclasses__():
        yield error
        yield from _all_errors(error)


def _failure(error: type[DomainError]) -> Failure:
    return Failure(error.status, error.code, error.title)
