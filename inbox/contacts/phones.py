"""The spellings of one phone number: some countries write mobile numbers with a digit more or less than WhatsApp does.

Webhooks and the people who type numbers disagree on it, so a person is looked for under every spelling. A number that
we hold is never rewritten: what WhatsApp told us is what it takes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumber, PhoneNumberFormat, PhoneNumberType


@dataclass(frozen=True, slots=True)
class _Extra:
    """Digits that a mobile number may lack: `text` at `at` of a national number that has `length` digits with them."""

    text: str
    at: int
    length: int


#: By country code. Brazil's ninth digit, the 9 of Argentina and the 1 of Mexico (Meta, Phone numbers, 2026), and the
#: 01 that Benin put in front of every number on 30 November 2024 (ITU, Operational Bulletin).
_EXTRAS = {
    "55": _Extra("9", 2, 11),
    "54": _Extra("9", 0, 11),
    "52": _Extra("1", 0, 11),
    "229": _Extra("01", 0, 10),
}


@lru_cache(maxsize=10_000)
def spellings(phone: str) -> tuple[str, ...]:
    """All digits under which the person with the number `phone` (digits, with the country code) may be known.

    The given ones come first. Reading a number takes 0.1 ms: those of other countries are not read.
    """
    if not phone.startswith(tuple(_EXTRAS)):
        return (phone,)
    found = {phone: None}
    if (number := _parsed(phone)) is not None:
        found[_digits(number)] = None  # without the trunk prefix of people: +54 11 15 …
    for digits in tuple(found):
        found |= dict.fromkeys(_other_length(digits))
    return tuple(found)


def _other_length(phone: str) -> list[str]:
    """The same mobile number with the extra digits of its country, or without them."""
    for country, extra in _EXTRAS.items():
        if not phone.startswith(country):
            continue
        national = phone.removeprefix(country)
        head, tail = national[: extra.at], national[extra.at :]
        if len(national) == extra.length and tail.startswith(extra.text):
            long, short = phone, country + head + tail.removeprefix(extra.text)
        elif len(national) == extra.length - len(extra.text):
            long, short = country + head + extra.text + tail, phone
        else:
            continue
        if _is_one_mobile(long, short):
            return [short if long == phone else long]
    return []


def _is_one_mobile(long: str, short: str) -> bool:
    """True when both are one person's: one of the two is in use, and the short one is nobody's telephone at home.

    In Argentina fixed lines share the plan of mobiles, so a short one looks fixed; no number is given out twice there.
    """
    if _kind(short) == PhoneNumberType.FIXED_LINE and not short.startswith("54"):
        return False
    return any(_kind(each) != PhoneNumberType.UNKNOWN for each in (long, short))


def _kind(phone: str) -> int:
    number = _parsed(phone)
    return PhoneNumberType.UNKNOWN if number is None else phonenumbers.number_type(number)


def _parsed(phone: str) -> PhoneNumber | None:
    try:
        return phonenumbers.parse(f"+{phone}")
    except NumberParseException:
        return None


def _digits(number: PhoneNumber) -> str:
    return phonenumbers.format_number(number, PhoneNumberFormat.E164).removeprefix("+")
