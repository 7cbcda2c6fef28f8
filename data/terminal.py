"""Runs a command line to an orderly end: after Ctrl-C or SIGTERM, and where its output is closed or full."""

import errno
import io
import os
import signal
import sys
from collections.abc import Callable
from typing import NoReturn

from data.errors import reason

INTERRUPTED = 130
"""The exit status that a shell reports after Ctrl-C."""


def run(command_line: Callable[[], object]) -> None:
    """Runs a command line, and ends it without a traceback where its output has nowhere to go.

    A character that the output's encoding lacks is written as an escape. A reader that went away, as `head`
    does, ends the command silently; a full disk is one line on standard error. Both exit with 1. SIGTERM is
    an exit like any other, unless the command handles it itself, so that nothing half-written and no child
    process stays behind. Ctrl-C is a `KeyboardInterrupt` within the command, and then the process's end: a
    `__main__` has a handler of its own until its modules are loaded.

    Args:
        command_line: The command line; ends by returning, with `SystemExit` or with `KeyboardInterrupt`.

    Raises:
        SystemExit: As the command line raised it, or 1.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        _run_and_flush(command_line)
    except OSError as error:
        _abandon_output()
        if error.errno != errno.EPIPE:
            print(f"error: {error.filename or 'standard output'}: {reason(error)}", file=sys.stderr)
        raise SystemExit(1) from error
    except KeyboardInterrupt:
        os._exit(INTERRUPTED)
    except SystemExit as end:
        if end.code == INTERRUPTED:  # typer makes one of Ctrl-C
            os._exit(INTERRUPTED)  # without waiting for threads that calculate, as the interpreter would
        raise


def end_now(status: int) -> NoReturn:
    """Ends the process with an exit status, without waiting for threads, as the interpreter would."""
    _flush()
    os._exit(status)


def _run_and_flush(command_line: Callable[[], object]) -> None:
    try:
        command_line()
    finally:
        _flush()


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:  # None: the shell closed it with `>&-`
            stream.flush()


def _abandon_output() -> None:
    """Sends what is still buffered nowhere, for the interpreter flushes it once more as it ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
