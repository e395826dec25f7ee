"""A process that uses the session, forks, and goes on using it in the parent and in its children at once.

Run with the address of a Gemini that repeats what it is told. Every answer must be the one to its own question; how
many were not is printed.
"""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from inbox.resilience import GEMINI
from tests.faults.calls import SHORT, ask

CHILDREN, THREADS, CALLS = 3, 3, 60  # calls of each process


def mixed_up(url: str, who: str, threads: int) -> int:
    """Make the calls; how many got another answer than theirs."""
    questions = [f"{who} {number}" for number in range(CALLS)]
    with ThreadPoolExecutor(threads) as pool:
        return sum(outcome.text != question for question, outcome in pool.map(lambda q: (q, ask(url, q)), questions))


def main(url: str) -> None:
    GEMINI.configure(replace(SHORT["gemini"], total=20.0, read=10.0, attempts=1), retries=False, breaker=False)
    wrong = int(ask(url, "parent before").text != "parent before")
    children = []
    for number in range(CHILDREN):
        child = os.fork()
        if not child:
            os._exit(mixed_up(url, f"child {number}", THREADS))
        children.append(child)
    wrong += mixed_up(url, "parent", 1)
    wrong += sum(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children)
    wrong += int(ask(url, "parent after").text != "parent after")
    print(wrong)


if __name__ == "__main__":
    main(sys.argv[1])
