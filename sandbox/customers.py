"""The customers on the other side of WhatsApp: who they are and how their phones behave."""

import hashlib
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

#: Calling codes whose country is known here (ITU-T E.164); the longest that fits counts.
_COUNTRIES = {
    "1": "US", "7": "RU", "20": "EG", "27": "ZA", "30": "GR", "31": "NL", "32": "BE", "33": "FR", "34": "ES",
    "39": "IT", "41": "CH", "43": "AT", "44": "GB", "46": "SE", "48": "PL", "49": "DE", "51": "PE", "52": "MX",
    "54": "AR", "55": "BR", "56": "CL", "57": "CO", "61": "AU", "62": "ID", "81": "JP", "90": "TR", "91": "IN",
    "212": "MA", "213": "DZ", "216": "TN", "221": "SN", "225": "CI", "234": "NG", "237": "CM", "254": "KE",
    "351": "PT", "352": "LU", "353": "IE", "966": "SA", "971": "AE", "972": "IL",
}  # fmt: skip

_NAMES = ("Camille", "Noé", "Inès", "Louis", "Zoë", "Malo", "Chloé", "Hugo", "Aïcha", "Léon", "María", "Jörg", "Ama")


def digits_of(text: str) -> str:
    return "".join(character for character in text if character.isdecimal())


def calling_code_of(number: str) -> str:
    """The calling code a number in international form (digits) starts with; "" when it is not known here."""
    return next((number[:length] for length in (3, 2, 1) if number[:length] in _COUNTRIES), "")


def same_recipient(one: str, other: str) -> bool:
    """Whether both are the same phone number, however written, or the same business-scoped user id."""
    if one == other:
        return True
    is_phone = not one[:1].isalpha() and not other[:1].isalpha()
    return is_phone and digits_of(one) == digits_of(other)


def user_id_for(phone: str) -> str:
    """A made-up business-scoped user id, always the same for a number: country, full stop, 20 digits."""
    country = _COUNTRIES.get(calling_code_of(phone), "ZZ")
    return f"{country}.{int.from_bytes(hashlib.sha256(phone.encode()).digest()[:8], 'big'):020d}"


@dataclass(slots=True)
class Customer:
    """A person on WhatsApp. The settings after `name` are what `POST /_customers/{phone}` changes."""

    phone: str | None  #: digits, no "+"
    bsuid: str
    name: str
    username: str | None = None
    hides_phone: bool = False  #: has a username and shows no number: no `from`, no `wa_id`
    fails_with: int | None = None  #: Meta's code of the `failed` status that messages to this customer end in
    fails_after_sent: bool = False  #: whether `sent` comes before it
    delivers: bool = True  #: the phone is on: `delivered` comes
    reads: bool = True  #: read receipts are on: `read` comes
    last_wrote: dict[str, float] = field(default_factory=dict)
    """Phone number id → Unix seconds: what the 24-hour window is counted from."""

    def as_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


_SETTINGS: Mapping[str, tuple[type, ...]] = {
    "name": (str,),
    "username": (str, type(None)),
    "bsuid": (str,),
    "hides_phone": (bool,),
    "fails_with": (int, type(None)),
    "fails_after_sent": (bool,),
    "delivers": (bool,),
    "reads": (bool,),
}


class CustomerBook:
    """All customers met so far, found by phone number or by business-scoped user id."""

    def __init__(self) -> None:
        self._by_phone: dict[str, Customer] = {}
        self._by_bsuid: dict[str, Customer] = {}
        self._lock = threading.Lock()

    def __iter__(self) -> Iterator[Customer]:
        with self._lock:
            return iter(list(self._by_bsuid.values()))

    def find(self, phone: str | None, bsuid: str | None = None) -> Customer:
        """The customer with this number or user id, made when new. Given both, they are one person from now on."""
        phone = digits_of(phone) if phone else None
        with self._lock:
            customer = self._by_phone.get(phone) if phone else None
            customer = customer or (self._by_bsuid.get(bsuid) if bsuid else None)
            if customer is None:
                bsuid = bsuid or user_id_for(phone or "")
                customer = Customer(phone, bsuid, _name_for(bsuid))
            customer.phone = phone or customer.phone
            self._give_user_id(customer, bsuid or customer.bsuid)
            if customer.phone:
                self._by_phone[customer.phone] = customer
            return customer

    def change(self, customer: Customer, settings: Mapping[str, Any]) -> None:
        """Raises ValueError for a setting that does not exist or has another type."""
        if unknown := sorted(set(settings) - set(_SETTINGS)):
            raise ValueError(f"unknown setting {', '.join(unknown)}; there is {', '.join(_SETTINGS)}")
        for name, value in settings.items():
            if type(value) not in _SETTINGS[name]:
                raise ValueError(f"{name} has the wrong type")
        with self._lock:
            for name, value in settings.items():
                setattr(customer, name, value) if name != "bsuid" else self._give_user_id(customer, value)

    def clear(self) -> None:
        with self._lock:
            self._by_phone.clear()
            self._by_bsuid.clear()

    def _give_user_id(self, customer: Customer, bsuid: str) -> None:
        if self._by_bsuid.get(customer.bsuid) is customer:
            del self._by_bsuid[customer.bsuid]
        customer.bsuid = bsuid
        self._by_bsuid[bsuid] = customer


def _name_for(bsuid: str) -> str:
    number = sum(bsuid.encode())
    return f"{_NAMES[number % len(_NAMES)]} {chr(ord('A') + number % 26)}."
