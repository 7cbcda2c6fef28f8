"""Becomes another program that ends with the process that started it.

Run as a script: `python child.py PARENT_PID PROGRAM [ARGUMENT …]`. A `preexec_fn` would do the same between
fork and exec, where Python code is not safe in a process with threads, as a server is.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(parent_pid: int, command: list[str]) -> None:
    """Ties this process to its parent (on Linux), then runs the command in its place."""
    if sys.platform == "linux":
        # SIGTERM, not SIGKILL: the database gets to close its files.
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent_pid:  # it died before the tie was made
            return
    os.execv(command[0], command)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
