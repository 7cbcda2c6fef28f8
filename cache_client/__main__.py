"""Runs the client's commands: `python -m cache_client`."""

import os
import signal
from functools import partial

if __name__ == "__main__":
    # Loading takes seconds, in which Ctrl-C would be a traceback from inside some library.
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    from cache_client.cli import app
    from data import terminal

    terminal.run(partial(app, prog_name="python -m cache_client"))
