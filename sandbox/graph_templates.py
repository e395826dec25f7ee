"""The message templates of the account: a short list, whose states can be changed.

Source: Meta, "Templates > Components" and "Template management".
"""

import copy
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from sandbox.graph_checks import JSON, a_list, an_object, optional_text, require, text
from sandbox.graph_errors import GraphError


def _template(
    number: int, name: str, language: str, category: str, body: str, *, status: str = "APPROVED", **more: Any
) -> dict[str, Any]:
    """`more` adds keys; `header`, `footer` and `buttons` become components."""
    buttons, header, footer = (more.pop(name, None) for name in ("buttons", "header", "footer"))
    components: list[dict[str, Any]] = [header] if header else []
    components.append({"type": "BODY", "text": body})
    if footer:
        components.append({"type": "FOOTER", "text": footer})
    if buttons:
        components.append({"type": "BUTTONS", "buttons": buttons})
    return {
        "id": str(400000000000000 + number),
        "name": name,
        "language": language,
        "status": status,
        "category": category,
        "parameter_format": "POSITIONAL",
        "components": components,
    } | more


TEMPLATES: tuple[dict[str, Any], ...] = (
    _template(1, "hello_world", "en_US", "UTILITY", "Welcome. This message shows that sending works."),
    _template(
        2,
        "order_update",
        "fr",
        "UTILITY",
        "Bonjour {{1}}, votre commande {{2}} est en route.",
        buttons=[{"type": "QUICK_REPLY", "text": "Confirmer"}],
    ),
    _template(3, "order_update", "en", "UTILITY", "Hello {{1}}, your order {{2}} is on its way."),
    _template(
        4,
        "appointment_reminder",
        "fr",
        "UTILITY",
        "Bonjour {{name}}, à demain {{time}}.",
        parameter_format="NAMED",
    ),
    _template(5, "spring_offer", "fr", "MARKETING", "Bonjour {{1}}, -10 % jusqu'à dimanche."),
    _template(6, "autumn_offer", "fr", "MARKETING", "Bonjour {{1}}, découvrez l'automne.", status="PAUSED"),
    _template(7, "winter_offer", "fr", "MARKETING", "Bonjour {{1}}, -50 % !!!", status="REJECTED"),
    _template(8, "summer_offer", "fr", "MARKETING", "Bonjour {{1}}, c'est l'été.", status="DISABLED"),
    _template(
        9,
        "parcel_sent",
        "en",
        "UTILITY",
        "Dear {{1}}, your parcel comes on {{2}}.",
        header={"type": "HEADER", "format": "TEXT", "text": "Parcel {{1}}"},
        footer="Sent by the bakery",
        buttons=[{"type": "URL", "text": "Follow it", "url": "https://example.com/parcels/{{1}}"}],
    ),
    _template(
        10,
        "cake_of_the_week",
        "en",
        "MARKETING",
        "Good morning {{1}}, this is our cake of the week.",
        header={"type": "HEADER", "format": "IMAGE"},
        buttons=[{"type": "QUICK_REPLY", "text": "Keep one for me"}],
    ),
)

_REFUSED = {"PAUSED": 132015, "DISABLED": 132016}

_PARAMETER_TYPES = {
    "text", "currency", "date_time", "image", "video", "document", "location", "payload", "coupon_code", "action",
}  # fmt: skip


def check_shape(content: Any) -> None:
    """Raises GraphError where this is no template; whether it exists and fits is the book's to say."""
    an_object(content, "template", {"name", "language", "components"})
    text(content, "name", 1, 512)
    require(content, "language")
    text(an_object(content["language"], "language", {"code", "policy"}), "code", 2, 16)


def file_ids(content: JSON) -> list[str]:
    """The uploaded files that a template's parameters name. `content` passed check()."""
    given = [each for component in content.get("components") or () for each in component.get("parameters") or ()]
    files = [each[each["type"]] for each in given if each["type"] in ("image", "video", "document")]
    return [str(file["id"]) for file in files if "id" in file]


class TemplateBook:
    """The templates of the account, in the states they are in."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """As at the start."""
        self._templates = [copy.deepcopy(each) for each in TEMPLATES]

    def category_of(self, content: JSON) -> str:
        """The category that prices a sent template."""
        return str(self._find(content["name"], content["language"]["code"])["category"]).lower()

    def check(self, content: Any) -> None:
        """Raises GraphError where the name and language are not approved or the parameters do not fit."""
        name = content["name"]
        template = self._find(name, content["language"]["code"])
        if template["status"] in _REFUSED:
            raise GraphError(_REFUSED[template["status"]], f"template name ({name}) is {template['status'].lower()}")
        wanted = next((each["format"].lower() for each in template["components"] if "format" in each), "text")
        given: dict[str, int] = {}
        for component in a_list(content, "components", 0, 20) if content.get("components") is not None else ():
            kind, count = _check_component(component, named=template["parameter_format"] == "NAMED")
            if kind == "header" and any(each["type"] != wanted for each in component["parameters"]):
                raise GraphError(132012, f"header: Format mismatch, expected {wanted.upper()}")
            given[kind] = given.get(kind, 0) + count
        for kind, expected in _slots(template).items():
            if given.get(kind, 0) != expected:
                details = f"{kind}: number of localizable_params ({given.get(kind, 0)}) does not match the expected"
                raise GraphError(132000, f"{details} number of params ({expected})")

    def text_of(self, content: JSON) -> str:
        """The body as the customer reads it. `content` passed check()."""
        template = self._find(content["name"], content["language"]["code"])
        body = next(each["text"] for each in template["components"] if each["type"] == "BODY")
        given: Any = next((each for each in content.get("components") or () if each["type"].lower() == "body"), {})
        for place, parameter in enumerate(given.get("parameters") or (), 1):
            slot = parameter.get("parameter_name", str(place))
            body = body.replace("{{" + slot + "}}", str(parameter.get("text", parameter["type"])))
        return str(body)

    def set_status(self, name: str, language: str, status: str, reason: str = "NONE") -> dict[str, Any]:
        """Change the state of a template; the value of the webhook that tells it. Raises ValueError."""
        for template in self._templates:
            if (template["name"], template["language"]) == (name, language):
                template["status"] = status
                return {
                    "event": status,
                    "message_template_id": int(template["id"]),
                    "message_template_name": name,
                    "message_template_language": language,
                    "message_template_category": template["category"],
                    "reason": reason,
                }
        raise ValueError(f"no template {name} in {language}")

    def _find(self, name: str, language: str) -> dict[str, Any]:
        for template in self._templates:
            if (template["name"], template["language"]) == (name, language) and template["status"] != "REJECTED":
                return template
        raise GraphError(132001, f"template name ({name}) does not exist in {language}")

    def page(self, query: Mapping[str, str], url: str) -> dict[str, Any]:
        """`GET /{waba_id}/message_templates`, with `next` while there is more; url is the request's own."""
        filters = {key: query[key] for key in ("status", "name", "language", "category") if key in query}
        found = [each for each in self._templates if filters.items() <= each.items()]
        limit, after = query.get("limit", "25"), query.get("after", "")
        if not limit.isdecimal() or not 1 <= int(limit) <= 1000:
            raise GraphError(100, "Param limit must be a number from 1 to 1000")
        first = int(after) + 1 if after.isdecimal() else 0
        page = found[first : first + int(limit)]
        if not page:
            return {"data": []}
        last = first + len(page) - 1
        paging: dict[str, Any] = {"cursors": {"before": str(first), "after": str(last)}}
        if last + 1 < len(found):
            paging["next"] = f"{url}?{urlencode({**query, 'limit': limit, 'after': last})}"
        return {"data": [_fields_of(each, query.get("fields")) for each in page], "paging": paging}


def _slots(template: JSON) -> dict[str, int]:
    """How many parameters the header, the body and the buttons want."""
    count = {"header": 0, "body": 0, "button": 0}
    for component in template["components"]:
        count["header"] += component.get("format", "TEXT") != "TEXT"
        texts = [component.get("text", ""), *(each.get("url", "") for each in component.get("buttons", ()))]
        kind = "button" if component["type"] == "BUTTONS" else component["type"].lower()
        if kind in count:
            count[kind] += len(set(re.findall(r"\{\{\w+\}\}", " ".join(texts))))
    return count


def _check_component(component: Any, *, named: bool) -> tuple[str, int]:
    """Its kind, and how many parameters it gives that stand in a text. A payload stands in none."""
    an_object(component, "components", {"type", "sub_type", "index", "parameters", "cards"})
    kind = text(component, "type", 1, 32).lower()
    if kind not in ("header", "body", "button", "carousel", "limited_time_offer"):
        raise GraphError(131009, f"The parameter type of a component cannot be {kind!r}")
    parameters = a_list(component, "parameters", 0, 100) if component.get("parameters") is not None else []
    for parameter in parameters:
        _check_parameter(parameter, named=named and kind == "body")
    return kind, sum(1 for each in parameters if each["type"] != "payload")


def _check_parameter(parameter: Any, *, named: bool) -> None:
    if not isinstance(parameter, Mapping) or parameter.get("type") not in _PARAMETER_TYPES:
        raise GraphError(132012, "Each parameter needs a type that exists")
    kind = parameter["type"]
    if parameter.get(kind) is None:
        raise GraphError(131008, f"The parameter {kind} is required")
    if kind in ("image", "video", "document"):
        file = an_object(parameter[kind], kind, {"id", "link", "filename"})
        if ("id" in file) == ("link" in file):
            raise GraphError(131008, f"{kind} needs either an id or a link")
    if kind == "text":
        value = text(parameter, "text", 1, 32768)
        if "\n" in value or "\t" in value or "     " in value:
            raise GraphError(132012, "A parameter may not hold line breaks, tabs or more than 4 blanks in a row")
    if named and optional_text(parameter, "parameter_name", 1, 512) is None:
        raise GraphError(132012, "Each parameter of a named template needs its parameter_name")


def _fields_of(template: dict[str, Any], fields: str | None) -> dict[str, Any]:
    wanted = {*fields.split(","), "id"} if fields else template.keys()
    return {key: value for key, value in template.items() if key in wanted}
