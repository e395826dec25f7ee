"""Where the workers of one gunicorn keep their numbers, so that each can answer for all.

A new folder for every master: numbers of an earlier run would be counted as this one's. Nothing here may import
prometheus_client, which decides where it counts as soon as it is imported.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"  # the library's own
_PREFIX, _OWNER = "inbox-metrics-", "master"


def prepare(parent: str | None = None) -> None:
    """Make the folder and name it to the library, before any worker starts; gunicorn's reload finds it made.

    One that somebody else named is used as it is.
    """
    if VARIABLE not in os.environ:
        _remove_orphans(Path(parent or tempfile.gettempdir()))
        os.environ[VARIABLE] = tempfile.mkdtemp(prefix=_PREFIX, dir=parent)
        own()  # at once: a master that is killed while it starts must leave no folder that nobody may remove


def own() -> None:
    """This process is the master whose workers write there; after an upgrade in place (USR2) it is another one."""
    if (folder := _ours()) is not None:
        (folder / _OWNER).write_text(str(os.getpid()))


def remove() -> None:
    """The master ends: remove the folder, unless another master has taken it over."""
    folder = _ours()
    if folder is not None and (folder / _OWNER).read_text() == str(os.getpid()):
        shutil.rmtree(folder, ignore_errors=True)


def forget(pid: int) -> None:
    """A worker is gone, and what it held with it. What it has counted stays, or the sums would fall."""
    from prometheus_client.multiprocess import mark_process_dead

    mark_process_dead(pid)


def _ours() -> Path | None:
    folder = Path(os.environ.get(VARIABLE) or "/")
    return folder if folder.name.startswith(_PREFIX) and folder.is_dir() else None


def _remove_orphans(parent: Path) -> None:
    """Folders whose master was killed."""
    for owner in parent.glob(f"{_PREFIX}*/{_OWNER}"):
        try:
            os.kill(int(owner.read_text()), 0)
        except ProcessLookupError:
            shutil.rmtree(owner.parent, ignore_errors=True)
        except (OSError, ValueError):
            continue  # it lives as another user, or is being made
