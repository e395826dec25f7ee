"""`python -m sandbox`: the simulated upstreams as a process of their own, until SIGTERM or SIGINT."""

import argparse
import signal
import sys
import threading
from collections.abc import Sequence
from typing import Any

from sandbox.options import Options
from sandbox.sandbox import Sandbox

_DEFAULTS = Options()


def main(arguments: Sequence[str] | None = None) -> int:
    """0 after a signal, 2 when the port cannot be had."""
    parser = _parser()
    options = {name: value for name, value in vars(parser.parse_args(arguments)).items() if value is not None}
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        sandbox = Sandbox(**options).start()
    except ValueError as error:
        parser.error(str(error))
    except OSError as error:
        sys.stderr.write(f"sandbox: cannot listen on {options['host']}:{options['port']}: {error.strerror}\n")
        return 2
    try:
        sys.stdout.write(f"sandbox: ready on {sandbox.url}\n")
        sys.stdout.flush()
        stop.wait()
    finally:
        sandbox.close()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox", description="Simulated WhatsApp Cloud API, Gemini API and Supabase Auth."
    )
    add = parser.add_argument
    add("--host", default=_DEFAULTS.host)
    add("--port", type=int, default=8090, help="0 takes one that is free (default: %(default)s)")
    add("--seed", type=int, help="of the faults' probabilities")
    add("--record-limit", type=int, help="records kept of each kind")
    add("--webhook-url", help="where webhooks are POSTed to")
    add("--app-secret", help="signs the webhooks")
    add("--access-token", dest="access_tokens", action="append", help="repeatable; without it any token is taken")
    add("--number", dest="numbers", action=_Number, metavar="PHONE_NUMBER_ID=DIGITS", help="repeatable; ours")
    add("--waba-id")
    add("--enforce-window", action="store_true", default=None, help="refuse replies after 24 hours (131047)")
    add("--enforce-limits", action="store_true", default=None, help="refuse what exceeds Meta's rates")
    add("--status-delays", type=_seconds, help="sent,delivered,read in seconds; - for never")
    add("--webhook-retry-delays", type=_seconds, help="seconds before each repetition, comma-separated")
    add("--webhook-timeout", type=float, help="seconds")
    add("--webhook-workers", type=int, help="webhooks under way at once")
    add("--gemini-key", dest="gemini_keys", action="append", help="repeatable; without it any key is taken")
    add("--gemini-latency", type=float, help="seconds an answer takes")
    add("--supabase-key", dest="supabase_keys", action="append", help="repeatable; without it any key is taken")
    add("--jwt-secret", help="of HS256 tokens")
    add("--signing", choices=("es256", "hs256"))
    return parser


class _Number(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, namespace: Any, values: Any, _option: Any = None) -> None:
        number_id, separator, digits = values.partition("=")
        if not separator or not number_id.isdecimal() or not digits.isdecimal():
            parser.error(f"--number takes PHONE_NUMBER_ID=DIGITS, not {values}")
        namespace.numbers = {**(namespace.numbers or {}), number_id: digits}


def _seconds(text: str) -> tuple[float | None, ...]:
    return tuple(None if part == "-" else float(part) for part in text.split(","))


if __name__ == "__main__":
    sys.exit(main())
