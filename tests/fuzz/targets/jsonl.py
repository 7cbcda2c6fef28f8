"""Lines of a data set's file: every fault has a line and one line of words, and all ways to read agree.

An input's first byte says which file, the others are its content. Reading the whole folder takes a thousand
times as long as the lines alone: it is done with one of a few hundred inputs, and with all of the corpus.
"""

import json
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import structs

from data import DataError, read_dataset
from data.quality import validate
from data.reading.blocks import Block
from data.reading.faults import FILE_RULES, FaultLog
from data.reading.lines import LineReader
from data.schema import DATASET_FILES, FileContract
from tests.data.clean import as_line, clean_records
from tests.fuzz.one_line import check_refusal

MODULES = ("data.reading", "data.value_rules")

_WHOLE_EVERY = 512


def seeds() -> dict[str, bytes]:
    """Returns the files of a tiny data set without a fault."""
    return {f"clean-{it.name}": bytes([n]) + _clean()[it.file_name] for n, it in enumerate(DATASET_FILES)}


@contextmanager
def opened(folder: Path, whole_every: int = _WHOLE_EVERY) -> Iterator[Callable[[bytes], None]]:
    """Yields what takes an input, and raises for a finding; it writes below a folder."""
    clean = _clean()

    def check(content: bytes) -> None:
        contract = DATASET_FILES[content[0] % len(DATASET_FILES)] if content else DATASET_FILES[0]
        _check_lines(contract, content[1:])
        if zlib.crc32(content) % whole_every == 0:
            for name, text in (clean | {contract.file_name: content[1:]}).items():
                (folder / name).write_bytes(text)
            _check_folder(folder)

    yield check


def _check_lines(contract: FileContract, content: bytes) -> None:
    """Reads lines at once and one by one: the same rows, the same faults."""
    text = content if content.endswith(b"\n") else content + b"\n"
    at_once = _read(contract, [Block(1, text, cut_off=text is not content)])
    lines = [line + b"\n" for line in text.split(b"\n")[:-1]]
    first = next((n for n, line in enumerate(lines) if line.strip()), 0)
    # The first line that is not blank names the fields that are known to be strays.
    later = [Block(number, line) for number, line in enumerate(lines, 1)][first + 1 :]
    apart = [Block(1, b"".join(lines[: first + 1])), *later]
    one_by_one = _read(contract, apart)
    assert at_once[0] == one_by_one[0]
    assert at_once[1].groups.keys() == one_by_one[1].groups.keys()
    try:
        at_once[1].raise_first()
    except DataError as error:
        check_refusal(error)


def _read(contract: FileContract, blocks: list[Block]) -> tuple[list[tuple[int, object]], FaultLog]:
    log = FaultLog(Path("file"))
    reader = LineReader(contract, log, note_strays=True)
    rows: list[tuple[int, object]] = []
    for block in blocks:
        lines, read = reader.read(block)
        rows += zip(lines, (structs.astuple(row) for row in read), strict=True)
    assert reader.n_rows >= len(rows)
    assert all(rule in FILE_RULES for rule, _ in log.groups)
    return rows, log


def _check_folder(folder: Path) -> None:
    report = validate(folder)
    json.dumps(report.as_json(), allow_nan=False)
    try:
        read_dataset(folder)
        refused = None
    except DataError as error:
        refused = str(error)
    assert report.ok == (refused is None), refused
    assert refused is None or len(refused.splitlines()) == 1
    try:
        repaired = read_dataset(folder, lenient=True)
    except DataError:
        assert not report.ok
    else:
        assert bool(repaired.repairs) == (not report.ok)


def _clean() -> dict[str, bytes]:
    records = clean_records()
    return {
        contract.file_name: b"".join(as_line(it) + b"\n" for it in records[contract.name])
        for contract in DATASET_FILES
    }
