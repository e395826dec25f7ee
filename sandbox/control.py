"""The routes under /_: what tests and the demo steer the sandbox with, and where they look what happened."""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from sandbox.customers import same_recipient
from sandbox.fault_kinds import KINDS, UPSTREAMS, FaultError
from sandbox.inbound import Writing
from sandbox.protocol import Answer, Request, json_answer
from sandbox.records import Log

if TYPE_CHECKING:
    from sandbox.sandbox import Sandbox

#: Records in one answer, the last ones; `?limit=` changes it.
_DEFAULT_LIMIT = 1000


class _Shown(Protocol):
    def as_json(self) -> dict[str, Any]: ...


class _NotFound(ValueError):
    pass


class Control:
    """Answers the control routes; what is wrong with a request is a 400 that says it."""

    def __init__(self, sandbox: "Sandbox") -> None:
        self._sandbox = sandbox
        self._routes: Mapping[tuple[str, str], Callable[[Request, str], Any]] = {
            ("GET", "_health"): self._health,
            ("GET", "_faults"): self._list_faults,
            ("POST", "_faults"): lambda request, _: {"id": sandbox.faults.add_from_json(request.json())},
            ("DELETE", "_faults"): lambda _, fault_id: {"removed": sandbox.faults.remove(fault_id or None)},
            ("GET", "_deliveries"): self._deliveries,
            ("GET", "_customers"): self._customers,
            ("POST", "_customers"): self._post_customer,
            ("GET", "_requests"): self._requests,
            ("GET", "_webhooks"): lambda request, _: _page("webhooks", sandbox.records.webhooks, request),
            ("POST", "_webhooks"): self._post_webhook,
            ("GET", "_reads"): lambda request, _: _page("reads", sandbox.records.reads, request),
            ("POST", "_templates"): self._post_template,
            ("POST", "_reset"): self._reset,
            ("GET", "_supabase"): self._users,
            ("POST", "_supabase"): self._post_supabase,
            ("DELETE", "_supabase"): self._delete_user,
        }

    def answer(self, request: Request) -> Answer:
        _, root, rest = f"{request.path}/".split("/", 2)
        route = self._routes.get((request.method, root))
        if route is None:
            return json_answer(404, {"error": f"no {request.method} {request.path}", "there_is": self._known()})
        try:
            return json_answer(200, route(request, rest.rstrip("/")))
        except FaultError as error:
            return json_answer(400, {"error": str(error), "upstreams": UPSTREAMS, "faults": list(KINDS)})
        except _NotFound as error:
            return json_answer(404, {"error": str(error)})
        except (ValueError, TypeError) as error:
            return json_answer(400, {"error": str(error)})

    def _known(self) -> list[str]:
        return sorted(f"{method} /{root}" for method, root in self._routes)

    def _health(self, _request: Request, _rest: str) -> Any:
        return {"status": "ok", "url": self._sandbox.url, "webhook_url": self._sandbox.webhook_url}

    def _list_faults(self, _request: Request, _rest: str) -> Any:
        kinds = {name: kind.as_json() for name, kind in KINDS.items()}
        return {"faults": [rule.as_json() for rule in self._sandbox.faults.rules()], "kinds": kinds}

    def _deliveries(self, request: Request, _rest: str) -> Any:
        """The last deliveries, with `count` and `by_customer` over all that are kept."""
        to = request.query.get("to")
        found = [
            delivery
            for delivery in self._sandbox.records.deliveries
            if to is None or any(same_recipient(name, to) for name in (delivery.phone, delivery.bsuid) if name)
        ]
        counts = Counter(delivery.phone or delivery.bsuid for delivery in found)
        shown = [delivery.as_json() for delivery in found[-_limit(request) :]]
        return {"deliveries": shown, "count": len(found), "by_customer": counts}

    def _customers(self, _request: Request, _rest: str) -> Any:
        return {"customers": [customer.as_json() for customer in self._sandbox.graph.customers]}

    def _post_customer(self, request: Request, who: str) -> Any:
        """`messages`: a customer writes. Otherwise the settings of the one with this number or user id."""
        if who == "messages":
            return {"wamid": self._sandbox.graph.customer_writes(Writing.from_json(request.json()))}
        if not who:
            raise _NotFound("POST /_customers/messages or /_customers/{phone}")
        return self._sandbox.customer(who, **_object(request)).as_json()

    def _post_template(self, request: Request, _rest: str) -> Any:
        """name, language, status, and a reason: the template is in that state from now on, and a webhook says so."""
        self._sandbox.set_template_status(**_object(request))
        return {}

    def _requests(self, request: Request, _rest: str) -> Any:
        upstream = request.query.get("upstream")
        found = [each for each in self._sandbox.records.requests if upstream in (None, each.upstream)]
        return {"requests": [each.as_json() for each in found[-_limit(request) :]], "count": len(found)}

    def _post_webhook(self, request: Request, _rest: str) -> Any:
        """Sign this body as it is and deliver it."""
        self._sandbox.send_webhook(request.body)
        return {}

    def _reset(self, _request: Request, _rest: str) -> Any:
        self._sandbox.reset()
        return {}

    def _users(self, _request: Request, rest: str) -> Any:
        if rest != "users":
            raise _NotFound("GET /_supabase/users")
        return {"users": [user.as_json() for user in self._sandbox.supabase.users]}

    def _post_supabase(self, request: Request, rest: str) -> Any:
        """users, rotate {remove_old}, mode {signing}, mint {user, …}."""
        supabase, body = self._sandbox.supabase, _object(request)
        if rest == "users":
            return supabase.save_user(**body).as_json()
        if rest == "rotate":
            return {"kid": supabase.rotate(remove_old=bool(body.get("remove_old", False)))}
        if rest == "mode":
            supabase.switch_signing(str(body.get("signing")))
            return {"signing": supabase.signing}
        if rest == "mint":
            return {"access_token": supabase.mint(**body)}
        raise _NotFound("POST /_supabase/users, /rotate, /mode or /mint")

    def _delete_user(self, _request: Request, rest: str) -> Any:
        kind, _, user_id = rest.partition("/")
        if kind != "users" or not self._sandbox.supabase.users.delete(user_id):
            raise _NotFound(f"no user {user_id}")
        return {}


def _object(request: Request) -> dict[str, Any]:
    body = request.json() if request.body else {}
    if not isinstance(body, dict):
        raise ValueError("a JSON object is needed")
    return body


def _limit(request: Request) -> int:
    limit = request.query.get("limit", str(_DEFAULT_LIMIT))
    if not limit.isdecimal() or int(limit) == 0:
        raise ValueError("limit is a whole number above 0")
    return int(limit)


def _page(name: str, log: "Log[Any]", request: Request) -> dict[str, Any]:
    entries: list[_Shown] = list(log)
    return {name: [entry.as_json() for entry in entries[-_limit(request) :]], "count": len(entries)}
