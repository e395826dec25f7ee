"""What a value may look like, whichever door it comes through: a variable, a request's field, a command.

Each rule takes text and returns the value, or raises ValueError with a sentence about it that does not repeat it.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit

from inbox.errors import BadValue

T = TypeVar("T")
Rule = Callable[[str], T]

LONGEST_TOKEN = 4096  # characters; Meta's have about 200
_TOKEN = re.compile(rf"[!-~]{{1,{LONGEST_TOKEN}}}\Z")
_DIGITS = re.compile(r"[0-9]{1,64}\Z")
MODEL_PATTERN, LONGEST_MODEL = r"^[A-Za-z0-9._-]+$", 100  #: of a profile's field too
_SWITCH = {"on": True, "true": True, "1": True, "yes": True, "off": False, "false": False, "0": False, "no": False}

MAKE_FERNET = "python3 -c 'import base64, os; print(base64.urlsafe_b64encode(os.urandom(32)).decode())'"


def token(text: str) -> str:
    """What can stand in an HTTP header: a quotation mark that a text program made round, or a line break, cannot."""
    bare = text.strip()
    if not _TOKEN.match(bare):
        sentence = f"must be 1 to {LONGEST_TOKEN} ASCII characters without blanks"
        raise BadValue("not_a_token", sentence, longest=LONGEST_TOKEN)
    return bare


def database_address(text: str) -> str:
    """Where the database is. An @ in its password would make a host of the password's end, and errors name hosts."""
    if re.fullmatch("sqlite:/*", text):
        raise ValueError("names no file; write sqlite:////var/lib/inbox/inbox.db, or leave it out")
    if not text.startswith("sqlite:") and text.count("@") > 1:
        raise ValueError(
            "holds a password or a name with an @ in it; percent-encode it: @ is %40, : is %3A, / is %2F, # is %23, "
            "? is %3F, % is %25"
        )
    return text


def phrase(shortest: int, longest: int) -> Rule[str]:
    """Printable text of so many characters."""

    def read(text: str) -> str:
        if not (shortest <= len(text) <= longest and text.isprintable()):
            raise ValueError(f"must have {shortest} to {longest} characters, all of them printable")
        return text

    return read


def digits(text: str) -> str:
    """An id of Meta's."""
    if not _DIGITS.match(text):
        raise BadValue("not_digits", "must be digits only")
    return text


_E164 = re.compile(r"[1-9][0-9]{6,14}")  # no country's code begins with 0


def phone_digits(text: str) -> str:
    """A phone number as E.164 digits without the plus sign."""
    bare = text.translate(str.maketrans("", "", "+ -().\u00a0"))
    if not _E164.fullmatch(bare):
        raise BadValue("not_a_phone_number", "must be a phone number with its country code, such as +33612345678")
    return bare


def model(text: str) -> str:
    """A model's name, which becomes a part of an address."""
    if len(text) > LONGEST_MODEL or not re.fullmatch(MODEL_PATTERN, text):
        raise ValueError("must be a model's name, such as gemini-3.5-flash-lite")
    return text


def fernet_key(text: str) -> str:
    """32 bytes in URL-safe base64."""
    try:
        usable = len(base64.urlsafe_b64decode(text.encode())) == 32
    except (ValueError, binascii.Error):
        usable = False
    if not usable:
        raise ValueError(f"holds a key that is not a Fernet key; make one with: {MAKE_FERNET}")
    return text


def switch(text: str) -> bool:
    """On or off."""
    if text.lower() not in _SWITCH:
        raise ValueError("must be on or off")
    return _SWITCH[text.lower()]


def one_of(*allowed: str) -> Rule[Any]:
    """One of these words."""

    def read(text: str) -> str:
        if text not in allowed:
            raise ValueError(f"must be one of: {', '.join(allowed)}")
        return text

    return read


def whole(low: int, high: int) -> Rule[int]:
    """A whole number within bounds."""
    return _number(int, low, high, f"must be a whole number from {low} to {high}")


def seconds(low: float, high: float = math.inf) -> Rule[float]:
    """Seconds within bounds; without an upper one, whoever reads the setting has it."""
    bounds = f"from {low:g} on" if high == math.inf else f"from {low:g} to {high:g}"
    return _number(float, low, high, f"must be seconds, {bounds}")


def _number(kind: Callable[[str], Any], low: float, high: float, problem: str) -> Rule[Any]:
    def read(text: str) -> Any:
        try:
            number = kind(text)
        except ValueError:
            raise ValueError(problem) from None
        if not low <= number <= high:  # also refuses nan
            raise ValueError(problem)
        return number

    return read


def many(rule: Rule[str]) -> Rule[tuple[str, ...]]:
    """Several, separated by commas. The first is the one in use."""

    def read(text: str) -> tuple[str, ...]:
        return tuple(rule(word.strip()) for word in text.split(",") if word.strip())

    return read


def listening_place(text: str) -> tuple[str, int]:
    """An address of this machine and a port, to listen on."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 1 <= int(port) <= 65535:
        raise ValueError("must be an address and a port, such as 127.0.0.1:9101")
    return host.strip("[]"), int(port)


def origin(text: str) -> str:
    """Where a page comes from: scheme, host and port."""
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path or parts.query:
        raise ValueError("must be origins such as https://inbox.example.com, separated by commas")
    return text


def address(text: str) -> str:
    """An http(s) address without a trailing slash."""
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("must be an address such as https://host/path")
    return text.rstrip("/")


@dataclass(frozen=True, slots=True)
class BucketAddress:
    """A bucket, and who we are there."""

    scheme: str
    host: str  #: with its port, unless that is the scheme's own
    bucket: str
    prefix: str  #: before every key; empty, or with a slash at its end
    key: str
    secret: str = field(repr=False)
    region: str = "us-east-1"

    @property
    def origin(self) -> str:
        return f"{self.scheme}://{self.host}"

    def path(self, key: str) -> str:
        """Of an object. All its parts are plain: nothing in it needs an escape."""
        return f"/{self.bucket}/{self.prefix}{key}"


_BUCKET_SCHEMES = {"s3": "https", "https": "https", "http": "http"}
_BUCKET = re.compile(r"/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])((?:/[A-Za-z0-9][A-Za-z0-9._-]*)*)/?")
_REGION = re.compile(r"[a-z0-9-]{1,32}")
_BUCKET_FORM = (
    "must be an address such as s3://KEY:SECRET@host/bucket?region=eu-west-1, with special characters of the secret "
    "percent-encoded: / is %2F, + is %2B, @ is %40"
)


def bucket_address(text: str) -> BucketAddress:
    """Where a bucket is, with the key and the secret for it."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError(_BUCKET_FORM) from None
    place, scheme = _BUCKET.fullmatch(parts.path), _BUCKET_SCHEMES.get(parts.scheme)
    told = dict(parse_qsl(parts.query, keep_blank_values=True))
    region = told.pop("region", "us-east-1")
    named = parts.hostname and parts.username and parts.password
    if not named or place is None or scheme is None or told or parts.fragment or not _REGION.fullmatch(region):
        raise ValueError(_BUCKET_FORM)
    host = f"[{parts.hostname}]" if ":" in str(parts.hostname) else str(parts.hostname)
    return BucketAddress(
        scheme,
        host if port in (None, {"https": 443, "http": 80}[scheme]) else f"{host}:{port}",
        place[1],
        f"{place[2][1:]}/" if place[2] else "",
        unquote(parts.username or ""),
        unquote(parts.password or ""),
        region,
    )


def is_local_host(host: str) -> bool:
    """True for loopback, private addresses and bare names (compose services): places TLS may be left out for."""
    if host.endswith(".localhost") or not any(mark in host for mark in ".:"):
        return True
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return False
    return ip.is_loopback or ip.is_private
