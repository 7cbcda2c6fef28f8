"""Runs the data package's command line."""

import os
import signal
from functools import partial

if __name__ == "__main__":
    # Loading takes seconds, in which Ctrl-C would be a traceback from inside some library.
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    from data import terminal
    from data.cli import app

    terminal.run(partial(app, prog_name="python -m data"))
