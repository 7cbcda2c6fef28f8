"""A file to blocks of whole lines."""

import hashlib
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from data.errors import DataError, reason
from data.reading.faults import FaultLog

BLOCK_BYTES = 1 << 20
MAX_LINE_BYTES = 4 << 20
"""Longest line accepted, so that a file without line ends is not held in memory whole."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Block:
    """Whole lines of a file.

    Attributes:
        first_line: Number of the first, from 1.
        data: Their bytes; ends in a line feed even where the file does not.
        cut_off: The file ends in the last line, without a line feed.
    """

    first_line: int
    data: bytes
    cut_off: bool = False


def blocks(path: Path, log: FaultLog, hasher: "hashlib._Hash") -> Iterator[Block]:
    """Yields a file's lines in blocks of about `BLOCK_BYTES`, leaving out lines over `MAX_LINE_BYTES`.

    Args:
        path: The file.
        log: Is told of lines too long, of a byte order mark (which is left out) and of CR LF line ends.
        hasher: Is updated with the file's bytes.

    Yields:
        Blocks in file order.

    Raises:
        DataError: The file cannot be read.
    """
    rest, number, overlong, has_crlf = b"", 1, False, False
    for chunk in _chunks(path, log, hasher):
        end = chunk.find(b"\n")
        if not overlong and len(rest) + (len(chunk) if end < 0 else end) > MAX_LINE_BYTES:
            log.add("line-too-long", number, f"the line is longer than {MAX_LINE_BYTES >> 20} MiB")
            rest, overlong = b"", True
            yield Block(number, b"")  # strict reading need not wait for the line's end
        if overlong:
            if end < 0:
                continue
            chunk, number, overlong = chunk[end + 1 :], number + 1, False
        cut = chunk.rfind(b"\n") + 1
        if cut:
            data = rest + chunk[:cut]
            n_lines = data.count(b"\n")
            # A lone \r is looked for first: that is seventy times faster.
            if not has_crlf and b"\r" in data and (crlf := data.find(b"\r\n")) >= 0:
                has_crlf = True
                log.add("crlf", number + data.count(b"\n", 0, crlf), "lines end in CR LF")
            yield Block(number, data)
            rest, number = chunk[cut:], number + n_lines
        else:
            rest += chunk
    if rest:
        yield Block(number, rest + b"\n", cut_off=True)


def _chunks(path: Path, log: FaultLog, hasher: "hashlib._Hash") -> Iterator[bytes]:
    """Yields a file's bytes, without a byte order mark."""
    try:
        if not stat.S_ISREG(path.stat().st_mode) and not path.is_dir():
            raise OSError("a pipe or a device, not a file")  # it might never end, or never begin
        with path.open("rb") as file:
            first = True
            while chunk := file.read(BLOCK_BYTES):
                hasher.update(chunk)
                if first and chunk.startswith(_BYTE_ORDER_MARK):
                    log.add("byte-order-mark", 1, "begins with a byte order mark: save it as plain UTF-8")
                    chunk = chunk[len(_BYTE_ORDER_MARK) :]
                first = False
                yield chunk
    except OSError as error:
        raise DataError(path, None, None, reason(error)) from error
