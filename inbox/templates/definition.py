"""What a template consists of: what has to be filled in, what it then reads, and what WhatsApp is given.

Source: Meta, Templates: components; Send messages: template (read November 2026). Kinds that our page cannot fill in
(a place in the header, codes for signing in, catalogues, carousels, forms) are shown and refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from inbox.errors import BadValue, FieldProblem
from inbox.gateways.whatsapp.text import is_visible
from inbox.media.kinds_sent import types_of

MAX_BODY, MAX_HEADER = 1024, 60  # characters, filled in
MAX_LINK = 2000
MAX_CODE = 15
_SLOT = re.compile(r"\{\{\s*(\w+)\s*\}\}")
#: Buttons that need nothing from us when the template is sent.
_PLAIN_BUTTONS = frozenset({"QUICK_REPLY", "PHONE_NUMBER", "URL", "COPY_CODE", "VOICE_CALL"})

Kind = Literal["text", "link", "code", "image", "video", "document"]
_FILES: Mapping[str, Kind] = {"IMAGE": "image", "VIDEO": "video", "DOCUMENT": "document"}


@dataclass(frozen=True, slots=True)
class Parameter:
    """Something to be filled in. `name` is ours: body.1, header.name, button.0."""

    name: str
    kind: Kind
    slot: str  #: what stands in its place in the text, such as {{1}}; empty when nothing does
    example: str | None
    max_length: int

    @property
    def mime_types(self) -> list[str]:
        """The types that a file in its place may have; none where it is no file."""
        return types_of(self.kind)


@dataclass(frozen=True, slots=True)
class Definition:
    """A template's components, as WhatsApp tells them. `named`: its parameters have names."""

    components: Sequence[Mapping[str, Any]]
    named: bool

    def text_of(self, kind: str) -> str:
        """The words of HEADER, BODY or FOOTER, not filled in."""
        component = self._component(kind)
        text = component.get("text")
        return text if isinstance(text, str) else ""

    @property
    def buttons(self) -> list[str]:
        """What stands on its buttons."""
        return [str(each.get("text") or each.get("type", "")) for each in self._buttons()]

    @property
    def unsupported(self) -> str | None:
        """What of it cannot be filled in here, in WhatsApp's word; None: nothing."""
        if self._component("HEADER").get("format", "TEXT") not in ("TEXT", *_FILES):
            return str(self._component("HEADER")["format"]).lower()
        for component in self.components:
            if _kind(component) not in ("HEADER", "BODY", "FOOTER", "BUTTONS"):
                return _kind(component).lower()
        return next((str(each.get("type")).lower() for each in self._buttons() if not _is_plain(each)), None)

    def parameters(self) -> list[Parameter]:
        """All that has to be filled in, in the order in which it is read."""
        found: list[Parameter] = []
        if (file := self.file_kind) is not None:
            found.append(Parameter(f"header.{file}", file, "", None, MAX_LINK))
        for kind, longest in (("HEADER", MAX_HEADER), ("BODY", MAX_BODY)):
            examples = _examples(self._component(kind), kind)
            for slot in _slots(self.text_of(kind)):
                name = f"{kind.lower()}.{slot}"
                found.append(Parameter(name, "text", f"{{{{{slot}}}}}", examples.get(slot), longest))
        for place, button in enumerate(self._buttons()):
            if button.get("type") == "COPY_CODE":
                found.append(Parameter(f"button.{place}", "code", "", _first(button.get("example")), MAX_CODE))
            elif _slots(str(button.get("url", ""))):
                example = _first(button.get("example"))
                found.append(Parameter(f"button.{place}", "link", str(button["url"]), example, MAX_LINK))
        return found

    @property
    def file_kind(self) -> Kind | None:
        """What kind of file its header is; None: it is none."""
        return _FILES.get(str(self._component("HEADER").get("format")))

    def problems(self, values: Mapping[str, str], *, has_file: bool = False) -> list[FieldProblem]:
        """What is wrong with these values, each with what to change. Empty: they can be sent.

        `has_file`: the header's file was handed over, so that its address is not wanted.
        """
        wanted = {each.name: each for each in self.parameters() if not (has_file and each.kind == self.file_kind)}
        found = [_problem(name, _unknown(wanted)) for name in values.keys() - wanted]
        for name, parameter in wanted.items():
            wrong = _wrong(parameter, values.get(name))
            if wrong:
                found.append(_problem(name, wrong))
        for kind, longest in (("HEADER", MAX_HEADER), ("BODY", MAX_BODY)):
            length = len(self._filled(kind, values))
            slots = [each for each in wanted if each.startswith(f"{kind.lower()}.") and wanted[each].kind == "text"]
            if slots and not found and length > longest:
                found.append(_problem(slots[0], _too_long(kind.lower(), length - longest)))
        return sorted(found, key=lambda each: each.pointer)

    def rendered(self, values: Mapping[str, str]) -> str:
        """The whole text, as the customer reads it: header, body and footer."""
        parts = [self._filled("HEADER", values), self._filled("BODY", values), self.text_of("FOOTER")]
        return "\n".join(part for part in parts if part)

    def filled(self, values: Mapping[str, str], filename: str | None = None) -> list[dict[str, Any]]:
        """`components` of the message, for WhatsApp. `values` have no problems.

        A header whose file was handed over has no address in them: WhatsApp's id of the file is put in its place later.
        `filename` is the file's own.
        """
        parts = [self._header(values, filename), self._body(values), *self._filled_buttons(values)]
        return [part for part in parts if part is not None]

    # --- parts ---------------------------------------------------------------------------------------------------

    def _component(self, kind: str) -> Mapping[str, Any]:
        return next((each for each in self.components if _kind(each) == kind), {})

    def _buttons(self) -> Sequence[Mapping[str, Any]]:
        buttons = self._component("BUTTONS").get("buttons")
        return [each for each in buttons if isinstance(each, Mapping)] if isinstance(buttons, list) else []

    def _filled(self, kind: str, values: Mapping[str, str]) -> str:
        return _SLOT.sub(lambda found: values.get(f"{kind.lower()}.{found[1]}", found[0]), self.text_of(kind))

    def _texts(self, kind: str, values: Mapping[str, str]) -> list[dict[str, Any]]:
        texts = []
        for slot in _slots(self.text_of(kind)):
            name = {"parameter_name": slot} if self.named else {}
            texts.append({"type": "text", **name, "text": values[f"{kind.lower()}.{slot}"]})
        return texts

    def _header(self, values: Mapping[str, str], filename: str | None) -> dict[str, Any] | None:
        if (kind := self.file_kind) is not None:
            link = values.get(f"header.{kind}")
            named = {"filename": filename} if filename and kind == "document" else {}
            return {"type": "header", "parameters": [{"type": kind, kind: named if link is None else {"link": link}}]}
        texts = self._texts("HEADER", values)
        return {"type": "header", "parameters": texts} if texts else None

    def _body(self, values: Mapping[str, str]) -> dict[str, Any] | None:
        texts = self._texts("BODY", values)
        return {"type": "body", "parameters": texts} if texts else None

    def _filled_buttons(self, values: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        for place, button in enumerate(self._buttons()):
            value = values.get(f"button.{place}")
            if value is None:
                continue
            is_code = button.get("type") == "COPY_CODE"
            parameter = {"type": "coupon_code", "coupon_code": value} if is_code else {"type": "text", "text": value}
            sub_type = "copy_code" if is_code else "url"
            yield {"type": "button", "sub_type": sub_type, "index": str(place), "parameters": [parameter]}


def _kind(component: Mapping[str, Any]) -> str:
    return str(component.get("type", "")).upper()


def _is_plain(button: Mapping[str, Any]) -> bool:
    return str(button.get("type", "")).upper() in _PLAIN_BUTTONS


def _slots(text: str) -> list[str]:
    """The names or numbers of the slots, numbers in their own order, each once."""
    found = list(dict.fromkeys(_SLOT.findall(text)))
    return sorted(found, key=int) if all(each.isdecimal() for each in found) else found


def _examples(component: Mapping[str, Any], kind: str) -> dict[str, str]:
    """By slot. `example` has another shape for each kind of component and of parameter."""
    example = component.get("example")
    if not isinstance(example, Mapping):
        return {}
    name = kind.lower()
    named = example.get(f"{name}_text_named_params")
    if isinstance(named, list):
        pairs = [each for each in named if isinstance(each, Mapping)]
        return {str(each.get("param_name")): str(each.get("example", "")) for each in pairs}
    values = example.get(f"{name}_text")
    if isinstance(values, list) and values and isinstance(values[0], list):
        values = values[0]
    return {str(place): str(value) for place, value in enumerate(values, 1)} if isinstance(values, list) else {}


def _first(value: Any) -> str | None:
    value = value[0] if isinstance(value, list) and value else value
    return value if isinstance(value, str) else None


def _problem(name: str, wrong: BadValue) -> FieldProblem:
    return FieldProblem.of(f"/parameters/{name.replace('~', '~0').replace('/', '~1')}", wrong)


def _unknown(wanted: Mapping[str, Parameter]) -> BadValue:
    known = ", ".join(wanted) or "none"
    return BadValue("unknown_parameter", f"is no parameter of this template: it has {known}", known=known)


def _too_long(part: str, more: int) -> BadValue:
    sentence = f"makes the {part} {more} characters too long: shorten the values"
    return BadValue("makes_it_too_long", sentence, more=more)


def _wrong(parameter: Parameter, value: str | None) -> BadValue | None:
    """What is to be changed about one value; None: nothing."""
    if value is None or not is_visible(value):
        return BadValue("invisible", "must hold some visible text")
    if len(value) > parameter.max_length:
        sentence = f"has {len(value)} characters: WhatsApp takes {parameter.max_length}"
        return BadValue("string_too_long", sentence, max_length=parameter.max_length)
    if parameter.kind == "text":
        if re.search(r"[\n\r\t]| {5}", value):
            return BadValue("many_blanks", "may not hold line breaks, tabs or more than 4 blanks in a row")
    elif parameter.kind == "link":
        if re.search(r"\s", value):
            return BadValue("blank_in_link", "is a part of a web address and may not hold blanks")
    elif parameter.kind != "code" and not re.fullmatch(r"https://[^\s/]+/\S*", value):
        sentence = f"must be the web address of the {parameter.kind}, beginning with https://"
        return BadValue("not_a_file_address", sentence)
    return None
