"""Recorded links as files hold them."""

from pathlib import Path

import pytest

from cache_client.laboratory_errors import UsageError
from cache_client.simulator.link import LinkTrace
from cache_client.simulator.link_traces import read_link_trace


def read(tmp_path: Path, text: str) -> LinkTrace:
    file = tmp_path / "trace"
    file.write_text(text)
    return read_link_trace(file)


def test_seconds_and_mbit_hold_until_the_next_line_and_the_last_as_long_as_the_one_before(
    tmp_path: Path,
) -> None:
    trace = read(tmp_path, "# s Mbit/s\n0 8\n2 0\n\n5, 4\n")
    assert trace.duration_s == 8.0
    assert [trace.piece(at_s)[0] for at_s in (0.0, 1.9, 2.1, 4.9, 5.1, 7.9)] == [
        1e6, 1e6, 0.0, 0.0, 5e5, 5e5,
    ]  # fmt: skip
    assert trace.mean_bytes_per_s == pytest.approx((2 * 1e6 + 3 * 5e5) / 8)


def test_packet_times_count_1500_bytes_each(tmp_path: Path) -> None:
    # Two packets in the first half second, none in the second, four in the third.
    trace = read(tmp_path, "0\n499\n1000\n1000\n1000\n1499\n")
    assert [trace.piece(at_s)[0] for at_s in (0.1, 0.7, 1.2)] == [6_000.0, 0.0, 12_000.0]
    assert trace.duration_s == 1.5


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "lines of one number"),
        ("0 1 2\n", "lines of one number"),
        ("0 1\n5\n", "lines of one number"),
        ("0 one\n", "no link trace"),
        ("0 8\n", "two lines"),
        ("5 1\n0 1\n", "do not rise"),
        ("3 1\n3 1\n", "do not rise"),
        ("0 -1\n1 1\n", "negative or not finite"),
        ("0 inf\n1 1\n", "negative or not finite"),
        ("0 0\n1 0\n", "carries nothing"),
        ("0\n1700000000000\n", "longer than a week"),
        ("0 1\n1e300 1\n", "longer than a week"),
        ("0 5\n1e-7 0\n2e-7 5\n", "less than a millisecond"),
    ],
)
def test_what_is_no_trace_is_said_in_a_line(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        read(tmp_path, text)


def test_a_file_that_is_not_there_or_is_no_text_is_said_in_a_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read"):
        read_link_trace(tmp_path / "none")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="no link trace"):
        read_link_trace(tmp_path / "bytes")
