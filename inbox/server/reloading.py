"""SIGHUP without a gap: the old workers leave when the new ones answer.

gunicorn starts the new ones and sends the old ones away in the same moment. Without preloading it takes a second or two
until the application is loaded, and meanwhile nobody takes a connection (measured under load: 249 answers of 503).
"""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

log = logging.getLogger(__name__)

LOADING = 30.0  # seconds that new workers have; then the old ones leave all the same. SIGTERM waits for it, too
_LOOK_AGAIN = 0.05  # seconds
#: A worker's heartbeat is monotonic seconds; until the first one, its file has the time of day at which it was made.
_LONG_UPTIME = 1e9


def keep_old_workers_until_new_ones_answer(arbiter: Any) -> None:
    """For gunicorn's on_reload hook, which runs before the new workers are started; lasts for this reload."""
    manage, newest = arbiter.manage_workers, arbiter.worker_age

    def manage_later() -> None:
        del arbiter.manage_workers  # the class's own again
        _wait_for_heartbeats(arbiter, newest)
        manage()

    arbiter.manage_workers = manage_later


def _wait_for_heartbeats(arbiter: Any, newest: int) -> None:
    """Until every worker younger than `newest` runs its main loop, or LOADING has passed."""
    until = time.monotonic() + LOADING
    pause = threading.Event()
    while time.monotonic() < until:
        arbiter.reap_workers()  # one that cannot load ends the server here, as gunicorn does everywhere
        young = [worker for worker in arbiter.WORKERS.values() if worker.age > newest]
        if all(worker.tmp.last_update() < _LONG_UPTIME for worker in young):
            return
        pause.wait(_LOOK_AGAIN)
    log.warning("the new workers do not answer yet, the old ones leave")
