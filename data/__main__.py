"""Runs the data room's command line."""

import signal
import sys

from data.cli import app

# An exit like any other, so that nothing half-written stays behind.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
app(prog_name="python -m data")
