"""Whose turn it is to write the spool file: a lock of the system, which frees itself when its holder ends.

A process that stops while it has the lock would stop all others. Delivery may be ended then: it is started
again and repeats its batch. It is known by its pid, which it keeps in its own lock file, and in this one
while it has the lock.
"""

import fcntl
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

import structlog

DELIVERY_LOCK_NAME = "delivery.lock"
"""Held in the spool's folder by the process that delivers it, with its pid."""

_STALLED_AFTER_S = 3.0
# SQLite's own lock is polled for with growing pauses, which took five times as long at the 99th percentile.
_POLL_S = 0.0005

_log = structlog.get_logger("server.log.spool.turn")


class Turn:
    """The lock beside a spool file. Belongs to one thread at a time."""

    def __init__(self, path: Path, *, expendable: bool) -> None:
        """Opens the lock file, or creates it.

        Args:
            path: The lock file.
            expendable: Whether another process may end this one when it stops while it has the lock.

        Raises:
            OSError: When it cannot be opened.
        """
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        self._delivery_lock = path.with_name(DELIVERY_LOCK_NAME)
        self._expendable = expendable

    def take(self) -> None:
        """Waits for the lock; ends a delivery process that keeps it for far too long.

        Raises:
            OSError: When the disk does not take a pid; the lock is free then.
        """
        deadline = time.monotonic() + _STALLED_AFTER_S
        while True:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    self._end_stalled_delivery()
                    deadline += _STALLED_AFTER_S
                time.sleep(_POLL_S)
        if self._expendable:
            try:
                os.pwrite(self._file, str(os.getpid()).encode(), 0)
            except OSError:
                self.give_back()
                raise

    def give_back(self) -> None:
        """Frees the lock."""
        if self._expendable:
            os.ftruncate(self._file, 0)
        fcntl.flock(self._file, fcntl.LOCK_UN)

    def close(self) -> None:
        """Closes the lock file."""
        os.close(self._file)

    def _end_stalled_delivery(self) -> None:
        """Kills delivery where it is what has the lock; a pid that an ended one has left is nobody's."""
        holder, delivery = os.pread(self._file, 20, 0).decode(), delivery_pid(self._delivery_lock)
        if not holder.isdecimal() or int(holder) != delivery:
            return
        if not _has_open(delivery, self._delivery_lock):
            _log.error("stalled_delivery_not_killed", pid=delivery, reason="it is in another pid namespace")
            return
        try:
            os.kill(delivery, signal.SIGKILL)
        except OSError as error:
            _log.error("stalled_delivery_not_killed", pid=delivery, reason=str(error))
        else:
            _log.error("stalled_delivery_killed", pid=delivery, after_s=_STALLED_AFTER_S)


def delivery_pid(lock: Path) -> int | None:
    """Returns the pid of the delivery that holds its lock file; 0 where it told none, None without one."""
    try:
        with lock.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                told = file.read(20).strip()
                return int(told) if told.isdigit() else 0
    except OSError:
        pass
    return None


def _has_open(pid: int, path: Path) -> bool:
    """Returns whether a process of this system has a file open; True where the system does not tell.

    In another container the same pid is another process, and the lock file may be shared with it.
    """
    if sys.platform != "linux":
        return True
    try:
        opened = list(Path(f"/proc/{pid}/fd").iterdir())
    except OSError:  # there is none here, or it is another user's
        return False
    for each in opened:
        with suppress(OSError):  # closed meanwhile
            if each.samefile(path):
                return True
    return False
