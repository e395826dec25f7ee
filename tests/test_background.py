"""Threads beside requests: one at a time, again after they have ended, and anew in a forked child."""

from __future__ import annotations

import os
import threading

from inbox.background import Background
from tests.waiting import wait_until


def test_many_callers_start_one_thread() -> None:
    runs, done = [], threading.Event()
    background = Background("test", lambda: (runs.append(1), done.wait(10)))
    callers = [threading.Thread(target=background.start) for _ in range(10)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(10)
    assert (len(runs), background.is_running()) == (1, True)
    done.set()
    background.join(10)
    assert not background.is_running()


def test_it_starts_again_after_it_has_ended() -> None:
    runs: list[int] = []
    background = Background("test", lambda: runs.append(1))
    for _ in range(2):
        background.start().join(10)
    assert len(runs) == 2


def test_a_thread_that_retires_makes_room_for_the_next_one_at_once() -> None:
    runs, retired, end = [], threading.Event(), threading.Event()

    def run() -> None:
        runs.append(1)
        background.retire()
        retired.set()
        end.wait(10)  # not quite ended yet

    background = Background("test", run)
    first = background.start()
    assert retired.wait(10)
    second = background.start()
    wait_until(lambda: len(runs) == 2, "the second one to run")
    end.set()
    for thread in (first, second):
        thread.join(10)


def test_a_forked_child_starts_its_own() -> None:
    done = threading.Event()
    background = Background("test", lambda: done.wait(10))
    background.start()
    child = os.fork()
    if child == 0:
        before = background.is_running()
        background.start()
        os._exit(0 if not before and background.is_running() else 1)
    done.set()
    background.join(10)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
