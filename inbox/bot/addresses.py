"""Addresses in an answer: links, bare domains and mail addresses; those that the business did not write go.

A phone makes a link of "evil.example.net/b" and of a mail address as it does of "https://…".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

from inbox.bot.schemas import ProfileContent
from inbox.knowledge.finding import Passage

Address = Callable[[str], str | None]  #: a link's target as it may be shown; None: not at all

URL = re.compile(r"https?://[^\s<>()\"'`*]+|www\.[^\s<>()\"'`*]+", re.IGNORECASE)
_MAIL = re.compile(r"(?<![\w.+-])(?:mailto:)?[\w.+-]{1,64}@(?:[\w-]{1,63}\.){1,8}[^\W_]{2,63}", re.IGNORECASE)
_DOMAIN = re.compile(
    r"(?<![\w@-])(?:[a-z][a-z0-9+.-]{0,20}://)?(?:[\w-]{1,63}\.){1,8}(?P<top>xn--[\w-]{1,59}|[^\W_]{2,63})(?![^\W_]|[@-])"
    r"(?P<rest>(?::\d+)?(?:/|[?#](?=\w))[^\s<>()\"'`*]*)?",
    re.IGNORECASE,
)
#: A bare address with the blanks before it and the brackets that hold nothing else.
_ANY = rf"{URL.pattern}|{_MAIL.pattern}|{_DOMAIN.pattern}"
_BARE = re.compile(
    rf"[ \t]*(?:\(\s*(?P<inner>{re.sub(r'[?]P<[a-z]+>', '?:', _ANY)})\s*\)|(?P<address>{_ANY}))", re.IGNORECASE
)
#: Top-level domains of more than two letters that people meet (IANA, root zone); all of two letters are countries'.
_TOP = frozenset(
    "com net org info biz edu gov mil int name pro mobi tel asia coop aero jobs travel museum app dev page web shop "
    "store online site website space xyz top club vip live link click blog news cloud tech digital agency email world "
    "today life one fun icu art bio cafe bar restaurant hotel bakery pizza wine berlin hamburg koeln wien paris nyc "
    "london gmbh ltd bank finance money loan bet casino lol zip mov support help services solutions company group "
    "test example invalid".split()
)
_GONE = "\x00"  # stands for an address that goes, until what joined it goes as well
#: Addresses that go side by side, with no more than "," and "or" between them.
_ROW = re.compile(rf"{_GONE}(?:[ \t]*[,;/|]?[ \t]*(?:[^\W\d_]{{1,4}})?{_GONE})+")
_TWICE = re.compile(rf"(\b\w+){_GONE}[ \t]+\1\b")  # "or", the address, "or"
_END = re.compile(r"[.,;:!?]*\Z")


def addresses_of(profile: ProfileContent, passages: Sequence[Passage] = ()) -> Address:
    """Which links may be shown: those to hosts that the profile names, and its own mail addresses and numbers.

    The same of `passages` out of files and texts. Of a web page only its own host: strangers may write there too.
    """
    read = [passage.content if passage.url is None else passage.url for passage in passages]
    written = "\n".join([*_texts(profile.model_dump(mode="json")), *read])
    mails = {_mailbox(mail) for mail in _MAIL.findall(written)}
    hosts = [*URL.findall(written), *(found[0] for found in _DOMAIN.finditer(_MAIL.sub(" ", written)))]
    known = {_host(each) for each in hosts} - {""}

    def address(target: str) -> str | None:
        scheme, _, rest = target.partition(":")
        if scheme.lower() == "tel":
            return rest if rest and rest in written else None
        if _MAIL.fullmatch(target):
            return target.removeprefix("mailto:") if _mailbox(target) in mails else None
        return target if (URL.match(target) or _DOMAIN.fullmatch(target)) and _host(target) in known else None

    return address


def _texts(value: Any) -> list[str]:
    """Every text in `value`, of any depth."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [text for each in value for text in _texts(each)]
    return [value] if isinstance(value, str) else []


def _mailbox(mail: str) -> str:
    return mail.lower().removeprefix("mailto:")


def _host(url: str) -> str:
    address = url if "://" in url else f"https://{url}"
    try:
        return (urlsplit(address.rstrip(".,;:!?\\")).hostname or "").removeprefix("www.")
    except ValueError:
        return ""


def without_foreign(text: str, address: Address) -> str:
    """Plain text without the addresses that may not be shown, and without what only joined them."""

    def check(found: re.Match[str]) -> str:
        whole = found["inner"] or found["address"]
        if address(whole) or not _is_address(whole):
            return found[0]
        return _GONE if found["inner"] else _GONE + _END.findall(whole)[0]

    marked = _ROW.sub(_GONE, _BARE.sub(check, text.replace(_GONE, "")))
    return _TWICE.sub(r"\1", marked).replace(_GONE, "")


def _is_address(written: str) -> bool:
    """False for what only has a dot inside: "menu.pdf", "3.50", and "Thanks.See you", where a blank is missing."""
    if URL.search(written) or _MAIL.fullmatch(written):
        return True
    found = _DOMAIN.fullmatch(written)
    top = found["top"] if found else ""
    if found is None or not (top.isalpha() or top.lower().startswith("xn--")):
        return False
    if "://" in written or found["rest"] or not top.isalpha():
        return True
    return (top.islower() or written.isupper()) and (len(top) == 2 or top.lower() in _TOP)
