"""The OpenAPI 3.1 document, made from the routes as they are registered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Flask
from pydantic import BaseModel, RootModel
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from inbox.errors import IdempotencyConflict
from inbox.schemas import Problem, ValidationProblem
from inbox.version import VERSION
from inbox.web.openapi import vocabulary
from inbox.web.openapi.examples import example
from inbox.web.openapi.failures import Failure, failures
from inbox.web.openapi.operations import Operation, operations

_REF = "#/components/schemas/{model}"
_PROBLEM, _VALIDATION_PROBLEM = ({"$ref": _REF.format(model=model.__name__)} for model in (Problem, ValidationProblem))

JSON = dict[str, Any]


class _Generator(GenerateJsonSchema):
    """Without a title for every field, which would only repeat its name, and without null for what is left out."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        return False

    def default_schema(self, schema: Any) -> dict[str, Any]:
        made = super().default_schema(schema)
        return {key: value for key, value in made.items() if (key, value) != ("default", None)}


def document(app: Flask, *, session_cookie: str) -> JSON:
    """The whole document, for JSON."""
    return _Document(operations(app), session_cookie).whole()


class _Document:
    def __init__(self, found: list[Operation], session_cookie: str) -> None:
        self._operations = found
        self._session_cookie = session_cookie
        self._responses: dict[str, JSON] = {}
        self._schemas = _schemas(found)

    def whole(self) -> JSON:
        paths: dict[str, JSON] = {}
        for operation in self._operations:
            paths.setdefault(operation.path, {})[operation.method.lower()] = self._operation(operation)
        used = sorted({operation.contract.tag for operation in self._operations})
        return {
            "openapi": "3.1.0",
            "info": {"version": VERSION, **vocabulary.INFO},
            "servers": [{"url": "/", "description": "This installation"}],
            "tags": [{"name": tag, "description": vocabulary.TAGS[tag]} for tag in used],
            "paths": paths,
            "components": {
                "schemas": self._components(),
                "responses": dict(sorted(self._responses.items())),
                "headers": vocabulary.HEADERS,
                "securitySchemes": vocabulary.security_schemes(self._session_cookie),
            },
        }

    def _components(self) -> dict[str, JSON]:
        """Without query models, which are shown as parameters, and lists, which are shown in place."""
        inlined = {_name(each.contract.query) for each in self._operations if each.contract.query is not None}
        told = [model for each in self._operations for model in each.contract.responses.values() if model is not None]
        inlined |= {_name(model) for model in told if issubclass(model, RootModel)}
        return {name: schema for name, schema in sorted(self._schemas.items()) if name not in inlined}

    # --- an operation ----------------------------------------------------------------------------------------------

    def _operation(self, operation: Operation) -> JSON:
        summary, _, more = operation.doc.partition("\n\n")
        made = {
            "operationId": operation.id,
            "tags": [operation.contract.tag],
            "summary": " ".join(summary.split()),
            "description": "\n\n".join(filter(None, [more, _who(operation)])),
            "security": _security(operation),
            "parameters": [*self._path_parameters(operation), *self._query_parameters(operation), *_headers(operation)],
            "responses": self._successes(operation) | self._failures(operation),
        }
        if operation.contract.body is not None:
            content = {"application/json": self._content(_name(operation.contract.body))}
            made["requestBody"] = {"required": not operation.contract.may_be_empty, "content": content}
        return _merged(made, operation.contract.described)

    def _path_parameters(self, operation: Operation) -> list[JSON]:
        return [
            {
                "name": name,
                "in": "path",
                "required": True,
                "schema": schema,
                "example": example(schema, {}, name, operation.id),
            }
            for name, schema in ((name, vocabulary.placeholder(kind)) for name, kind in operation.placeholders.items())
        ]

    def _query_parameters(self, operation: Operation) -> list[JSON]:
        if operation.contract.query is None:
            return []
        model = self._schemas[_name(operation.contract.query)]
        return [
            _described(
                {
                    "name": name,
                    "in": "query",
                    "required": name in model.get("required", []),
                    "schema": {**vocabulary.PARAMETERS.get(name, {}), **_without_null(schema)},
                }
            )
            for name, schema in model["properties"].items()
        ]

    def _content(self, name: str) -> JSON:
        """The media type of a model: a reference, or a list of them in place."""
        schema = self._schemas[name]
        schema = {key: schema[key] for key in ("type", "items")} if schema.get("type") == "array" else _ref(name)
        return {"schema": schema, "example": example(schema, self._schemas)}

    # --- its responses -----------------------------------------------------------------------------------------------

    def _successes(self, operation: Operation) -> dict[str, JSON]:
        responses: dict[str, JSON] = {}
        for status, model in operation.contract.responses.items():
            if status >= 400:
                continue
            responses[str(status)] = {
                "description": vocabulary.phrase(status),
                "headers": vocabulary.of_success(operation),
            }
            if model is not None:
                responses[str(status)]["content"] = {"application/json": self._content(_name(model))}
        if operation.conditional:
            responses["304"] = {
                "description": vocabulary.phrase(304),
                "headers": vocabulary.references("X-Request-Id", "ETag"),
            }
        return responses

    def _failures(self, operation: Operation) -> dict[str, JSON]:
        responses: dict[str, JSON] = {}
        for status, found in failures(operation).items():
            name = ".".join([str(status), *(failure.code for failure in found)])
            self._responses.setdefault(name, _failure(status, found))
            reference = {"$ref": f"#/components/responses/{name}"}
            model = operation.contract.responses.get(status)
            responses[str(status)] = reference if model is None else self._both(self._responses[name], model)
        return responses

    def _both(self, failure: JSON, model: type[BaseModel]) -> JSON:
        """For a status that is an answer of the route's own as well: health routes say 503 with what they found."""
        content = {"application/json": self._content(_name(model)), **failure["content"]}
        return {**failure, "headers": vocabulary.references("X-Request-Id"), "content": content}


def _schemas(found: list[Operation]) -> dict[str, JSON]:
    """Every model by its name: as it is read in requests, as it is written in responses."""
    contracts = [each.contract for each in found]
    asked = [(model, "validation") for each in contracts for model in (each.query, each.body)]
    told = [(model, "serialization") for each in contracts for model in each.responses.values()]
    problems = [(Problem, "serialization"), (ValidationProblem, "serialization")]
    wanted = [each for each in dict.fromkeys([*asked, *told, *problems]) if each[0] is not None]
    _, made = models_json_schema(wanted, ref_template=_REF, schema_generator=_Generator)  # type: ignore[arg-type]
    return dict(made["$defs"])


def _name(model: type[BaseModel]) -> str:
    return model.__name__


def _ref(name: str) -> JSON:
    return {"$ref": _REF.format(model=name)}


def _failure(status: int, found: list[Failure]) -> JSON:
    """One answer with problem details, for all its codes."""
    invalid = any(failure.code == "validation_error" for failure in found)
    base = {"anyOf": [_VALIDATION_PROBLEM, _PROBLEM]} if invalid and len(found) > 1 else None
    schema = {
        **(base or (_VALIDATION_PROBLEM if invalid else _PROBLEM)),
        "properties": {"status": {"const": status}, "code": {"enum": [failure.code for failure in found]}},
    }
    return {
        "description": vocabulary.phrase(status),
        "headers": vocabulary.of_failure(status),
        "content": {
            "application/problem+json": {
                "schema": schema,
                "examples": {failure.code: {"value": vocabulary.problem(failure)} for failure in found},
            }
        },
    }


def _who(operation: Operation) -> str:
    if operation.permission is not None:
        return f"Permission: `{operation.permission}`{', for all accounts' if operation.everywhere else ''}."
    return "" if operation.public else "For everybody who is known, whatever they may do."


def _security(operation: Operation) -> list[JSON]:
    if operation.public:
        return []
    session: JSON = {"session": []} if operation.method == "GET" else {"session": [], "csrf": []}
    return [{"bearer": []}, session]


def _headers(operation: Operation) -> list[JSON]:
    names = ["If-None-Match"] if operation.conditional else []
    names += ["Idempotency-Key"] if IdempotencyConflict in operation.contract.raises else []
    return [vocabulary.HEADER_PARAMETERS[name] for name in names]


def _without_null(schema: JSON) -> JSON:
    """A parameter that may be left out: no query string can say null."""
    if {"type": "null"} not in schema.get("anyOf", []):
        return schema
    (option,) = (option for option in schema["anyOf"] if option != {"type": "null"})
    kept = {key: value for key, value in schema.items() if key not in ("anyOf", "default")}
    return {**option, **kept}


def _described(parameter: JSON) -> JSON:
    """OpenAPI wants the description beside the schema."""
    description = parameter["schema"].pop("description", None)
    return {**parameter, "description": description} if description else parameter


def _with(response: JSON, more: JSON) -> JSON:
    """A response that may be of other media types as well."""
    content = {**response.get("content", {}), **more.get("content", {})}
    return response | more | ({"content": content} if content else {})


def _merged(made: JSON, described: Mapping[str, Any]) -> JSON:
    """What decorators tell, with what the route describes by itself."""
    responses = made["responses"]
    own = {status: _with(responses[status], more) for status, more in described.get("responses", {}).items()}
    merged = {
        **made,
        **described,
        "parameters": [*made["parameters"], *described.get("parameters", [])],
        "responses": dict(sorted((responses | own).items())),
    }
    return {key: value for key, value in merged.items() if value or key == "security"}
