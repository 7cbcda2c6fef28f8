"""Runs the room's commands: `python -m server`."""

import os
import signal

if __name__ == "__main__":
    # Loading takes seconds, in which Ctrl-C would be a traceback from inside some library.
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    from data import interrupts
    from server.cli import app

    interrupts.run(app)
