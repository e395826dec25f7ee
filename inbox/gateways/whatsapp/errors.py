"""Meta's error codes for sending: what each means for us, in plain words.

Source: Meta, WhatsApp Cloud API error codes (read December 2025, with later codes from the change log to August
2026). Meta advises to decide on the code, never on the HTTP status or the title.
"""

from __future__ import annotations

import enum

from inbox.gateways.whatsapp.pauses import WORDS, pause_of
from inbox.models import Pause


class Meaning(enum.Enum):
    REFUSED = "refused"  #: this message, for good
    PAIR_LIMIT = "pair"  #: too fast for this customer; not processed
    NUMBER_LIMIT = "number"  #: too fast for this number; not processed
    LATER = "later"  #: not processed, try again
    TROUBLE = "trouble"  #: credentials or set-up of the number: stop its sends
    UNCLEAR = "unclear"  #: it may have been processed


_REFUSED = {
    100: "WhatsApp found a wrong parameter.",
    130403: "This customer is blocked.",
    130472: "WhatsApp keeps this customer out of marketing messages for an experiment.",
    130497: "WhatsApp does not let this account write to customers in this country.",
    131008: "WhatsApp misses a parameter.",
    131009: "WhatsApp found a wrong value, perhaps an old message that is quoted.",
    131021: "The recipient is the business number itself.",
    131026: "The customer cannot be reached: no WhatsApp, an old app, or terms not accepted.",
    131030: "The recipient is not on the test number's list.",
    131047: "More than 24 hours have passed since the customer last wrote.",
    131048: "WhatsApp limits this number because customers reported its messages as spam.",
    131049: "WhatsApp withheld the message to keep the customer's engagement healthy. Not before 24 hours.",
    131050: "The customer has stopped marketing messages.",
    131051: "WhatsApp does not support this type of message.",
    131052: "WhatsApp could not fetch the media.",
    131053: "WhatsApp refused the media file.",
    131062: "This message needs the customer's phone number.",
    132000: "The template has another number of parameters.",
    132001: "The template does not exist in this language, or is not approved.",
    132005: "The template's text is too long.",
    132007: "The template's content breaks a policy.",
    132008: "WhatsApp does not take a value of the template.",
    132012: "A template parameter has the wrong format.",
    132015: "The template is paused.",
    132016: "The template is disabled.",
    132018: "WhatsApp does not take the parameters of the template.",
    132068: "WhatsApp has blocked the form in the template.",
    135000: "WhatsApp could not process the parameters.",
    137000: "The customer's identity has changed since it was last checked.",
}
_NUMBER_LIMITS = {4, 80007, 130429, 131064, 133016}
_LATER = {2, 131016, 131057, 132069, 133004, 133015, 134101, 2494100}
_UNCLEAR = {1, 131000}

#: Seconds to wait where the page names a time.
WAITS = {131056: 6.0, 131057: 60.0, 132069: 900.0, 133015: 300.0, 134101: 600.0, 2494100: 300.0, 80007: 60.0, 4: 60.0}


def meaning_of(code: int | None, http_status: int) -> Meaning:
    """What an error object means. Unlisted codes: a 5xx may have been processed, anything else is a refusal."""
    if code is None:
        return Meaning.UNCLEAR if http_status >= 500 else Meaning.REFUSED
    if pause_of(code) is not Pause.REFUSED:
        return Meaning.TROUBLE
    if code == 131056:
        return Meaning.PAIR_LIMIT
    if code in _NUMBER_LIMITS:
        return Meaning.NUMBER_LIMIT
    if code in _LATER:
        return Meaning.LATER
    if code in _UNCLEAR or (http_status >= 500 and code not in _REFUSED):
        return Meaning.UNCLEAR
    return Meaning.REFUSED


def plain_words(code: int | None, title: str | None) -> str:
    """A sentence for people; Meta's own title for codes we have no words for."""
    pause = pause_of(code)
    if pause is not Pause.REFUSED:
        return WORDS[pause]
    fallback = title or "WhatsApp refused the message."
    return fallback if code is None else _REFUSED.get(code, fallback)


#: Refusals that time or somebody's action may undo; the other ones would be refused again.
_PASSING = frozenset({130472, 131047, 131048, 131049, 131052, 131053, 132015, 135000})


def may_succeed_later(code: str | None) -> bool:
    """True when sending a failed message again by hand makes sense."""
    number = int(code) if code and code.isascii() and code.isdigit() else None
    return number not in _REFUSED or number in _PASSING
