"""What becomes of an accepted message: the statuses that are reported for it."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from sandbox.customers import Customer
from sandbox.fault_kinds import AT_ACCEPTANCE
from sandbox.faults import FaultBoard
from sandbox.options import Options
from sandbox.payloads import JSON, BusinessNumber, Update, contact_of, failed_status_of, status_of
from sandbox.webhooks import Webhooks


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """A message Meta has taken. `shows_phone`: whether its statuses name the customer's number."""

    wamid: str
    number: BusinessNumber
    customer: Customer
    shows_phone: bool
    callback_data: str | None
    price_category: str  #: "service", or the template's
    is_reaction: bool
    fails_with: int | None


class Receipts:
    """Schedules the statuses of accepted messages."""

    def __init__(self, options: Options, faults: FaultBoard, webhooks: Webhooks) -> None:
        self._options = options
        self._faults = faults
        self._webhooks = webhooks
        self._service_messages: dict[str, Iterator[int]] = {}

    def follow(self, accepted: Accepted) -> None:
        """Let the statuses go out, each after its delay; the first one before this returns, if a fault says so."""
        updates = list(self._failed(accepted) if accepted.fails_with else self._succeeded(accepted))
        if not updates:
            return
        rule = self._faults.pick("webhook", updates[0][1], AT_ACCEPTANCE)
        if rule:
            self._webhooks.send_and_wait(updates.pop(0)[1], rule.params["seconds"])
        for delay, update in updates:
            self._webhooks.send(update, delay)

    def _succeeded(self, accepted: Accepted) -> Iterator[tuple[float, Update]]:
        """Delay and update: sent, delivered, read, as far as this customer's phone goes; of a reaction only sent."""
        customer = accepted.customer
        comes = {
            "sent": True,
            "delivered": customer.delivers and not accepted.is_reaction,
            "read": customer.delivers and customer.reads and not accepted.is_reaction,
        }
        pricing = self._pricing(accepted)
        for status, delay in zip(comes, self._options.status_delays, strict=True):
            if comes[status] and delay is not None:
                yield delay, self._update(accepted, status, delay, pricing if status != "read" else None)

    def _failed(self, accepted: Accepted) -> Iterator[tuple[float, Update]]:
        delay = self._options.status_delays[0] or 0.0
        if accepted.customer.fails_after_sent and not accepted.is_reaction:
            yield delay, self._update(accepted, "sent", delay, None)
            delay = max(delay, self._options.status_delays[1] or 0.0)
        contact = contact_of(accepted.customer, shows_phone=accepted.shows_phone)
        names_customer = self._options.failed_contacts or not accepted.shows_phone
        status = failed_status_of(
            accepted.customer,
            accepted.wamid,
            int(self._options.clock() + delay),
            accepted.fails_with or 0,
            shows_phone=accepted.shows_phone,
            callback_data=accepted.callback_data if self._options.echo_on_failed else None,
        )
        contacts = (contact,) if names_customer else ()
        yield (
            delay,
            Update(number=accepted.number, customer=accepted.customer, contacts=contacts, statuses=(status,)),
        )

    def _update(self, accepted: Accepted, status: str, delay: float, pricing: JSON | None) -> Update:
        entry = status_of(
            accepted.customer,
            accepted.wamid,
            status,
            int(self._options.clock() + delay),
            shows_phone=accepted.shows_phone,
            callback_data=accepted.callback_data,
            pricing=pricing,
        )
        contact = contact_of(accepted.customer, shows_phone=accepted.shows_phone)
        return Update(number=accepted.number, customer=accepted.customer, contacts=(contact,), statuses=(entry,))

    def _pricing(self, accepted: Accepted) -> JSON:
        """Per message ("PMP"): service messages are free up to a number a month and business number.

        Source: Meta, "Pricing > Non-template messages", from 2026-10-01.
        """
        billable = True
        if accepted.price_category == "service":
            count = next(self._service_messages.setdefault(accepted.number.id, itertools.count()))
            billable = count >= self._options.free_service_messages
        price_type = "regular" if billable else "free_customer_service"
        return {
            "billable": billable,
            "pricing_model": "PMP",
            "type": price_type,
            "category": accepted.price_category,
        }
