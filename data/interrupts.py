"""Ctrl-C: ends a command at once, with the exit status of an interrupted one and without a traceback."""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable

from data import terminal

INTERRUPTED = 130
"""The exit status that a shell reports after Ctrl-C."""


def run(command_line: Callable[[], object]) -> None:
    """Runs a command line as `terminal.run` does, with Ctrl-C as a `KeyboardInterrupt` within it.

    A `__main__` calls it once its modules are loaded; until then its own handler ends the process.

    Args:
        command_line: The command line; ends by returning, with `SystemExit` or with `KeyboardInterrupt`.

    Raises:
        SystemExit: As `terminal.run` raises it.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        terminal.run(command_line)
    except KeyboardInterrupt:
        _end()
    except SystemExit as end:
        if end.code == INTERRUPTED:
            _end()
        raise


def _end() -> None:
    """Ends the process without waiting for threads that calculate, as the interpreter would."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and not stream.closed:
            stream.flush()
    for child in multiprocessing.active_children():
        child.terminate()
    os._exit(INTERRUPTED)
