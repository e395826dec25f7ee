"""gunicorn's threaded worker, with load shedding: nobody waits long for a thread, and probes have threads of their own.

Written for gunicorn 27. Its thread pool's queue knows no age: when all threads are stuck, requests pile up behind
them, are run long after their clients have left, and `/health` waits with the rest. Here

- the main thread peeks at each request (it reads nothing) to see its kind, and gives it a ticket with the time;
- a request that has waited longer than its kind's patience is answered 503: by the main thread the moment it happens,
  or by the thread that was about to begin. So a handler never starts late, and a refusal never waits for a thread;
- a request whose client has left is not run;
- a request is begun when all of it is there: until then it waits in the poller, and a slow sender holds no thread.
  What is too large for the kernel's buffer is gathered here meanwhile. What is larger than any request of ours, or
  chunked, has two threads of its own, and ten seconds to come;
- a line holds so many tickets; who comes on top is refused at once;
- a question for changes to which the answer is none waits here, if its client can wait (`wait`), until there are some;
- files, which WhatsApp and slow readers hold up, have threads of their own: they take none from anybody else;
- what a page is made of (`/assets`) has threads of its own, too: it comes out of memory, also while all others wait.

`/health`, `/health/live` and `/health/ready` have one thread each: a frozen database that holds the thread of
`/health/ready` stops neither of the others.

Two of gunicorn's habits had to go, because they stop everybody: a thread waiting for the first byte of a new
connection (it now waits in the poller), and the main thread waiting up to 2 s for a client to close (so does that).
"""

from __future__ import annotations

import errno
import logging
import math
import selectors
import socket
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any
from uuid import UUID

import gunicorn
from gunicorn.http import wsgi
from gunicorn.http.errors import ParseException
from gunicorn.workers.gthread import ThreadWorker

from inbox.server import held, shedding
from inbox.server.client_socket import READ
from inbox.server.connection import ARRIVAL, PEEK, Connection
from inbox.server.framing import FramedBody, refuse
from inbox.server.held import Question, Quiet
from inbox.server.installed import missing_from_gunicorn
from inbox.server.shedding import Kind, Line, Ticket
from inbox.webhooks.missed import missed

log = logging.getLogger(__name__)

STREAMED_THREADS = 2

#: Requests per thread that may wait. Age is the rule that matters: a short line would refuse bursts that are over in
#: milliseconds. A thread whose requests take 15 ms works off 32 within PATIENCE; who comes after those waits in vain.
WAITING_PER_THREAD = 32
#: Shares of `worker_connections`, at which gunicorn stops accepting, probes included: all limits end before that.
ORDINARY_SHARE, WEBHOOK_SHARE, LINGERING_SHARE, OPEN_SHARE = 0.25, 0.4, 0.1, 0.95
#: And the share that may wait for changes; who comes on top is answered at once.
HELD_SHARE = 0.2
LOOK_EVERY = 0.5  # seconds between two looks at the accounts of those who wait
LOOKING_SHARE = 4  # of the time that a look takes, spent without one afterwards

#: Of the threads, the share that ordinary requests may hold at once, and that webhooks may. Each kind finds some of the
#: others free, also while each statement of the other takes seconds: webhook_events locked stops no agent's send.
THREADS_OF_ONE_KIND = 0.75
#: And that sign-ins may: a password is checked on purpose slowly, and strangers try many.
THREADS_OF_SIGN_INS = 0.5

#: Bytes of unfinished requests that a worker holds; beyond it the one that has been coming for longest is refused.
GATHERED = 16 * 1024 * 1024

LINGER = 2.0  # seconds a closed connection is kept for its client to read the answer; as long as gunicorn's
LINGER_BYTES = 65_536  # read and thrown away meanwhile; as many as gunicorn's
ACCEPT_PAUSE = 1.0  # seconds without new connections after the process ran out of file descriptors


wsgi.SERVER = "inbox"  # what the Server header says: that it is gunicorn helps nobody but those who look for its holes


class SheddingWorker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """See the module. Methods run on the main thread unless they say otherwise."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lines: dict[Kind, Line] = {}
        self._gathering: dict[Connection, None] = {}  # pending, partly held here; the first began first
        self._lingering: dict[Connection, float] = {}  # until when; the first is always the next
        self._quiet: Quiet | None = None
        self._held: dict[Connection, Question] = {}
        self._look_at = 0.0  # when the accounts of these are looked at next; infinity while somebody does
        self._room = int(self.worker_connections * OPEN_SHARE)
        self._wake_at = 0.0  # when there is something to tidy up, or earlier
        self._accept_after = 0.0

    @classmethod
    def check_config(cls, cfg: Any, log: Any) -> None:
        """Called before the first worker starts. Raises RuntimeError, which gunicorn prints before it exits."""
        super().check_config(cfg, log)
        if missing := missing_from_gunicorn():
            raise RuntimeError(
                f"gunicorn {gunicorn.__version__} lacks what {cls.__module__} builds on: {', '.join(missing)}. "
                "It was written for gunicorn 27; install the version in requirements.txt."
            )
        if cfg.is_ssl or cfg.http2_cleartext != "off" or cfg.proxy_protocol != "off":
            raise RuntimeError(
                f"{cls.__module__} reads request lines off plain HTTP/1.1: leave TLS (certfile), http2_cleartext and "
                "proxy_protocol to the proxy in front."
            )

    # --- threads ---------------------------------------------------------------------------------------------------

    def get_thread_pool(self) -> ThreadPoolExecutor:
        """Make all threads' pools; the one of ordinary requests is also gunicorn's own."""
        pool = ThreadPoolExecutor(self.cfg.threads, thread_name_prefix="request")
        at_once = max(1, int(self.cfg.threads * THREADS_OF_ONE_KIND))
        ordinary = min(WAITING_PER_THREAD * self.cfg.threads, int(self.worker_connections * ORDINARY_SHARE))
        webhooks = int(self.worker_connections * WEBHOOK_SHARE)
        self._lines = {
            Kind.ORDINARY: Line(Kind.ORDINARY, pool, ordinary, at_once),
            Kind.WEBHOOK: Line(Kind.WEBHOOK, pool, webhooks, at_once),
            Kind.SIGN_IN: Line(Kind.SIGN_IN, pool, ordinary, max(1, int(self.cfg.threads * THREADS_OF_SIGN_INS))),
        }
        for kind in (Kind.LIVE, Kind.READY, Kind.HEALTH):
            one = ThreadPoolExecutor(1, thread_name_prefix=kind.value)
            self._lines[kind] = Line(kind, one, WAITING_PER_THREAD, 1)
        files = ThreadPoolExecutor(self.cfg.threads, thread_name_prefix="file")
        self._lines[Kind.FILE] = Line(Kind.FILE, files, ordinary, self.cfg.threads)
        assets = ThreadPoolExecutor(self.cfg.threads, thread_name_prefix="asset")
        self._lines[Kind.ASSET] = Line(Kind.ASSET, assets, ordinary, self.cfg.threads)
        streamed = ThreadPoolExecutor(STREAMED_THREADS, thread_name_prefix="streamed")
        self._lines[Kind.STREAMED] = Line(Kind.STREAMED, streamed, WAITING_PER_THREAD, STREAMED_THREADS)
        return pool

    def run(self) -> None:
        """Work until told to stop; then end what this class began."""
        try:
            super().run()
        finally:
            for line in self._lines.values():
                line.pool.shutdown(wait=False)
            for connection in self._lingering:
                connection.close()
            shedding.tally.report(math.inf)

    # --- a request comes -------------------------------------------------------------------------------------------

    def accept(self, listener: socket.socket) -> None:
        """Take one new connection."""
        self._take(listener)

    def _take(self, listener: socket.socket) -> bool:
        """Take one new connection, if there is one."""
        try:
            sock, client = listener.accept()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                # gunicorn's worker would die of it, with all it has in hand.
                log.warning("no file descriptor is left for a new connection", extra={"connections": self.nr_conns})
                missed.note()
                self._accept_after = time.monotonic() + ACCEPT_PAUSE
                self.set_accept_enabled(False)
            elif error.errno not in (errno.EAGAIN, errno.ECONNABORTED):
                raise
            return False
        self.nr_conns += 1
        self.enqueue_req(Connection(self, sock, client, listener.getsockname()))
        return True

    def set_accept_enabled(self, enabled: bool) -> None:
        """Take new connections or not; the main loop asks again every second."""
        super().set_accept_enabled(enabled and time.monotonic() >= self._accept_after)

    def enqueue_req(self, conn: Connection) -> None:
        """A connection is new or has become readable: put its request into the right line, or refuse it."""
        head = conn.peek()
        if head is None:
            self._wait_for_first_byte(conn)
            return
        if not head:
            self.nr_conns -= 1
            conn.close()
            return
        self._gathering.pop(conn, None)
        missing = conn.missing(head)
        if missing:
            self._wait_for_more(conn, missing)
            return
        if conn.arrive_by is not None:
            conn.arrive_by = None
            conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
        if not self._holds(conn, head):
            self._line_up(conn, head)

    def _line_up(self, conn: Connection, head: bytes) -> None:
        """Put a request that is there into the line of its kind."""
        line = self._lines[shedding.kind_of(head)]
        conn.ticket = ticket = Ticket(line.kind, conn, time.monotonic(), self._begin)
        if line.is_full():
            ticket.refuse()
            self.nr_conns -= 1
            conn.close(graceful=True)
            return
        conn.data_ready = True  # the thread need not wait for it
        self._wake_at = min(self._wake_at, ticket.since + line.patience)
        ticket.future.add_done_callback(partial(self.method_queue.defer, self.finish_request, conn))
        line.enter(ticket)

    def finish_request(self, conn: Connection, fs: Any) -> None:
        """The request was handled, or given up: let the next of its line go ahead."""
        if conn.ticket is not None:
            self._lines[conn.ticket.kind].leave(conn.ticket)
        super().finish_request(conn, fs)

    def _wait_for_first_byte(self, conn: Connection) -> None:
        conn.set_timeout()
        self._wait(conn)

    def _wait_for_more(self, conn: Connection, missing: int) -> None:
        """Come back when so many more bytes have come. All of them have ARRIVAL seconds, from the first on."""
        if conn.arrive_by is None:
            conn.arrive_by = time.monotonic() + ARRIVAL
        conn.timeout = conn.arrive_by
        conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, min(missing, shedding.WHOLE))
        self._wait(conn)
        if conn.gathered:
            self._gathering[conn] = None
            self._hold_no_more_than(GATHERED)

    def _hold_no_more_than(self, limit: int) -> None:
        while sum(conn.gathered for conn in self._gathering) > limit:
            conn = next(iter(self._gathering))
            del self._gathering[conn]
            if conn in self.pending_conns:  # else it ended by itself: its time was up
                self.pending_conns.remove(conn)
                self.poller.unregister(conn.sock)
                conn.refuse()
                self.nr_conns -= 1
                conn.close()

    def _wait(self, conn: Connection) -> None:
        conn.sock.setblocking(False)
        self.pending_conns.append(conn)
        wake = partial(self.on_pending_socket_readable, conn)
        self.poller.register(conn.sock, selectors.EVENT_READ, wake)

    def _begin(self, ticket: Ticket) -> Any:
        """Its turn has come (on a pool's thread): handle the request, unless it is too late for it."""
        if ticket.is_too_late(time.monotonic()):
            ticket.refuse()
            return False
        connection: Any = ticket.client
        connection.sock.read_by = time.monotonic() + READ
        return self.handle(connection)

    def handle_request(self, req: Any, conn: Connection) -> Any:
        """Run the application for one request (on a pool's thread)."""
        if req.body is not None:
            req.body = FramedBody(req.body.reader)
        return super().handle_request(req, conn)

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: Exception) -> None:
        """Answer what could not be handled (on a pool's thread): what is no request in our shape, bugs as gunicorn."""
        if isinstance(exc, ParseException):
            refuse(client, addr, exc)
        else:
            super().handle_error(req, client, addr, exc)

    # --- a question waits until there is something to tell ---------------------------------------------------------

    def hold_questions(self, quiet: Quiet) -> None:
        """Let those wait who ask for changes, can wait, and would be told that there are none: without a thread."""
        self._quiet = quiet

    def _holds(self, conn: Connection, head: bytes) -> bool:
        question = held.question(head, time.monotonic())
        if self._quiet is None or question is None or not self.alive:
            return False
        if len(self._held) >= self.worker_connections * HELD_SHARE or conn.gathered:
            return False
        if not self._quiet.holds(question.account_id, question.since):
            return False
        if not self._held:
            self._look_at = time.monotonic() + LOOK_EVERY
        self._held[conn] = question
        self._wake_at = min(self._wake_at, question.until, self._look_at)
        return True

    def _let_go(self, whom: Callable[[Question], bool]) -> None:
        """Answer those like any other request. Nobody looks at their connections while they wait."""
        for conn in [conn for conn, question in self._held.items() if whom(question)]:
            del self._held[conn]
            if conn.has_left():
                self.nr_conns -= 1
                conn.close()
            else:
                self._line_up(conn, conn.peek() or b"")

    def _attend(self, now: float) -> None:
        """Let go whose time is up, and have somebody look whether the others have to go on waiting."""
        self._let_go(lambda question: question.until <= now)
        if not self._held or self._quiet is None:
            return
        if now >= self._look_at:
            self._look_at = math.inf
            look = self.tpool.submit(self._quiet.moved, {question.account_id for question in self._held.values()})
            look.add_done_callback(partial(self.method_queue.defer, self._looked, now))
        self._wake_at = min(self._wake_at, self._look_at, *(question.until for question in self._held.values()))

    def _looked(self, began: float, look: Future[list[UUID]]) -> None:
        """Let go whose account has moved. `began`: monotonic seconds; who looks for long, looks less often."""
        failed = look.exception()
        if failed is not None:
            log.error("cannot look for changes", exc_info=failed)
        self._let_go(lambda question: failed is not None or question.account_id in look.result())
        now = time.monotonic()
        self._look_at = now + max(LOOK_EVERY, LOOKING_SHARE * (now - began))
        self._wake_at = min(self._wake_at, self._look_at)

    # --- time passes -----------------------------------------------------------------------------------------------

    def is_parent_alive(self) -> bool:
        """False when the master is gone, by `kill -9` perhaps: then this worker leaves as if it had been told to.

        gunicorn's stops taking connections, and goes on serving those it has for all of `graceful_timeout`.
        """
        if super().is_parent_alive():
            return True
        self.alive = False
        return False

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """One round of the main loop, ending no later than something has to be given up."""
        super().wait_for_and_dispatch_events(min(timeout, max(0.0, self._wake_at - time.monotonic())))
        if self.nr_conns > self._room:
            self._make_room()
        now = time.monotonic()
        if now >= self._wake_at:
            self._tidy_up(now)

    def _tidy_up(self, now: float) -> None:
        """Give up what is due. Rounds are many and this is not free: it happens once a second and when it must."""
        self._wake_at = now + 1.0
        for line in self._lines.values():
            for ticket in line.give_up(now):
                ticket.refuse()  # closed by finish_request, which a cancelled future calls as well
            self._wake_at = min(self._wake_at, line.next_deadline())
        while self._lingering:
            conn, until = next(iter(self._lingering.items()))
            if until > now:
                self._wake_at = min(self._wake_at, until)
                break
            self._end(conn)
        if self._held:
            self._attend(now)
        shedding.tally.report(now)

    def _make_room(self) -> None:
        """Close what has been idle longest when few places are left, as nginx does: idlers must not keep others out."""
        while self.nr_conns > self._room and (self.keepalived_conns or self.pending_conns):
            idle = [line for line in (self.keepalived_conns, self.pending_conns) if line]
            conn = min(idle, key=lambda line: line[0].waits_since).popleft()
            self.poller.unregister(conn.sock)
            self.nr_conns -= 1
            if conn.arrive_by is not None:
                missed.note()
            conn.close()

    def _cap_keepalive(self, deadline: float) -> None:
        """The worker stops: connections without a request end by `deadline`, also those that never had one."""
        self._close_the_door()
        self._let_go(lambda _question: True)
        super()._cap_keepalive(deadline)
        for conn in self.pending_conns:
            conn.timeout = min(conn.timeout, deadline)

    def _close_the_door(self) -> None:
        """Take who waits at the listeners, and let nobody else come.

        gunicorn leaves them open until the last request has ended. The kernel goes on greeting clients there whom no
        worker will serve, and resets them in the end: a proxy would wait for an answer and then tell its client 502.
        """
        for listener in self.sockets:
            while self._take(listener):
                pass
            listener.close()

    # --- a connection ends -----------------------------------------------------------------------------------------

    def linger(self, conn: Connection) -> None:
        """Close the sending side; the rest when the client has closed too, or after LINGER seconds.

        Closing at once would make the kernel drop an answer that is still on its way, if the client sends meanwhile.
        """
        if len(self._lingering) >= self.worker_connections * LINGERING_SHARE:
            self._end(next(iter(self._lingering)))
        try:
            conn.sock.shutdown(socket.SHUT_WR)
            conn.sock.setblocking(False)
            self.poller.register(conn.sock, selectors.EVENT_READ, partial(self._throw_away, conn))
        except (OSError, ValueError):  # it is closed already
            conn.close()
            return
        self.nr_conns += 1  # so that a stopping worker waits for it, as gunicorn does
        until = self._lingering[conn] = time.monotonic() + LINGER
        self._wake_at = min(self._wake_at, until)

    def _throw_away(self, conn: Connection, sock: socket.socket) -> None:
        if conn not in self._lingering:  # ended by another event of this round
            return
        try:
            data = sock.recv(PEEK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        conn.thrown_away += len(data)
        if not data or conn.thrown_away > LINGER_BYTES:
            self._end(conn)

    def _end(self, conn: Connection) -> None:
        del self._lingering[conn]
        self.poller.unregister(conn.sock)
        self.nr_conns -= 1
        conn.close()
