"""How upstreams are called: see `upstream` for the decorators, `outcomes` for what an outcome means."""

from inbox.resilience.breaker import Breaker, BreakerState
from inbox.resilience.bulkhead import Bulkhead
from inbox.resilience.deadline import remaining
from inbox.resilience.outcomes import RULES, OutcomeClass, Verdict, classify
from inbox.resilience.upstream import GEMINI, SUPABASE, UPSTREAMS, WHATSAPP, RetryBudget, Upstream, configure

__all__ = [
    "GEMINI",
    "RULES",
    "SUPABASE",
    "UPSTREAMS",
    "WHATSAPP",
    "Breaker",
    "BreakerState",
    "Bulkhead",
    "OutcomeClass",
    "RetryBudget",
    "Upstream",
    "Verdict",
    "classify",
    "configure",
    "remaining",
]
