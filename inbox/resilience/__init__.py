"""How upstreams are called: see `upstream` for the decorators. What a failure means stands on its class (`errors`)."""

from inbox.errors import Verdict
from inbox.resilience.breaker import Breaker, BreakerState
from inbox.resilience.bulkhead import Bulkhead
from inbox.resilience.deadline import remaining
from inbox.resilience.suspects import About
from inbox.resilience.upstream import (
    GEMINI,
    MEDIA_STORE,
    SUPABASE,
    UPSTREAMS,
    WHATSAPP,
    WHATSAPP_MEDIA,
    WHATSAPP_RECEIPTS,
    WHATSAPP_TEMPLATES,
    RetryBudget,
    Upstream,
    configure,
    policies,
)

__all__ = [
    "GEMINI",
    "MEDIA_STORE",
    "SUPABASE",
    "UPSTREAMS",
    "WHATSAPP",
    "WHATSAPP_MEDIA",
    "WHATSAPP_RECEIPTS",
    "WHATSAPP_TEMPLATES",
    "About",
    "Breaker",
    "BreakerState",
    "Bulkhead",
    "RetryBudget",
    "Upstream",
    "Verdict",
    "configure",
    "policies",
    "remaining",
]
