"""gunicorn settings of the floor: those of gunicorn.conf.py without the hooks that only our application has."""

import runpy
from pathlib import Path

_ours = runpy.run_path(str(Path(__file__).parents[2] / "gunicorn.conf.py"))
globals().update({name: value for name, value in _ours.items() if not callable(value) and not name.startswith("_")})
on_reload = _ours["on_reload"]
