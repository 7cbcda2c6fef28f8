"""Runs a command line on whatever standard output and standard error are: closed, full, or not UTF-8."""

import errno
import io
import os
import signal
import sys
from collections.abc import Callable

from data.errors import reason


def run(command_line: Callable[[], object]) -> None:
    """Runs a command line, and ends it without a traceback where its output has nowhere to go.

    A character that the output's encoding lacks is written as an escape. A reader that went away, as `head`
    does, ends the command silently; a full disk is one line on standard error. Both exit with 1. SIGTERM is
    an exit like any other, unless the command handles it itself, so that nothing half-written and no child
    process stays behind.

    Args:
        command_line: The command line; ends by returning or with `SystemExit`.

    Raises:
        SystemExit: As the command line raised it, or 1.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        try:
            command_line()
        finally:
            if sys.stdout is not None:  # None: the shell closed it with `>&-`
                sys.stdout.flush()
    except OSError as error:
        _abandon_output()
        if error.errno != errno.EPIPE:
            print(f"error: {error.filename or 'standard output'}: {reason(error)}", file=sys.stderr)
        raise SystemExit(1) from error


def _abandon_output() -> None:
    """Sends what is still buffered nowhere, for the interpreter flushes it once more as it ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
