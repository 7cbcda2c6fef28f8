"""Shows a report: as a table in the terminal, and as JSON."""

import json
from collections.abc import Iterator
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from data.atomic_write import atomic_file
from data.errors import printable
from data.quality.findings import Finding, Report
from data.reading.faults import Severity

_STYLE = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.INFO: "dim"}
_LONGEST_VALUE = 24
_HEADINGS = ("file", "column", "rule", "severity", "count", "line: value")


def print_report(report: Report, console: Console) -> None:
    """Prints one row a finding, what each broken rule means, and a line that sums up."""
    rows = [
        (_STYLE[finding.severity], _cells(name, finding))
        for name, file in report.files.items()
        for finding in file.findings
    ]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for i, heading in enumerate(_HEADINGS):
        # Only the last column, the examples, gives way in a narrow terminal.
        width = max((len(cells[i]) for _, cells in rows), default=0) if heading != _HEADINGS[-1] else 0
        table.add_column(heading, no_wrap=True, min_width=max(width, len(heading)))
    for style, cells in rows:
        table.add_row(*(Text(cell, style) for cell in cells))
    if rows:
        console.print(table)
    for line in (*_meanings(report), _summary(report)):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _meanings(report: Report) -> Iterator[str]:
    for name, file in report.files.items():
        for finding in file.findings:
            place = f"{name}.{finding.column}" if finding.column else name
            yield printable(f"{place} {finding.rule}: {finding.meaning}")


def _cells(name: str, finding: Finding) -> tuple[str, ...]:
    examples = ", ".join(f"{example.line}: {_shown(example.value)}" for example in finding.examples)
    return (
        name,
        printable(finding.column or ""),
        finding.rule,
        str(finding.severity),
        f"{finding.count:,}",
        printable(examples),
    )


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"


def _summary(report: Report) -> str:
    rows = ", ".join(f"{name} {file.rows:,}" for name, file in report.files.items())
    counts = ", ".join(f"{severity} {report.count(severity)}" for severity in Severity)
    return f"{'ok' if report.ok else 'NOT OK'}, rules broken: {counts}; rows: {rows}"


def write_json(report: Report, path: Path, console: Console) -> None:
    """Writes the report as JSON; `-` is the console, and a file is either whole or as it was.

    Raises:
        DataError: The file cannot be written.
    """
    text = json.dumps(report.as_json(), indent=2, allow_nan=False) + "\n"
    if str(path) == "-":
        console.file.write(text)
        return
    with atomic_file(path) as fresh:
        fresh.write_text(text, encoding="utf-8")
