"""Files that are followed while the server runs: read again when they change, and never for the worse."""

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Generic, TypeVar

import structlog

from server.errors import StartError
from server.polling import file_stamp

Value = TypeVar("Value")

_log = structlog.get_logger("server.access")


class Followed(Generic[Value]):
    """What some files say. What is wrong, missing or half written changes nothing, and is logged once.

    Refused files are read again at each look, changed or not: they may become good by themselves, as when
    a certificate's time comes, access is granted or a file appears that one of them names.
    """

    def __init__(
        self, what: str, read: Callable[[], Value], files: Callable[[Value], Iterable[Path]]
    ) -> None:
        """Reads the files.

        Args:
            what: What they are, in the log.
            read: Reads them; a value equal to the one before is no change.
            files: Returns which files a value comes from.

        Raises:
            StartError: What they say cannot be used.
        """
        self._what = what
        self._read = read
        self._files = files
        self._seen: object = None
        self._refused: str | None = None
        self.value = read()

    async def look(self) -> None:
        """Takes over what the files say now, if they have changed and can be used."""
        stamps = await asyncio.to_thread(lambda: [file_stamp(file) for file in self._files(self.value)])
        if stamps == self._seen and self._refused is None:
            return
        self._seen = stamps
        try:
            value = await asyncio.to_thread(self._read)
        except StartError as error:
            if self._refused != str(error):
                self._refused = str(error)
                _log.error("files_refused", files=self._what, reason=str(error), kept="what they said before")
            return
        if value != self.value or self._refused is not None:
            _log.info("files_read", files=self._what)
        self._refused = None
        if value != self.value:
            self.value = value
