"""The entry point of gunicorn and of `flask --app wsgi`."""

import sys

from inbox import create_app
from inbox.errors import ConfigError

try:
    app = create_app()
except ConfigError as error:
    sys.stderr.write(f"inbox: {error}\n")
    raise SystemExit(3) from None  # gunicorn takes 3 as "cannot boot" and stops, instead of trying for ever
