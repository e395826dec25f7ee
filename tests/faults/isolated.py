"""Scenarios that need a name server of their own: run by `inside`, in new mount and network namespaces.

There, nothing is reachable but loopback, /etc/resolv.conf names a server of ours, and that answers as told. What came
out is printed as JSON.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from inbox.config import Policy
from inbox.gateways.http import sessions
from inbox.resilience import UPSTREAMS
from tests.faults.calls import SHORT, Outcome, ask, both, send
from tests.faults.server import FaultServer, answers, black_hole
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]
RESOLVER_SECONDS = 3  # until the C library gives up, by our resolv.conf: longer than any call may take
NXDOMAIN, SERVFAIL = 3, 2


def inside(scenario: str) -> dict[str, Any]:
    """Run one of SCENARIOS in namespaces of its own; what it returned."""
    unshare = ["unshare", "--mount", "--net"] + ([] if os.geteuid() == 0 else ["--user", "--map-root-user"])
    done = subprocess.run(
        [*unshare, sys.executable, "-W", "error", "-m", __name__, scenario],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def main(scenario: str) -> None:
    _lift_loopback()
    _configure(SHORT)
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
        file.write(f"nameserver 127.0.0.1\noptions timeout:{RESOLVER_SECONDS} attempts:1\n")
        file.flush()
        subprocess.run(["mount", "--bind", file.name, "/etc/resolv.conf"], check=True)
        print(json.dumps(SCENARIOS[scenario]()))


def _configure(policies: Mapping[str, Policy]) -> None:
    for name, upstream in UPSTREAMS.items():
        upstream.configure(policies[name], retries=True, breaker=True)


def _lift_loopback() -> None:
    """A new network namespace has a loopback device, which is down."""
    up, flags = 0x8914, 1  # SIOCSIFFLAGS, IFF_UP (linux/sockios.h, net/if.h)
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, up, struct.pack("16sH14x", b"lo", flags))


# --- the name server ---------------------------------------------------------------------------------------------


class NameServer:
    """Answers on 127.0.0.1:53. A name has addresses, or the code of an error, or None: no answer ever."""

    def __init__(self, names: Mapping[str, list[str] | int | None]) -> None:
        self._names = names
        self.lookups: Counter[str] = Counter()  #: of IPv4 addresses, by name
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._thread = threading.Thread(target=self._serve, name="name server")

    def __enter__(self) -> NameServer:
        self._socket.bind(("127.0.0.1", 53))
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", ("127.0.0.1", 53))
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while query := self._socket.recvfrom(512):
            packet, client = query
            if not packet:
                return
            answer = self._answer(packet)
            if answer is not None:
                self._socket.sendto(answer, client)

    def _answer(self, packet: bytes) -> bytes | None:
        """RFC 1035: the header, the question as it came, and an address record for each address."""
        name, end = _name_in(packet)
        (kind,) = struct.unpack("!H", packet[end : end + 2])
        self.lookups[name] += kind == 1
        found = self._names.get(name, NXDOMAIN)
        if found is None:
            return None
        code, addresses = (found, []) if isinstance(found, int) else (0, found if kind == 1 else [])
        head = packet[:2] + struct.pack("!HHHHH", 0x8180 | code, 1, len(addresses), 0, 0)
        records = [b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 0, 4) + socket.inet_aton(each) for each in addresses]
        return head + packet[12 : end + 4] + b"".join(records)


def _name_in(packet: bytes) -> tuple[str, int]:
    """The name asked for, and where its type begins."""
    at, labels = 12, []
    while length := packet[at]:
        labels.append(packet[at + 1 : at + 1 + length].decode())
        at += 1 + length
    return ".".join(labels), at + 1


# --- scenarios ---------------------------------------------------------------------------------------------------


def told_no(code: int) -> dict[str, Any]:
    """The name server answers with an error."""
    with NameServer({"gemini.test": code, "graph.test": code}) as names:
        asked, sent = ask("http://gemini.test"), send("http://graph.test")
        return {"gemini": _shown(asked), "whatsapp": _shown(sent), "lookups": names.lookups}


def silence() -> dict[str, Any]:
    """The name server answers for one upstream and not for the other, with all of whose callers busy."""
    with contextlib.ExitStack() as stack:
        names = stack.enter_context(NameServer({"gemini.test": None, "graph.test": ["127.0.0.1"]}))
        graph = stack.enter_context(FaultServer(answers))
        pool = stack.enter_context(ThreadPoolExecutor(8))
        asked = [pool.submit(ask, "http://gemini.test") for _ in range(8)]
        wait_until(lambda: names.lookups["gemini.test"] >= SHORT["gemini"].bulkhead, "Gemini's callers to look it up")
        sent = [send(f"http://graph.test:{graph.port}") for _ in range(20)]
        done_before = sum(each.done() for each in asked)
        outcomes = [each.result() for each in asked]
        waiting = len(_resolving())
        began = time.monotonic()
        wait_until(lambda: not _resolving(), "the last lookups to end", RESOLVER_SECONDS + 3)
        sessions.session.close()
        return {
            "gemini": [_shown(each) for each in outcomes],
            "whatsapp": [_shown(each) for each in sent],
            "asked_until_all_was_sent": done_before,
            "lookups": names.lookups,
            "lookups_still_waiting": waiting,
            "their_seconds": time.monotonic() - began,
        }


def _resolving() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "resolve"]


def black_holes() -> dict[str, Any]:
    """Four addresses that answer nothing; then three of them and one that does."""
    hosts = [f"127.0.0.{number}" for number in (1, 2, 3, 4)]
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(FaultServer(answers, host="127.0.0.5"))
        for host in hosts:
            stack.enter_context(black_hole(host, server.port))
        mixed = [*hosts[1:], "127.0.0.5"]
        stack.enter_context(NameServer({"dead.test": hosts, "gemini.test": mixed, "graph.test": mixed}))
        alive = ask(f"http://gemini.test:{server.port}"), send(f"http://graph.test:{server.port}")
        sessions.session.close()
        # Long enough to tell one connect timeout from four.
        patient = {name: replace(policy, total=9.0, connect=1.0, attempts=1) for name, policy in SHORT.items()}
        _configure(patient)
        dead = both(f"http://dead.test:{server.port}")
        return {"dead": [_shown(each) for each in dead], "alive": [_shown(each) for each in alive], "connect": 1.0}


def _shown(outcome: Outcome) -> dict[str, Any]:
    error = outcome.error
    name, phase = (None, None) if error is None else (type(error).__name__, error.phase)
    return {"kind": outcome.kind, "error": name, "phase": phase, "seconds": outcome.seconds}


SCENARIOS: Mapping[str, Callable[[], dict[str, Any]]] = {
    "nxdomain": lambda: told_no(NXDOMAIN),
    "servfail": lambda: told_no(SERVFAIL),
    "silence": silence,
    "black_holes": black_holes,
}

if __name__ == "__main__":
    main(sys.argv[1])
