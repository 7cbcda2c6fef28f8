"""The report of the rules that a data set breaks."""

from dataclasses import dataclass
from typing import Any

from data.reading.faults import Severity


@dataclass(frozen=True)
class Example:
    """One place where a rule is broken: the line, from 1, and the value at fault there."""

    line: int
    value: Any


@dataclass(frozen=True)
class Finding:
    """One rule broken by one file.

    Attributes:
        rule: Name of the rule.
        severity: How much it matters.
        column: The column at fault; None when it is not one column's.
        count: How often: lines, or what the rule counts instead (names, sessions).
        examples: Up to three of the places.
        meaning: What the finding says, in words.
    """

    rule: str
    severity: Severity
    column: str | None
    count: int
    examples: tuple[Example, ...]
    meaning: str

    def as_json(self) -> dict[str, Any]:
        """Returns the finding as `--json` writes it."""
        return {
            "rule": self.rule,
            "severity": str(self.severity),
            "column": self.column,
            "count": self.count,
            "examples": [{"line": example.line, "value": example.value} for example in self.examples],
        }


@dataclass(frozen=True)
class FileReport:
    """What was found in one file.

    Attributes:
        rows: Lines that are not blank.
        findings: The gravest first.
    """

    rows: int
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Report:
    """What was found in a data set, by table name."""

    files: dict[str, FileReport]

    @property
    def ok(self) -> bool:
        """Returns whether no rule of severity `error` is broken."""
        return not self.count(Severity.ERROR)

    def count(self, severity: Severity) -> int:
        """Returns how many findings are of a severity."""
        return sum(
            finding.severity is severity for report in self.files.values() for finding in report.findings
        )

    def as_json(self) -> dict[str, Any]:
        """Returns the report as `--json` writes it."""
        return {
            "files": {
                name: {"rows": report.rows, "findings": [finding.as_json() for finding in report.findings]}
                for name, report in self.files.items()
            },
            "ok": self.ok,
        }
