"""Meta's rates: messages a second per business number, and messages from a number to one person.

Source: Meta, "Cloud API > Throughput" (80 messages a second, in and out together) and "About the platform > Pair rate
limits" (one message every 6 s; up to 45 at once, borrowed from the time that follows).
"""

import threading

NUMBER_PER_SECOND = 80
PAIR_SECONDS = 6.0
PAIR_BURST = 45


class NumberRate:
    """NUMBER_PER_SECOND messages in any second, per business number."""

    def __init__(self) -> None:
        self._levels: dict[str, tuple[float, float]] = {}
        self._lock = threading.Lock()

    def take(self, number_id: str, now: float) -> bool:
        """Count one message; False when the number has used up its rate. now is in seconds."""
        with self._lock:
            level, since = self._levels.get(number_id, (float(NUMBER_PER_SECOND), now))
            level = min(float(NUMBER_PER_SECOND), level + (now - since) * NUMBER_PER_SECOND)
            self._levels[number_id] = (level - 1 if level >= 1 else level, now)
            return level >= 1

    def clear(self) -> None:
        with self._lock:
            self._levels.clear()


class PairRate:
    """A burst of up to PAIR_BURST within PAIR_SECONDS, after which all of it has to be waited for."""

    def __init__(self) -> None:
        self._bursts: dict[tuple[str, str], tuple[float, int]] = {}
        self._lock = threading.Lock()

    def take(self, number_id: str, customer: str, now: float) -> bool:
        """Count one message; False when this pair has to wait. now is in seconds."""
        pair = (number_id, customer)
        with self._lock:
            start, sent = self._bursts.get(pair, (now, 0))
            if now >= start + sent * PAIR_SECONDS:
                self._bursts[pair] = (now, 1)
            elif now < start + PAIR_SECONDS and sent < PAIR_BURST:
                self._bursts[pair] = (start, sent + 1)
            else:
                return False
            return True

    def clear(self) -> None:
        with self._lock:
            self._bursts.clear()
