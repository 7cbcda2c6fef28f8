"""Runs the server's commands: `python -m server`."""

import os
import signal

if __name__ == "__main__":
    # Loading takes seconds, in which Ctrl-C would be a traceback from inside some library.
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    from data import terminal
    from server.cli import app

    terminal.run(app)
