"""Runs the data room's command line."""

import signal
import sys
from functools import partial

from data import terminal
from data.cli import app

# An exit like any other, so that nothing half-written stays behind.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
terminal.run(partial(app, prog_name="python -m data"))
