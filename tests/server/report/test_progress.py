"""How far a report says that it is."""

from io import StringIO

from rich.console import Console

from server.report.progress import ReportProgress


def shown(console: Console, n: int) -> None:
    with ReportProgress(console) as progress:
        progress.reading(n)
        for _ in range(n // 5000):
            progress.advance(5000)
        progress.judging()


def test_where_the_output_is_no_terminal_a_long_reading_is_told_in_plain_lines() -> None:
    output = StringIO()
    shown(Console(file=output, force_terminal=False), 250_000)
    assert output.getvalue().splitlines() == [
        "read 100,000 of 250,000 predictions",
        "read 200,000 of 250,000 predictions",
        "judging the arms",
    ]


def test_a_short_reading_is_silent_there() -> None:
    output = StringIO()
    shown(Console(file=output, force_terminal=False), 20_000)
    assert output.getvalue() == ""


def test_a_terminal_shows_a_bar_with_the_count() -> None:
    output = StringIO()
    shown(Console(file=output, force_terminal=True, width=100), 20_000)
    assert "20,000 of 20,000" in output.getvalue()
    assert "judging the arms" in output.getvalue()
