"""E-mail addresses: the one spelling that is stored, compared and counted, at every door.

Two spellings of one address must not make two people, and an address that only looks like another one must not make
anybody take its holder for somebody else.
"""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Callable

from inbox.errors import BadValue

LONGEST = 320  # characters (RFC 3696, errata 1690)


def normal_email(text: str) -> str:
    """The address as it is stored and compared: lower case, composed, full-width letters and a final dot made plain.

    Raises ValueError, with what is wrong, when it is none, or has a letter that only looks like a Latin one.
    """
    address = _checker()(_plain(text.strip()).removesuffix("."))
    # U+FFFD stands for what could not be read: two addresses that differ there only would be one.
    if len(address) > LONGEST or not address.isprintable() or "\ufffd" in address:
        raise BadValue("not_an_email", "is not an e-mail address")
    if not address.isascii() and _looks_latin(address):
        raise BadValue("lookalike_letter", "has a letter that only looks like a Latin one; type the address again")
    return address


def known_email(text: str) -> str | None:
    """The stored spelling of what somebody typed to be found by; None when nobody can have such an address."""
    try:
        return normal_email(text)
    except ValueError:
        return None


def confirmed_email(text: str) -> str | None:
    """The address that a provider has confirmed; None when another mailbox may be meant than the one we would store.

    Their mail system decided that this spelling belongs to its holder. Ours may differ in case and composition only:
    the Kelvin sign, in lower case, is the letter k, and must not make somebody else's mailbox a member's.
    """
    if any(_plain(each).isascii() for each in text if not each.isascii()):
        return None
    address = known_email(text)
    return address if unicodedata.normalize("NFC", text.strip().lower()).removesuffix(".") == address else None


@functools.cache
def _checker() -> Callable[[str], str]:
    """The library's check of the form, loaded when an address comes: it would cost every start 40 ms."""
    import email_validator

    # Such as localhost and .local: nothing is sent to these addresses, they are what people sign in with.
    email_validator.SPECIAL_USE_DOMAIN_NAMES.clear()

    def check(address: str) -> str:
        try:
            return email_validator.validate_email(
                address, strict=True, check_deliverability=False, globally_deliverable=False
            ).normalized
        except email_validator.EmailNotValidError:
            raise BadValue("not_an_email", "is not an e-mail address") from None

    return check


def _plain(text: str) -> str:
    """Lower case, composed, and without forms that stand for other letters; lower case can need composing again."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).lower())


def _looks_latin(address: str) -> bool:
    from confusable_homoglyphs import confusables  # its tables take 0.1 s to load, and hardly anybody needs them

    found = confusables.is_confusable(address, greedy=True, preferred_aliases=["latin"]) or []
    return any(each["alias"] not in ("LATIN", "COMMON") for each in found)
