"""Reading and checking what a client sent."""

from __future__ import annotations

import json as jsonlib
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from itertools import islice
from typing import Any, get_args

from flask import request
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from werkzeug.exceptions import RequestEntityTooLarge

from inbox.db.clean import unstorable
from inbox.errors import BadValue, FieldProblem, InvalidRequest, NotJSON, PayloadTooLarge, UnsupportedEncoding
from inbox.schemas import Body
from inbox.web import json_text

MAX_PROBLEMS = 100  # told of one request: more would cost us more than it cost to send them
_POINTER, _SENTENCE = 500, 300  # characters
_ENGLISH = ("class_name", "error")  # of what pydantic tells beside a type: our names, and a sentence's end
_KINDS = ("type", "action")  # fields that say which of several kinds an object is
_UNSTORABLE = BadValue("unstorable", "must not contain U+0000 or lone surrogates")
_REPEATED = BadValue("given_twice", "is given more than once")
_WRITTEN: dict[Any, tuple[re.Pattern[str], BadValue]] = {
    bool: (re.compile("true|false"), BadValue("bool_parsing", "must be true or false")),
    int: (re.compile("-?[0-9]{1,18}"), BadValue("int_parsing", "must be a whole number")),
}


def read_json(max_bytes: int) -> Any:
    """The body as JSON. Raises NotJSON, UnsupportedEncoding, JSONTooComplex or PayloadTooLarge."""
    if not request.is_json:
        raise NotJSON
    charset = request.mimetype_params.get("charset", "utf-8").lower()
    if request.headers.get("Content-Encoding", "identity").lower() != "identity" or charset not in ("utf-8", "utf8"):
        raise UnsupportedEncoding
    return json_text.loads(_data(max_bytes))


def is_empty(max_bytes: int) -> bool:
    """True when no body was sent. Raises PayloadTooLarge."""
    return not _data(max_bytes)


def _data(max_bytes: int) -> bytes:
    request.max_content_length = max_bytes
    try:
        return request.get_data()
    except RequestEntityTooLarge:
        raise PayloadTooLarge(f"The body is larger than {max_bytes} bytes.") from None


def checked_body(model: type[Body], value: Any) -> Body:
    """`value` as `model`; types are not guessed. Raises InvalidRequest naming the bad fields, or NotJSON."""
    bad = ((_pointer(place), _UNSTORABLE) for place in unstorable(value))
    if found := dict(islice(bad, MAX_PROBLEMS + 1)):
        raise _invalid(found)
    try:
        return model.model_validate_json(jsonlib.dumps(value, allow_nan=False), strict=True)
    except ValidationError as error:
        wrong: dict[str, BadValue] = {}
        for each in _details(error):  # of several at one place the first: it is of the kind that is most usual
            wrong.setdefault(_pointer(_place(value, each)), _wrong(each))
        raise _invalid(wrong) from None
    except ValueError:  # 1e999, which is more than a float holds
        raise NotJSON from None


def checked_query(model: type[BaseModel]) -> BaseModel:
    """The query string as `model`. Raises InvalidRequest naming the bad parameters."""
    given = dict(request.args.lists())
    values = {name: values[0] for name, values in given.items()}
    problems = _badly_written(model, values)
    problems |= {f"?{name}": _UNSTORABLE for name, value in values.items() if any(unstorable({name: value}))}
    problems |= {f"?{name}": _REPEATED for name, all_of_it in given.items() if len(all_of_it) > 1}
    try:
        checked = model.model_validate(values)
    except ValidationError as error:
        problems = {f"?{details['loc'][0]}": _wrong(details) for details in _details(error)} | problems
    if problems:
        raise _invalid(problems)
    return checked


def _badly_written(model: type[BaseModel], values: dict[str, str]) -> dict[str, BadValue]:
    """Parameters that pydantic would read all the same: 1_0 and 5.0 as whole numbers, yes and on as true."""
    return {
        f"?{name}": problem
        for name, form, problem in _forms(model)
        if name in values and not form.fullmatch(values[name])
    }


@cache
def _forms(model: type[BaseModel]) -> list[tuple[str, re.Pattern[str], BadValue]]:
    """The fields of a query that have to be written in a certain form."""
    fields = [(name, _kinds(field.annotation)) for name, field in model.model_fields.items()]
    return [(name, *_WRITTEN[kind]) for name, kinds in fields for kind in _WRITTEN if kind in kinds]


def _kinds(annotation: Any) -> set[Any]:
    """The types in an annotation: of `Annotated[int, …] | None` int and None."""
    return {annotation}.union(*(_kinds(inner) for inner in get_args(annotation)))


def _invalid(problems: Mapping[str, BadValue]) -> InvalidRequest:
    told = [FieldProblem.of(pointer[:_POINTER], bad) for pointer, bad in problems.items()]
    title = f"Some fields are not valid; here are {MAX_PROBLEMS} of them." if len(told) > MAX_PROBLEMS else None
    return InvalidRequest(told[:MAX_PROBLEMS], title)


def _details(error: ValidationError) -> list[ErrorDetails]:
    return error.errors(include_url=False, include_input=False)


def _wrong(details: ErrorDetails) -> BadValue:
    """What a validator of ours said, or what pydantic says, with the type of its error as code."""
    code, context = details["type"], details.get("ctx", {})
    if isinstance(ours := context.get("error"), BadValue):
        return ours
    values = {
        name: value if isinstance(value, int | float) else str(value)[:_SENTENCE]
        for name, value in context.items()
        if name not in _ENGLISH
    }
    sentence = "is not a field of this request" if code == "extra_forbidden" else details["msg"]
    return BadValue(code, sentence[:_SENTENCE], **values)


def _place(value: Any, details: ErrorDetails) -> Iterator[Any]:
    """Where in the body it is wrong. pydantic's own place also names the kinds that a value may be of."""
    place: tuple[Any, ...] = details["loc"]
    kind = None  # what the object at this place says that it is, and pydantic repeats
    for number, part in enumerate(place, 1):
        known = range(len(value)) if isinstance(value, list) else value if isinstance(value, dict) else ()
        if part == kind and number < len(place):
            kind = None
        elif part in known:
            value = value[part]
            kind = next(filter(None, map(value.get, _KINDS)), None) if isinstance(value, dict) else None
            yield part
        elif number == len(place) and details["type"] == "missing":
            yield part


def _pointer(place: Iterable[Any]) -> str:
    """RFC 6901."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in place)


def idempotency_key(in_body: str | None) -> str | None:
    """The key of this request, from the header or the body. Raises InvalidRequest when they differ."""
    header = request.headers.get("Idempotency-Key")
    header = header and header.strip()
    if header is not None and (not 0 < len(header) <= 255 or not header.isprintable()):
        raise InvalidRequest([FieldProblem("Idempotency-Key", "not_a_key", "must be 1 to 255 printable characters")])
    if header and in_body and header != in_body:
        sentence = "differs from the Idempotency-Key header; send one of them"
        raise InvalidRequest([FieldProblem("/client_key", "two_keys", sentence)])
    return header or in_body
