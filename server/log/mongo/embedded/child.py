"""Becomes another program that ends with its parent process, and of which a folder has one at a time.

Run as a script: `python child.py PARENT_PID PID_FILE PROGRAM [ARGUMENT …]`. A `preexec_fn` would do the same
between fork and exec, where Python code is not safe in a process with threads, as a server is.
"""

import ctypes
import fcntl
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(parent_pid: int, pid_file: str, command: list[str]) -> None:
    """Ties this process to its parent (on Linux), waits for its predecessor, then runs the command."""
    if sys.platform == "linux":
        # SIGKILL, since the database hangs for good on a SIGTERM that comes while it starts. It loses
        # nothing: it syncs each commit, and repairs its files at the next start.
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent_pid:  # it died before the tie was made
            return
    # The lock passes to the program and lasts as long as it runs, so that a predecessor that is still
    # closing its files is waited for.
    lock = os.open(pid_file, os.O_RDWR | os.O_CREAT, 0o644)
    os.set_inheritable(lock, True)
    fcntl.flock(lock, fcntl.LOCK_EX)
    os.ftruncate(lock, 0)
    os.write(lock, str(os.getpid()).encode())
    os.execv(command[0], command)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3:])
