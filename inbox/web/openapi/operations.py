"""The routes of the application, read back from their decorators."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_type_hints

from flask import Flask
from werkzeug.routing import Rule

from inbox.auth.access import Permission
from inbox.web.contract import Contract
from inbox.web.limits import limits

_PLACEHOLDER = re.compile(r"<(?:[^:<>]+:)?(\w+)>")
_AUTOMATIC = {"HEAD", "OPTIONS"}  # Flask answers these for every route


@dataclass(frozen=True)
class Operation:
    """One method of one route."""

    id: str
    method: str
    path: str  #: as OpenAPI writes it: /conversations/{conversation_id}
    blueprint: str
    doc: str
    decision: str
    everywhere: bool  #: the permission has to hold for all accounts
    placeholders: dict[str, Any]  #: of the path, each with its type
    contract: Contract

    @property
    def public(self) -> bool:
        return self.decision.startswith("public")

    @property
    def counted(self) -> bool:
        """True when a success counts: not of those who must get through however often they come."""
        return self.blueprint not in limits.FREE

    @property
    def permission(self) -> Permission | None:
        return Permission(self.decision) if self.decision in set(Permission) else None

    @property
    def conditional(self) -> bool:
        """True when the answer has an ETag and can be 304: rows that are read, unless 204 says they are the same."""
        reads = self.method == "GET" and not self.public and self.contract.responses.get(200) is not None
        return reads and 204 not in self.contract.responses


def operations(app: Flask) -> list[Operation]:
    """Every method of every route, in the order of their paths."""
    found = [operation for rule in app.url_map.iter_rules() for operation in _of_rule(app, rule)]
    return sorted(found, key=lambda operation: (operation.path, operation.method))


def _of_rule(app: Flask, rule: Rule) -> Iterator[Operation]:
    view: Any = app.view_functions[rule.endpoint]
    hints = get_type_hints(inspect.unwrap(view))
    for method in sorted((rule.methods or set()) - _AUTOMATIC):
        yield Operation(
            id=rule.endpoint.rpartition(".")[2],
            method=method,
            path=_PLACEHOLDER.sub(r"{\1}", rule.rule),
            blueprint=rule.endpoint.partition(".")[0],
            doc=inspect.getdoc(view) or "",
            decision=view.decision,
            everywhere=view.everywhere,
            placeholders={name: hints[name] for name in sorted(rule.arguments)},
            contract=view.contract,
        )
