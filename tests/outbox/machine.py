"""Plays that hypothesis writes: anything that can happen around the outbox, in any order.

One rule takes all actions from a table of chances. Rules of their own would be switched off at random, half of them in
a typical play, and the interesting stories need most of them.
"""

from __future__ import annotations

from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from tests.outbox.fake_meta import Fate
from tests.outbox.play import MANY, Play
from tests.outbox.stage import Stage

_PAUSES = (20.0, 15.0, 6.0, 121.0, 0.3, 1.0, 3.0, 10.0, 20.0, 36.0, 301.0, 900.0)  # seconds

some = st.sampled_from([0, 0, 1]) | st.integers(0, 999)  #: picks one of what there is, often the first
somebody = st.sampled_from([0, 0, 0, 0, 1, 2])  #: most of it happens in one talk
rarely = st.sampled_from([False, False, False, False, False, True])
arrivals = st.sampled_from(["now", "now", "now", "twice", "later"])
fates = st.sampled_from([*[Fate.ACCEPTED] * 3, *[Fate.LOST] * 3, *[Fate.SILENT] * 2, *Fate])
answers = st.sampled_from(["answer", "answer", "away", "refused"])
waits = st.sampled_from([None, None, 6.0, 60.0, 1e9])  # seconds

#: How often each action of Play is taken, and with what.
CHANCES: dict[str, tuple[int, dict[str, st.SearchStrategy[Any]]]] = {
    "agent_replies": (6, {"who": somebody, "count": st.integers(1, 3), "dies": rarely}),
    "dispatcher_claims": (6, {"limit": st.sampled_from([MANY, 1, 2]), "dies": rarely}),
    "request_reaches_meta": (7, {"which": some, "fate": fates, "after": waits, "mute": rarely}),
    "dispatcher_records": (5, {"which": some, "dies": rarely}),
    "dispatcher_crashes": (2, {"which": some}),
    "dispatcher_works_undisturbed": (5, {"fate": fates, "after": waits, "mute": rarely, "crashes": rarely}),
    "time_passes": (6, {"seconds": st.sampled_from((*_PAUSES * 3, 25 * 3600.0))}),
    "status_comes": (
        8,
        {
            "which": some,
            "kind": st.sampled_from(["sent", "failed", "delivered", "read", "sent", "failed"]),
            "callback": st.sampled_from([True, True, False]),
            "arrival": arrivals,
            "at_once": st.booleans(),
        },
    ),
    "unknown_outcomes_are_settled": (3, {"dies": rarely}),
    "others_are_heard_of": (4, {}),
    "confirm_window_passes": (4, {}),
    "slow_request_is_accepted": (2, {"which": some}),
    "person_resends": (3, {"which": some}),
    "webhooks_are_ingested": (3, {"limit": st.sampled_from([MANY, MANY, 1, 2]), "dies": rarely}),
    "token_expires": (1, {"which": some}),
    "number_is_resumed": (2, {"which": some}),
    "customer_writes": (3, {"who": st.sampled_from([1, 1, 0, 2]), "count": st.integers(1, 2), "arrival": arrivals}),
    "colleague_replies_in_the_phone_app": (2, {"who": somebody, "arrival": arrivals}),
    "customer_rewords": (2, {"which": some, "kind": st.sampled_from(["edit", "revoke"]), "arrival": arrivals}),
    "bot_begins": (3, {"dies": rarely}),
    "bot_has_thought": (3, {"which": some, "answer": answers, "dies": rarely}),
    "bot_crashes": (1, {"which": some}),
    "agent_repeats_the_request": (1, {"which": some}),
    "person_switches_the_bot": (1, {"which": some}),
    "person_reads": (1, {"which": some}),
    "receipts_are_sent": (1, {}),
    "late_webhook_comes": (1, {"which": some}),
    "webhook_comes_again": (1, {"which": some}),
    "strange_webhook_comes": (1, {"which": some}),
}
actions = st.sampled_from([name for name, (weight, _) in CHANCES.items() for _ in range(weight)]).flatmap(
    lambda name: st.tuples(st.just(name), st.fixed_dictionaries(CHANCES[name][1]))
)


class OutboxMachine(RuleBasedStateMachine):
    """`stage` is set by whoever runs it."""

    stage: ClassVar[Stage]
    steps: ClassVar[int] = 0  #: in all plays so far

    def __init__(self) -> None:
        super().__init__()
        self.play = Play(self.stage)
        self._sound = True  #: every action so far was finished

    @rule(action=actions)
    def happens(self, action: tuple[str, dict[str, Any]]) -> None:
        name, arguments = action
        type(self).steps += 1
        self._sound = False
        getattr(self.play, name)(**arguments)
        self._sound = True

    def teardown(self) -> None:
        try:
            if self._sound:
                self.play.everything_settles()
        finally:
            self.play.close()
