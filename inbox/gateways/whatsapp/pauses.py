"""Why a number is paused: from Meta's code, and in words for people.

Rows and decisions hold the code (`models.Pause`); the words are made where somebody reads them, so they can be mended.
"""

from __future__ import annotations

from inbox.models import Pause

#: Meta's error codes that concern the credentials or the set-up of a number, not one message.
_OF_META = {
    0: Pause.TOKEN_REFUSED,
    3: Pause.NO_CAPABILITY,
    10: Pause.NO_SEND_PERMISSION,
    33: Pause.NUMBER_UNKNOWN,
    190: Pause.TOKEN_EXPIRED,
    368: Pause.POLICY,
    131005: Pause.NO_PERMISSION,
    131031: Pause.LOCKED,
    131037: Pause.DISPLAY_NAME,
    131042: Pause.PAYMENT,
    131045: Pause.NOT_SET_UP,
    133000: Pause.DEREGISTRATION,
    133005: Pause.PIN_WRONG,
    133006: Pause.NOT_VERIFIED,
    133008: Pause.PIN_TRIES,
    133009: Pause.PIN_TOO_FAST,
    133010: Pause.NOT_REGISTERED,
    134011: Pause.TERMS,
}
#: What another access token may cure.
OF_TOKENS = frozenset(
    {
        Pause.NO_TOKEN,
        Pause.UNREADABLE_TOKEN,
        Pause.TOKEN_REFUSED,
        Pause.NO_CAPABILITY,
        Pause.NO_SEND_PERMISSION,
        Pause.NUMBER_UNKNOWN,
        Pause.TOKEN_EXPIRED,
        Pause.NO_PERMISSION,
    }
)
WORDS: dict[str, str] = {
    Pause.BY_A_PERSON: "paused_by_a_person",  # a word that clients know, from before there were codes
    Pause.NO_TOKEN: "There is no access token.",
    Pause.UNREADABLE_TOKEN: "ENCRYPTION_KEYS: none of the keys can read a stored access token",
    Pause.DISABLED: "WhatsApp has disabled the account.",
    Pause.REFUSED: "WhatsApp refuses what this number sends.",
    Pause.TOKEN_REFUSED: "WhatsApp does not accept the access token.",
    Pause.NO_CAPABILITY: "The app lacks the capability to send messages.",
    Pause.NO_SEND_PERMISSION: "The access token lacks the permission to send messages.",
    Pause.NUMBER_UNKNOWN: "The phone number id does not exist, or not any more.",
    Pause.TOKEN_EXPIRED: "The access token has expired or was revoked.",
    Pause.POLICY: "WhatsApp has blocked the account for a policy violation.",
    Pause.NO_PERMISSION: "The access token lacks a permission.",
    Pause.LOCKED: "WhatsApp has locked the account.",
    Pause.DISPLAY_NAME: "The display name of the number is not approved.",
    Pause.PAYMENT: "There is a problem with the payment method of the WhatsApp account.",
    Pause.NOT_SET_UP: "The number is not properly registered.",
    Pause.DEREGISTRATION: "An earlier deregistration of the number is incomplete.",
    Pause.PIN_WRONG: "The two-step PIN is wrong.",
    Pause.NOT_VERIFIED: "The number must be verified first.",
    Pause.PIN_TRIES: "Too many wrong PINs were tried.",
    Pause.PIN_TOO_FAST: "The PIN was entered too fast.",
    Pause.NOT_REGISTERED: "The number is not registered.",
    Pause.TERMS: "The payment terms have not been accepted.",
}


def pause_of(code: object) -> Pause:
    """What a refusal with this code of Meta's means for the number; REFUSED when the code says nothing about it."""
    if not isinstance(code, int):
        return Pause.REFUSED
    return Pause.NO_PERMISSION if 200 <= code <= 299 else _OF_META.get(code, Pause.REFUSED)


def in_words(pause: str | None) -> str | None:
    """For people. A code that a newer release wrote is shown as it is."""
    return None if pause is None else WORDS.get(pause, pause)
