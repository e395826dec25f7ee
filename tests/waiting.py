"""Waiting for what happens in another thread or process, with an end."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_pause = threading.Event()


def wait_until(condition: Callable[[], T], what: str, seconds: float = 60.0) -> T:
    """The first truthy value of `condition`. Fails the test, saying for what it waited, after `seconds`."""
    until, pause = time.monotonic() + seconds, 0.01
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > until:
            raise AssertionError(f"waited {seconds:g} s in vain for {what}")
        _pause.wait(pause)
        pause = min(pause * 1.2, 0.1)  # who asks often takes the processor from what is waited for


def free_port() -> int:
    """A TCP port nobody listens on just now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
