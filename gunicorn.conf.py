"""gunicorn: threaded workers. Start with `gunicorn -c gunicorn.conf.py wsgi:app`; PORT and WEB_CONCURRENCY are read
by gunicorn itself."""

import os
import pathlib

from inbox.metrics import folder as metrics
from inbox.server import opening

# gunicorn's threads, plus: nobody waits long for one, and /health has its own.
worker_class = "inbox.server.gunicorn_worker.SheddingWorker"
_threads = os.environ.get("WEB_THREADS", "").strip()
threads = (int(_threads) if _threads.isdecimal() else 0) or 8  # what is no number the program refuses, in one line

# A heartbeat of the worker's main loop, no limit on requests: a stuck upstream call is ended by our own timeouts.
timeout = 30
# SIGTERM … SIGKILL is 30 s on most platforms: requests end in milliseconds, then the dispatcher drains for 20 s.
graceful_timeout = 25
# Longer than the idle time of the proxy in front (Heroku's router 90 s, nginx 1 s), so that the proxy closes first.
keepalive = 95

# Larger than any request of ours; Heroku and nginx stop at the same or earlier. Bodies: MAX_CONTENT_LENGTH.
limit_request_line = 8190
limit_request_fields = 64
limit_request_field_size = 8190

# The heartbeat file is touched every second; on a slow disk that alone can block a worker.
worker_tmp_dir = "/dev/shm" if pathlib.Path("/dev/shm").is_dir() else None  # noqa: S108
# Whichever worker answers /metrics answers for all; on a disk that could block them, too.
metrics.prepare(worker_tmp_dir)
# Threads, pools and sessions are made per process, after the fork.
preload_app = False
# gunicorn 25 and later would create a socket in the home directory, which may be read-only.
control_socket_disable = True

logger_class = "inbox.server.gunicorn_log.OurLogger"
loglevel = os.environ.get("LOG_LEVEL", "").strip() or "info"
errorlog = "-"
accesslog = None  # the platform's router or nginx logs requests; ours would print verify tokens in query strings
# Decides only whether X-Forwarded-Proto is believed; the client's address is TRUSTED_PROXY_COUNT's business.
forwarded_allow_ips = os.environ.get("FORWARDED_ALLOW_IPS") or "127.0.0.1"


def on_starting(server):
    """Nobody is let in until a worker has loaded."""
    opening.bind_without_listening(server)


def when_ready(_server):
    """The numbers of the workers to come are this master's."""
    metrics.own()


def child_exit(_server, worker):
    """What the worker held is free again, also if it was killed."""
    metrics.forget(worker.pid)


def on_exit(_server):
    """The master ends, and its numbers with it."""
    metrics.remove()


def on_reload(server):
    """SIGHUP: nobody is left without an answer while the new workers load."""
    from inbox.server.reloading import keep_old_workers_until_new_ones_answer

    keep_old_workers_until_new_ones_answer(server)


def post_worker_init(worker):
    """The dispatcher works from the start, not from the first request on, and the page is there. Then clients come."""
    inbox = worker.wsgi.extensions["inbox"]
    inbox.start()
    inbox.changes.release()
    worker.hold_questions(inbox.changes.quiet)
    opening.open_for_clients(worker)


def worker_exit(_server, worker):
    """Requests have ended; finish the jobs that are begun and close what was opened."""
    app = getattr(worker, "wsgi", None)
    if app is not None:
        app.extensions["inbox"].close()
