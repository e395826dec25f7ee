"""One send: WhatsApp under its timeouts, no transaction open, then the outcome in one transaction (I6, I7)."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

from inbox.cipher import TokenCipher
from inbox.db import Database
from inbox.errors import (
    ConfigError,
    DatabaseUnavailable,
    UpstreamError,
    UpstreamLocal,
    UpstreamMisconfigured,
    UpstreamOutcomeUnknown,
    UpstreamRejected,
    UpstreamThrottled,
)
from inbox.gateways.whatsapp.messages import WhatsApp
from inbox.gateways.whatsapp.pauses import pause_of
from inbox.metrics import meters
from inbox.models import REACTION, Pause
from inbox.outbox.outcomes import (
    Accepted,
    Outcome,
    PauseNumber,
    Refused,
    RetryLater,
    Scope,
    SendClaim,
    Unknown,
)
from inbox.outbox.recording import Recorder
from inbox.outbox.trouble import Trouble
from inbox.resilience import WHATSAPP

log = logging.getLogger(__name__)

_RECORD_WAITS = (0.1, 0.5, 1.0, 2.0, 4.0)  # seconds between tries to record; then the lease ends and evidence decides
_FILE_WAIT = 5.0  # seconds until it is looked for again; it says itself when it is there
_SOON = 1.0  # seconds until a send that was not made is looked at again


@dataclass(frozen=True, slots=True)
class Delivery:
    """What sending needs. `stopping` cuts the waits short when the process ends."""

    db: Database
    whatsapp: WhatsApp
    cipher: TokenCipher
    rng: random.Random
    stopping: threading.Event
    note: Callable[[str, UUID], None]  #: told of conversations that have to wait because of an upstream
    trouble: Trouble = field(default_factory=Trouble)
    recorder: Recorder = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "recorder", Recorder(self.db, self.rng))

    def send(self, claim: SendClaim) -> Outcome:
        """Make the claimed send and record what became of it. A mistake of ours leaves it unknown (I8)."""
        try:
            with self.recorder.sends.under_way():
                outcome = attempt(self.whatsapp, self.cipher, claim)
        except Exception:
            log.exception("a send raised", extra={"message_id": str(claim.message_id)})
            outcome = Unknown("our own code failed")
        if isinstance(outcome, Unknown) and claim.type == REACTION:
            # A second copy ends in the same state, so there is nothing to be found out.
            outcome = RetryLater(outcome.reason, answered=outcome.answered)
        extra = {
            "message_id": str(claim.message_id),
            "attempt": claim.attempt,
            "outcome": type(outcome).__name__.lower(),
        }
        meters.SENDS.labels(extra["outcome"]).inc()
        log.info("send", extra=extra | {"reason": getattr(outcome, "reason", None)})
        self._record(claim, outcome, self._rest_of_number(claim, outcome))
        if isinstance(outcome, Accepted) and claim.asked_at is not None:
            meters.answered(claim.asked_at)
        if isinstance(outcome, RetryLater | Unknown):
            self.note(WHATSAPP.name, claim.conversation_id)
        return outcome

    def _rest_of_number(self, claim: SendClaim, outcome: Outcome) -> float | None:
        """Seconds for which the number should rest after this, beyond what WhatsApp has asked for."""
        match outcome:
            case Accepted() | Refused():
                self.trouble.succeeded(claim.account_id)
            case RetryLater(scope=Scope.MESSAGE, answered=answered) | Unknown(answered=answered):
                return self.trouble.failed(claim.account_id, claim.conversation_id, answered=answered)
        return None

    def _record(self, claim: SendClaim, outcome: Outcome, rest: float | None = None) -> None:
        for wait in (*_RECORD_WAITS, None):
            try:
                self.recorder.record(claim, outcome, rest)
                return
            except DatabaseUnavailable:
                if wait is None:
                    log.error(
                        "outcome not recorded, evidence will settle it", extra={"message_id": str(claim.message_id)}
                    )
                    return
                self.stopping.wait(wait)
            except Exception:
                if isinstance(outcome, Unknown):
                    raise  # then the lease's end says the same
                log.exception("an outcome cannot be stored", extra={"message_id": str(claim.message_id)})
                self._record(claim, Unknown("its outcome could not be stored"), rest)
                return


def attempt(whatsapp: WhatsApp, cipher: TokenCipher, claim: SendClaim) -> Outcome:
    """One request to WhatsApp, as an outcome of I7."""
    if claim.access_token_encrypted is None:
        return PauseNumber(Pause.NO_TOKEN)
    try:
        token = cipher.decrypt(claim.access_token_encrypted)
    except ConfigError:
        return PauseNumber(Pause.UNREADABLE_TOKEN)
    if not claim.has_file:
        return RetryLater("its file is still on its way to WhatsApp", Scope.LOCAL, _FILE_WAIT)
    try:
        wa_message_id = whatsapp.send(
            phone_number_id=claim.phone_number_id,
            token=token,
            recipient=claim.recipient,
            content=claim.content,
            callback_data=claim.callback_data,
            reply_to=claim.reply_to_wa_id,
        )
    except UpstreamError as error:
        return outcome_of(error)
    return Accepted(wa_message_id)


def outcome_of(error: UpstreamError) -> Outcome:
    """What a failed send becomes, by the class of its error."""
    match error:
        case UpstreamMisconfigured():
            return PauseNumber(pause_of(error.code))
        case UpstreamLocal():
            return RetryLater(error.reason, Scope.LOCAL, _SOON)  # nothing is claimed before the circuit lets it through
        case UpstreamThrottled():
            return RetryLater(error.reason, Scope.PAIR if error.scope == "pair" else Scope.NUMBER, error.retry_after)
        case UpstreamRejected():
            return Refused(str(error.code) if error.code is not None else None, error.reason, error.detail)
        case UpstreamOutcomeUnknown():
            return Unknown(error.reason, answered=error.answered)
    # WhatsApp has not acted on it
    return RetryLater(error.reason, Scope.MESSAGE, error.retry_after, answered=error.answered)
