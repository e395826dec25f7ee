"""What a template wants filled in, what it then reads, and what WhatsApp is given."""

from __future__ import annotations

from typing import Any

import pytest

from inbox.templates.definition import Definition

PARCEL: list[dict[str, Any]] = [
    {"type": "HEADER", "format": "TEXT", "text": "Parcel {{1}}", "example": {"header_text": ["4521"]}},
    {
        "type": "BODY",
        "text": "Dear {{1}}, it comes on {{2}}. Bye, {{1}}!",
        "example": {"body_text": [["Anna", "Monday"]]},
    },
    {"type": "FOOTER", "text": "The bakery"},
    {
        "type": "BUTTONS",
        "buttons": [
            {"type": "QUICK_REPLY", "text": "Thanks"},
            {"type": "URL", "text": "Follow it", "url": "https://example.com/{{1}}", "example": ["4521"]},
            {"type": "COPY_CODE", "example": "CAKE10"},
        ],
    },
]
VALUES = {"header.1": "77", "body.1": "Léa", "body.2": "Friday", "button.1": "77?a=b", "button.2": "CAKE20"}
NAMED: list[dict[str, Any]] = [
    {
        "type": "BODY",
        "text": "Bonjour {{name}}, à demain {{time}}.",
        "example": {"body_text_named_params": [{"param_name": "name", "example": "Camille"}]},
    }
]
PICTURE: list[dict[str, Any]] = [{"type": "HEADER", "format": "IMAGE"}, {"type": "BODY", "text": "Our cake."}]


def test_every_parameter_is_named_where_it_stands() -> None:
    found = [(each.name, each.kind, each.slot, each.example) for each in Definition(PARCEL, False).parameters()]
    assert found == [
        ("header.1", "text", "{{1}}", "4521"),
        ("body.1", "text", "{{1}}", "Anna"),
        ("body.2", "text", "{{2}}", "Monday"),
        ("button.1", "link", "https://example.com/{{1}}", "4521"),
        ("button.2", "code", "", "CAKE10"),
    ]


def test_a_filled_in_template_reads_as_the_customer_reads_it() -> None:
    parcel = Definition(PARCEL, False)
    assert parcel.problems(VALUES) == []
    assert parcel.rendered(VALUES) == "Parcel 77\nDear Léa, it comes on Friday. Bye, Léa!\nThe bakery"
    assert parcel.filled(VALUES) == [
        {"type": "header", "parameters": [{"type": "text", "text": "77"}]},
        {"type": "body", "parameters": [{"type": "text", "text": "Léa"}, {"type": "text", "text": "Friday"}]},
        {"type": "button", "sub_type": "url", "index": "1", "parameters": [{"type": "text", "text": "77?a=b"}]},
        {
            "type": "button",
            "sub_type": "copy_code",
            "index": "2",
            "parameters": [{"type": "coupon_code", "coupon_code": "CAKE20"}],
        },
    ]


def test_named_parameters_are_sent_with_their_names_and_a_file_with_its_address() -> None:
    values = {"body.name": "Léa", "body.time": "9 h"}
    (body,) = Definition(NAMED, True).filled(values)
    assert body["parameters"][0] == {"type": "text", "parameter_name": "name", "text": "Léa"}
    (header,) = Definition(PICTURE, False).filled({"header.image": "https://example.com/cake.png"})
    assert header["parameters"] == [{"type": "image", "image": {"link": "https://example.com/cake.png"}}]


@pytest.mark.parametrize(("format_", "file"), [("IMAGE", {}), ("DOCUMENT", {"filename": "menu.pdf"})])
def test_a_file_that_was_handed_over_needs_no_address_and_a_document_keeps_its_name(
    format_: str, file: dict[str, str]
) -> None:
    kind = format_.lower()
    definition = Definition([{"type": "HEADER", "format": format_}, {"type": "BODY", "text": "Our week."}], False)
    assert definition.problems({}, has_file=True) == []
    assert ("image/png" if kind == "image" else "application/pdf") in definition.parameters()[0].mime_types
    assert [each.pointer for each in definition.problems({})] == [f"/parameters/header.{kind}"]
    (header,) = definition.filled({}, "menu.pdf")
    assert header["parameters"] == [{"type": kind, kind: file}]


@pytest.mark.parametrize(
    ("components", "change", "pointer", "words"),
    [
        (PARCEL, {"body.2": None}, "/parameters/body.2", "visible"),
        (PARCEL, {"body.2": " "}, "/parameters/body.2", "visible"),
        (PARCEL, {"body.3": "more"}, "/parameters/body.3", "it has header.1, body.1, body.2, button.1, button.2"),
        (PARCEL, {"body.1": "two\nlines"}, "/parameters/body.1", "line breaks"),
        (PARCEL, {"body.1": "a     b"}, "/parameters/body.1", "4 blanks"),
        (PARCEL, {"header.1": "x" * 61}, "/parameters/header.1", "has 61 characters: WhatsApp takes 60"),
        (PARCEL, {"header.1": "x" * 54}, "/parameters/header.1", "1 characters too long"),
        (PARCEL, {"body.1": "x" * 600}, "/parameters/body.1", "characters too long: shorten"),
        (PARCEL, {"button.1": "a b"}, "/parameters/button.1", "blanks"),
        (PARCEL, {"button.2": "x" * 16}, "/parameters/button.2", "takes 15"),
        (PICTURE, {"header.image": "http://example.com/x"}, "/parameters/header.image", "https://"),
    ],
)
def test_what_cannot_be_sent_says_what_to_change(
    components: list[dict[str, Any]], change: dict[str, str | None], pointer: str, words: str
) -> None:
    given = (VALUES if components is PARCEL else {}) | change
    values = {name: value for name, value in given.items() if value is not None}
    (problem,) = Definition(components, False).problems(values)
    assert problem.pointer == pointer
    assert words in problem.problem


@pytest.mark.parametrize(
    ("component", "word"),
    [
        ({"type": "HEADER", "format": "LOCATION"}, "location"),
        ({"type": "CAROUSEL", "cards": []}, "carousel"),
        ({"type": "BUTTONS", "buttons": [{"type": "OTP", "text": "Copy"}]}, "otp"),
        ({"type": "FOOTER", "text": "Bye"}, None),
    ],
)
def test_what_cannot_be_filled_in_here_is_said(component: dict[str, Any], word: str | None) -> None:
    assert Definition([{"type": "BODY", "text": "Hello"}, component], False).unsupported == word


@pytest.mark.parametrize("components", [[], [{}], [{"type": "BUTTONS", "buttons": "x"}], [{"type": "BODY", "text": 5}]])
def test_a_template_that_makes_no_sense_breaks_nothing(components: list[dict[str, Any]]) -> None:
    strange = Definition(components, False)
    assert (strange.parameters(), strange.rendered({}), strange.filled({}), strange.problems({})) == ([], "", [], [])
