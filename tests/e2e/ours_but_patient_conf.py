"""gunicorn.conf.py, for tests in which nobody may be refused because the machine is busy."""

import runpy
from pathlib import Path

from inbox.server import shedding

globals().update(runpy.run_path(str(Path(__file__).parents[2] / "gunicorn.conf.py")))
shedding.PATIENCE = 10.0
shedding._PATIENCE.clear()
