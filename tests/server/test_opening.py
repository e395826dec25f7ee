"""A port that is closed while the application loads, and opens afterwards."""

from __future__ import annotations

import logging
import socket
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn.config import Config

from inbox.server import opening
from tests.waiting import free_port


def arbiter(**differently: Any) -> SimpleNamespace:
    cfg = Config()
    cfg.set("bind", [f"127.0.0.1:{free_port()}"])
    for name in differently.keys() & cfg.settings:
        cfg.set(name, differently.pop(name))
    return SimpleNamespace(**{"cfg": cfg, "master_pid": 0, "LISTENERS": [], "log": logging.getLogger(), **differently})


def lets_in(listener: Any) -> bool:
    try:
        socket.create_connection(listener.getsockname(), 5).close()
    except ConnectionRefusedError:
        return False
    listener.setblocking(True)
    listener.accept()[0].close()
    return True


def test_nobody_is_let_in_until_a_worker_has_loaded() -> None:
    starting = arbiter()
    opening.bind_without_listening(starting)
    (listener,) = starting.LISTENERS
    assert not lets_in(listener)
    worker = SimpleNamespace(sockets=[listener], cfg=starting.cfg)
    for _ in range(2):  # and those that load later change nothing
        opening.open_for_clients(worker)
        assert lets_in(listener)
    listener.close()


@pytest.mark.parametrize("whose", [{"master_pid": 7}, {"reuse_port": True}])
def test_sockets_on_which_another_may_be_serving_are_left_to_gunicorn(whose: dict[str, Any]) -> None:
    starting = arbiter(**whose)
    opening.bind_without_listening(starting)
    assert starting.LISTENERS == []


def test_sockets_that_are_made_later_listen_as_gunicorn_wants() -> None:
    from gunicorn import sock

    opening.bind_without_listening(first := arbiter())
    (later,) = sock.create_sockets(arbiter().cfg, logging.getLogger())
    assert lets_in(later)
    for listener in (*first.LISTENERS, later):
        listener.close()
