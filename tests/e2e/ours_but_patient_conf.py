"""gunicorn.conf.py, for tests in which nobody may be refused because the machine is busy."""

import runpy
from pathlib import Path

globals().update(runpy.run_path(str(Path(__file__).parents[2] / "gunicorn.conf.py")))

from inbox.server import shedding  # noqa: E402 (after the folder of the metrics is known)

shedding.PATIENCE = 10.0
shedding._PATIENCE.clear()
