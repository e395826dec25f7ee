"""Whether the gunicorn that is installed is the one this room was written for."""

from __future__ import annotations

import inspect

from gunicorn.http.body import Body
from gunicorn.sock import BaseSocket
from gunicorn.workers.gthread import PollableMethodQueue, TConn, ThreadWorker

#: What `gunicorn_worker`, `framing` and `opening` override or call, as gunicorn 27 has it.
_RELIED_ON: dict[type, tuple[str, ...]] = {
    ThreadWorker: (
        "check_config(cfg, log)",
        "get_thread_pool(self)",
        "run(self)",
        "accept(self, listener)",
        "set_accept_enabled(self, enabled)",
        "enqueue_req(self, conn)",
        "on_pending_socket_readable(self, conn, client)",
        "handle(self, conn)",
        "handle_request(self, req, conn)",
        "handle_error(self, req, client, addr, exc)",
        "finish_request(self, conn, fs)",
        "is_parent_alive(self)",
        "wait_for_and_dispatch_events(self, timeout)",
        "_cap_keepalive(self, deadline)",
    ),
    TConn: ("__init__(self, cfg, sock, client, server)", "set_timeout(self)", "close(self, graceful=False)"),
    Body: ("__init__(self, reader)", "_read_reader(self, size)"),
    PollableMethodQueue: ("defer(self, callback, *args)",),
    BaseSocket: ("_is_listening(sock)",),
}


def missing_from_gunicorn(relied_on: dict[type, tuple[str, ...]] = _RELIED_ON) -> list[str]:
    """Methods this room builds on that the installed gunicorn lacks, or has with other arguments."""
    return [
        f"{owner.__name__}.{wanted}"
        for owner, methods in relied_on.items()
        for wanted in methods
        if _as_installed(owner, wanted.partition("(")[0]) != wanted
    ]


def _as_installed(owner: type, name: str) -> str:
    method = getattr(owner, name, None)
    return f"{name}{inspect.signature(method)}" if method else ""
