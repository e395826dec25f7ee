"""gunicorn settings as the floor's, for tests in which nobody may be refused because the machine is busy."""

from inbox.server import shedding
from tests.benchmarks.floor_conf import *  # noqa: F403 (settings, not names)

shedding.PATIENCE = 10.0
