"""A simulated Supabase with one user, and tokens of it verified by clocks that a test sets."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from inbox.auth.supabase.tokens import SupabaseTokens
from inbox.config import SUPABASE as POLICY
from inbox.config import Config
from inbox.resilience import SUPABASE
from sandbox import Sandbox
from sandbox.supabase_users import User

KEY = "sb_publishable_test"
SECRET = "sandbox-jwt-secret-of-at-least-32-bytes"
#: One attempt and short waits, so that a fault is over soon. The circuit is left out: it has tests of its own.
QUICK = replace(POLICY, total=3.0, connect=1.0, read=1.0, minimum=0.05, attempts=1)


@dataclass
class Times:
    """The wall clock, at a whole second, and the monotonic one, passing together and only when told to."""

    wall: float = field(default_factory=lambda: float(int(time.time())))
    steady: float = 1000.0

    def now(self) -> float:
        return self.wall

    def clock(self) -> float:
        return self.steady

    def pass_(self, seconds: float) -> None:
        self.wall += seconds
        self.steady += seconds


@dataclass
class Stage:
    """One process that meets tokens."""

    sandbox: Sandbox
    times: Times
    user: User
    config: Config
    tokens: SupabaseTokens

    def mint(self, **changes: Any) -> str:
        return self.sandbox.supabase.mint(self.user, **changes)

    def asked(self, what: str = "user") -> int:
        """How often Supabase was asked about a token, or for its keys ("jwks")."""
        return sum(request.path.endswith((what, f"{what}.json")) for request in self.sandbox.requests("supabase"))

    def anew(self, **changes: Any) -> SupabaseTokens:
        """Another process, with other settings."""
        return SupabaseTokens(replace(self.config, **changes), now=self.times.now, clock=self.times.clock)


@contextmanager
def staged(*, breaker: bool = False, signing: str = "es256", **settings: Any) -> Iterator[Stage]:
    times = Times()
    before = SUPABASE.policy
    SUPABASE.configure(QUICK, retries=False, breaker=breaker)
    with Sandbox(clock=times.now, jwt_secret=SECRET, signing=signing) as sandbox:
        user = sandbox.supabase.save_user(email="anna@example.com", user_metadata={"name": "Anna"})
        config = Config(supabase_url=sandbox.url, supabase_key=KEY)
        tokens = SupabaseTokens(replace(config, **settings), now=times.now, clock=times.clock)
        try:
            yield Stage(sandbox, times, user, config, tokens)
        finally:
            SUPABASE.configure(before, retries=True, breaker=True)
