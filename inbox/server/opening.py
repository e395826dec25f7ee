"""The port opens when a worker has loaded the application, and not before.

gunicorn listens first and loads afterwards. Clients would be greeted meanwhile and wait for as long as loading takes,
where a proxy in front could have sent them to another server. To listen for a moment and close again is no better: who
comes in that moment is greeted and then reset, and a proxy does not send a POST a second time.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from gunicorn import sock, systemd


def bind_without_listening(arbiter: Any) -> None:
    """For gunicorn's on_starting hook: take the addresses; who connects to one is refused at once.

    Sockets that another process has opened, and may be serving on, stay as they are.
    """
    if arbiter.master_pid or arbiter.cfg.reuse_port or systemd.listen_fds(unset_environment=False):
        return
    with _nothing_listens():
        arbiter.LISTENERS = sock.create_sockets(arbiter.cfg, arbiter.log)


def open_for_clients(worker: Any) -> None:
    """For gunicorn's post_worker_init hook. Where the port is open, nothing changes."""
    for listener in worker.sockets:
        if not listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            listener.listen(worker.cfg.backlog)


@contextmanager
def _nothing_listens() -> Iterator[None]:
    """gunicorn's sockets open themselves when they are made, unless they find that they are open already."""
    asked = sock.BaseSocket._is_listening
    sock.BaseSocket._is_listening = staticmethod(lambda _sock: True)
    try:
        yield
    finally:
        sock.BaseSocket._is_listening = staticmethod(asked)
