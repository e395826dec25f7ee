"""What a sandbox can be told when it is made."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

DEFAULT_PHONE_NUMBER_ID = "200000000000001"
DEFAULT_DISPLAY_NUMBER = "33700000000"


@dataclass(frozen=True, kw_only=True)
class Options:
    """Times are in seconds. Where a collection of credentials is None, any that is not empty is taken."""

    host: str = "127.0.0.1"
    port: int = 0  #: 0: one that is free
    seed: int = 0  #: of the faults' probabilities; ids are never repeated, whatever it is
    record_limit: int = 50_000
    clock: Callable[[], float] = time.time  #: Unix seconds: windows, limits, expiries, timestamps

    webhook_url: str | None = None
    app_secret: str = "sandbox_app_secret"  # noqa: S105 - made up, and known to whoever points an app here
    app_id: str = "500000000000001"
    require_proof: bool = False  #: refuse every call without an appsecret_proof
    access_tokens: Collection[str] | None = None
    token_scopes: Sequence[str] = ("whatsapp_business_management", "whatsapp_business_messaging")
    token_expires_at: int = 0  #: Unix seconds, of all tokens; 0: never
    numbers: Mapping[str, str] | None = None  #: phone_number_id → its number, digits; None: any id is one of ours
    waba_id: str = "100000000000001"
    country_code_prefix: bool = True  #: put the business number's country code in front of a `to` without "+"
    enforce_window: bool = False  #: refuse what is no template more than 24 h after the customer last wrote
    enforce_limits: bool = False  #: refuse what exceeds Meta's rates per number and per pair
    free_service_messages: int = 1000  #: per number; later ones are marked as billed
    status_delays: tuple[float | None, float | None, float | None] = (0.05, 0.15, 0.4)
    """From acceptance to `sent`, `delivered` and `read`; None: that status is never sent."""
    failed_contacts: bool = False  #: put contacts[] on a failed status, which Meta leaves out for a phone number
    echo_on_failed: bool = False  #: echo biz_opaque_callback_data on a failed status, which Meta does not promise
    webhook_retry_delays: Sequence[float] = (0.5, 1, 2, 4, 8, 16, 30, 30, 30, 30)
    webhook_timeout: float = 10.0
    webhook_workers: int = 8

    gemini_keys: Collection[str] | None = None
    gemini_latency: float = 0.0

    supabase_keys: Collection[str] | None = None
    jwt_secret: str = "sandbox-jwt-secret-of-at-least-32-bytes"  # noqa: S105 - as above
    signing: str = "es256"  #: or "hs256"

    def __post_init__(self) -> None:
        if len(self.status_delays) != 3:
            raise ValueError("status_delays are three: sent, delivered, read")
        if self.signing not in ("es256", "hs256"):
            raise ValueError("signing is es256 or hs256")
