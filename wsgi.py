"""The entry point of gunicorn and of `flask --app wsgi`."""

import gc
import os
import sys

from inbox import create_app
from inbox.errors import ConfigError

# getaddrinfo takes no timeout: a silent name server would hold a thread for 10 s and more.
os.environ.setdefault("RES_OPTIONS", "timeout:1 attempts:2")

gc.disable()  # nothing that is loaded here is garbage: looking for it costs a seventh of a start
try:
    app = create_app()
except ConfigError as error:
    sys.stderr.write(f"inbox: {error}\n")
    raise SystemExit(3) from None  # gunicorn takes 3 as "cannot boot" and stops, instead of trying for ever
gc.freeze()  # nor will it be, so no later look need go through it
gc.enable()
gc.set_threshold(20_000, 10, 10)  # a batch makes rows by thousands: at 700 a busy worker looks for 6 % of its time
