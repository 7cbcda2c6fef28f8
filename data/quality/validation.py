"""Validates a folder: reads what can be read, and asks every rule."""

import hashlib
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from data.errors import DataError
from data.quality import catalogue_rules, event_rules  # noqa: F401  (both declare their rules)
from data.quality.findings import Example, FileReport, Finding, Report
from data.quality.rules import TABLE_RULES, TableRule, Tables
from data.reading.faults import FILE_RULES, MAX_EXAMPLES, OTHER_FIELDS, Severity
from data.reading.folder import is_missing, require_folder
from data.reading.table import RawTable, read_raw
from data.schema import DATASET_FILES, FileContract

_GRAVEST_FIRST = list(Severity)


def validate(directory: Path, progress: Callable[[str], None] = lambda step: None) -> Report:
    """Returns which rules the data set in a folder breaks.

    Args:
        directory: The folder.
        progress: Is called with the name of each step when it starts.

    Returns:
        The report; a file that is missing or cannot be read is among the findings.

    Raises:
        DataError: There is no such folder.
    """
    directory = Path(directory)
    require_folder(directory)
    findings: dict[str, list[Finding]] = {}
    rows: dict[str, int] = {}
    frames: dict[str, pd.DataFrame] = {}
    for contract in DATASET_FILES:
        progress(contract.file_name)
        table = _read(directory, contract)
        if isinstance(table, Finding):
            findings[contract.name], rows[contract.name] = [table], 0
            continue
        findings[contract.name], rows[contract.name] = _file_findings(table), table.n_rows
        if table.n_rows:
            frames[contract.name] = table.frame
    tables = Tables(frames)
    for rule in TABLE_RULES.values():
        if rule.needs <= frames.keys():
            progress(rule.name)
            findings[rule.table] += _table_findings(rule, tables)
    return Report({name: FileReport(rows[name], _sorted(found)) for name, found in findings.items()})


def _sorted(findings: list[Finding]) -> tuple[Finding, ...]:
    return tuple(sorted(findings, key=lambda finding: _GRAVEST_FIRST.index(finding.severity)))


def _read(directory: Path, contract: FileContract) -> RawTable | Finding:
    path = directory / contract.file_name
    if is_missing(path):
        return _of_file("missing-file")
    try:
        return read_raw(path, contract, hashlib.sha256(), note_strays=True)
    except DataError as error:
        return _of_file("unreadable-file", f": {error.problem}")


def _of_file(rule: str, detail: str = "") -> Finding:
    declared = FILE_RULES[rule]
    return Finding(rule, declared.severity, None, 1, (), declared.meaning + detail)


def _file_findings(table: RawTable) -> list[Finding]:
    findings = [] if table.n_rows else [_of_file("empty-file")]
    for (rule, column), group in table.log.groups.items():
        name, meaning = rule, FILE_RULES[rule].meaning
        if column == OTHER_FIELDS:
            meaning = f"{meaning}; {group.problem}"
        elif rule == "stray-field" and group.count == table.n_rows:
            name, meaning = "extra-column", FILE_RULES["extra-column"].meaning
        elif rule not in ("null", "stray-field", "crlf", "blank-line"):
            meaning = f"{meaning}; first: {group.problem}"
        examples = zip(group.lines, group.values, strict=False)
        findings.append(
            Finding(
                name,
                FILE_RULES[name].severity,
                column,
                group.count,
                tuple(Example(line, _plain(value)) for line, value in examples),
                meaning,
            )
        )
    return findings


def _table_findings(rule: TableRule, tables: Tables) -> list[Finding]:
    broken = rule.find(tables)
    if broken.values.empty:
        return []
    examples = tuple(
        Example(int(str(line)), _plain(value)) for line, value in broken.values.head(MAX_EXAMPLES).items()
    )
    count = len(broken.values) if broken.count is None else broken.count
    meaning = rule.meaning.removesuffix(".") + (f" ({broken.note})" if broken.note else "")
    return [Finding(rule.name, rule.severity, rule.column, count, examples, meaning)]


def _plain(value: Any) -> Any:
    """Returns a value that JSON can hold, without the megabytes that a broken line may bring."""
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):  # JSON has no such number
        return repr(value)
    text = value if isinstance(value, str) else repr(value)
    return value if len(text) <= 200 else f"{text[:199]}…"
