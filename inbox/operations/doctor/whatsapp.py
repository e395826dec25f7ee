"""Does WhatsApp take a number's token, is the number the one we think, and do its webhooks come to us?

The doctor and `accounts check` say the same. One deadline for all questions about a number: who does not answer the
first one in time is not asked the next.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from email.utils import parsedate_to_datetime

from inbox.config import Policy
from inbox.errors import UpstreamError
from inbox.gateways import http
from inbox.gateways.whatsapp.errors import Meaning, meaning_of, plain_words
from inbox.gateways.whatsapp.numbers import Inquiry, NumberFacts, Refused, TokenFacts
from inbox.operations.doctor.findings import Clocks, Finding, ok, problem, seconds, silent, warning
from inbox.resilience import Upstream

TOTAL = 4.0  # seconds for a number: less than a check's own limit, so that it can say what went wrong
SOON = timedelta(days=7)  # before a token ends somebody has to be told
CREDENTIALS_REFUSED = "token_refused"  #: the code of what another access token may cure
_NEEDED = ("whatsapp_business_messaging", "whatsapp_business_management")
_TRIED = 5  # WhatsApp Business Accounts, where we do not know which one it is

_RENEW = (
    "Make a permanent token (Meta Business settings, System users, Generate token, with whatsapp_business_messaging "
    "and whatsapp_business_management) and run: flask --app wsgi accounts resume {id} --new-token (for the number of "
    "WHATSAPP_PHONE_NUMBER_ID: set WHATSAPP_ACCESS_TOKEN and run: flask --app wsgi db upgrade)"
)
_CORRECT = (
    "Correct it: PATCH /accounts/{id} of the API, or WHATSAPP_PHONE_NUMBER_ID and then flask --app wsgi db upgrade for "
    "the number that it names."
)
_ADDRESS = " WHATSAPP_API_URL may be wrong as well: the Graph API's address and, at its end, a version that it has."
_SUBSCRIBE = "Call once, with the number's token: POST /{waba}/subscribed_apps of the Graph API."


@dataclass(frozen=True, slots=True)
class Number:
    """A business number to ask WhatsApp about."""

    label: str
    phone_number_id: str
    phone_number: str | None
    token: str = field(repr=False)
    waba_id: str | None = None


def whatsapp(
    base_url: str, number: Number, secrets: tuple[str, ...], clocks: Clocks, *, total: float = TOTAL
) -> list[Finding]:
    """Everything WhatsApp lets us find out about a number. Ends within `total` seconds."""
    upstream = Upstream("WhatsApp", Policy(total=total, connect=min(2.0, total), read=total, minimum=0.1))
    inquiry = Inquiry(upstream, base_url, number.token, _heard(clocks))
    look = _Look(f"WhatsApp {number.label}", number, inquiry, secrets, clocks)
    return upstream.deadline(look.everything)()


def _heard(clocks: Clocks) -> Callable[[http.Answer], None]:
    def heard(answer: http.Answer) -> None:
        with contextlib.suppress(ValueError, TypeError):  # without a readable Date there is nothing to compare
            clocks.saw("WhatsApp", parsedate_to_datetime(answer.headers.get("Date", "")))

    return heard


@dataclass(frozen=True, slots=True)
class _Look:
    """The questions, one by one; what is asked next depends on what was answered."""

    what: str
    number: Number
    inquiry: Inquiry
    secrets: tuple[str, ...]
    clocks: Clocks

    def everything(self) -> list[Finding]:
        findings: list[Finding] = []
        try:
            for finding in self._questions():
                findings.append(finding)
        except UpstreamError as error:
            lost = silent(self.what, error, self.inquiry.upstream.policy.total)
            untold = "the rest" if findings else "whether it works"
            findings.append(replace(lost, found=f"{lost.found}, so we cannot tell {untold}"))
        return findings

    def _questions(self) -> Iterator[Finding]:
        """What is asked next depends on what was answered. Raises UpstreamError when nothing was."""
        try:
            yield self._known(self.inquiry.number(self.number.phone_number_id))
        except Refused as error:
            yield self._refused(error)
            if not error.unknown_object:
                return
        token, finding = self._token(f"{self.what} token")
        yield finding
        if token is not None and not token.valid:
            return
        waba_id, finding = self._account(f"{self.what} account", token)
        yield finding
        if waba_id is not None:
            yield self._webhooks(f"{self.what} webhooks", waba_id, token)
        yield from self._secrets(f"{self.what} app secret")

    # --- the number --------------------------------------------------------------------------------------------------

    def _known(self, facts: NumberFacts) -> Finding:
        ours = self.number
        told = {
            "number": f"+{facts.display}",
            "name": facts.verified_name,
            "name_status": facts.name_status,
            "quality": facts.quality,
            "limit": facts.limit,
        }
        if ours.phone_number and facts.display and facts.display != ours.phone_number:
            found = (
                f"the phone number id {ours.phone_number_id} belongs to +{facts.display}, not to +{ours.phone_number}"
            )
            do = f"One of the two is wrong. {_CORRECT}"
            return warning(self.what, found, do, "another_number", **told, ours=f"+{ours.phone_number}")
        if facts.quality == "RED":
            return warning(
                self.what,
                "the token is accepted, but the number's quality is low (RED): customers block or report it",
                "Look at Insights in WhatsApp Manager; Meta may limit what the number sends.",
                "quality_low",
                **told,
            )
        return ok(
            self.what, f"the token is accepted; +{facts.display} {facts.verified_name}".rstrip(), "accepted", **told
        )

    def _refused(self, error: Refused) -> Finding:
        code, status = error.code if isinstance(error.code, int) else None, error.http_status or 0
        words = plain_words(code, f"WhatsApp answered HTTP {status}.")
        shown = f"{words} (code {code})" if code is not None else words
        if error.unknown_object:
            return problem(
                self.what,
                "WhatsApp knows no number with this phone number id, or the token may not see it",
                "Compare it with the Phone number ID (not the phone number) in WhatsApp Manager, API setup. If it is "
                "wrong, add the number with the right one (WHATSAPP_PHONE_NUMBER_ID, if it came from there), and use a "
                f"token of the same business.{_ADDRESS if status == 404 else ''}",
                "number_unknown",
            )
        if code == 100 and "appsecret_proof" in error.said:
            found = "the app wants an appsecret_proof with every call, which we do not send: nothing can be sent"
            do = 'Switch off "Require app secret" in Meta\'s dashboard: App settings, Advanced, Security.'
            return problem(self.what, found, do, "proof_wanted")
        said = {"meta": str(code) if code is not None else "", "status": str(status)}
        bad_token = code in (0, 10, 190) or (code is not None and 200 <= code <= 299)
        if bad_token or (code is None and status == 401):
            return problem(self.what, shown, _RENEW.format(id=self.number.phone_number_id), CREDENTIALS_REFUSED, **said)
        if meaning_of(code, status) is Meaning.NUMBER_LIMIT:
            return warning(self.what, shown, "Wait some minutes and ask again.", "asks_to_wait", **said)
        if status >= 500:
            do = "WhatsApp is not working; messages stay queued. See https://metastatus.com"
            return warning(self.what, shown, do, "whatsapp_ill", **said)
        do = f"Look at the account in WhatsApp Manager.{_ADDRESS if status == 404 else ''}"
        return problem(self.what, shown, do, "refused", **said)

    # --- its token ---------------------------------------------------------------------------------------------------

    def _token(self, what: str) -> tuple[TokenFacts | None, Finding]:
        try:
            facts = self.inquiry.token_facts()
        except Refused as error:
            found = f"WhatsApp does not say what the token may do, and until when ({error.reason})"
            do = "Look it up at https://developers.facebook.com/tools/debug/accesstoken"
            return None, warning(what, found, do, "token_untold")
        return facts, self._judged(what, facts)

    def _judged(self, what: str, facts: TokenFacts) -> Finding:
        renew = _RENEW.format(id=self.number.phone_number_id)
        missing = [scope for scope in _NEEDED if scope not in facts.scopes]
        left = facts.expires_at - self.clocks.now() if facts.expires_at is not None else None
        if not facts.valid or (left is not None and left <= timedelta()):
            return problem(what, "it is not valid, or not any more", renew, "token_invalid")
        if missing:
            return problem(
                what,
                f"it lacks the permission {' and '.join(missing)}",
                renew,
                "token_lacks",
                scopes=", ".join(missing),
            )
        if left is not None:
            until = seconds(left.total_seconds())
            if left < SOON:
                return warning(what, f"it ends in {until}", renew, "token_ends_soon", left=until)
            return ok(what, f"it has its permissions; it ends in {until}", "token_ends", left=until)
        return ok(what, "it has its permissions and does not end", "token_good")

    # --- its account and webhooks ------------------------------------------------------------------------------------

    def _account(self, what: str, token: TokenFacts | None) -> tuple[str | None, Finding]:
        """The WhatsApp Business Account that holds the number, if one was found that does."""
        known = self.number.waba_id
        candidates = [known] if known is not None else list(token.wabas[:_TRIED] if token is not None else ())
        for waba_id in candidates:
            try:
                if self.number.phone_number_id in self.inquiry.numbers_of(waba_id):
                    return waba_id, ok(
                        what, f"the WhatsApp Business Account is {waba_id}", "account_good", waba=waba_id
                    )
            except Refused as error:
                if known is not None and not error.unknown_object:
                    found = f"WhatsApp does not list its numbers ({error.reason})"
                    return None, warning(what, found, "Ask again later.", "account_untold")
        if known is not None:
            found = f"the number is not in the WhatsApp Business Account {known}, or the token may not see that"
            do = f"Copy waba_id from WhatsApp Manager. {_CORRECT}"
            return None, problem(what, found, do, "account_wrong", waba=known)
        found = "we do not know its WhatsApp Business Account, so not whether its webhooks come to us either"
        do = "The first webhook tells, or you do: PATCH /accounts/{id} with waba_id."
        return None, warning(what, found, do, "account_unknown")

    def _webhooks(self, what: str, waba_id: str, token: TokenFacts | None) -> Finding:
        try:
            apps = self.inquiry.subscribers(waba_id)
        except Refused as error:
            found = f"WhatsApp does not say who gets them ({error.reason})"
            return warning(what, found, "Ask again later.", "webhooks_untold")
        subscribe = _SUBSCRIBE.format(waba=waba_id)
        if not apps:
            found = "no app gets them: no message will come in"
            return problem(what, found, subscribe, "webhooks_nobody", waba=waba_id)
        if token is None or token.app_id is None:
            return ok(what, f"{len(apps)} app{'s' if len(apps) > 1 else ''} will get them", "webhooks_some")
        if token.app_id not in apps:
            found = f"another app gets them, not that of the token ({token.app_id}): no message will come in"
            return problem(what, found, subscribe, "webhooks_elsewhere", waba=waba_id)
        return ok(what, "the app of the token gets them", "webhooks_good")

    # --- the app's secrets -------------------------------------------------------------------------------------------

    def _secrets(self, what: str) -> Iterator[Finding]:
        """One finding per secret: several are configured while they are rotated."""
        try:
            fitting = [self.inquiry.fits(secret) for secret in self.secrets]
        except Refused as error:
            found = f"WhatsApp does not say whether it is the right one ({error.reason})"
            yield warning(what, found, "Ask again later.", "secret_untold")
            return
        good = fitting.index(True) + 1 if any(fitting) else None
        for place, fits in enumerate(fitting, 1):
            which = f"the {_ORDINALS.get(place, f'{place}th')} of WHATSAPP_APP_SECRET" if len(fitting) > 1 else "it"
            if fits:
                yield ok(what, f"{which} is that of the token's app", "secret_good", place=str(place))
            elif good is not None and place < good:  # a rotation is under way, as docs/operations.md tells it
                yield ok(
                    what, f"{which} is the next one: it signs once it is the app's", "secret_next", place=str(place)
                )
            elif good is not None:
                found = f"{which} is the one before: repeated webhooks are signed with it; take it out after a week"
                yield ok(what, found, "secret_old", place=str(place))
            else:
                found = f"{which} is not that of the token's app: its webhooks are refused"
                do = "Copy the App secret (App settings, Basic) of the app that made the token."
                yield problem(what, found, do, "secret_wrong", place=str(place))


_ORDINALS = {1: "first", 2: "second", 3: "third"}
