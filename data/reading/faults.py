"""What can be wrong with one file of a data set, and the log that faults are written to."""

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Any

from data.errors import DataError

MAX_EXAMPLES = 3
MAX_FIELDS = 50
"""Most fields of one rule that the contract does not bound: a file may name another in every line."""
OTHER_FIELDS = "(other fields)"
FIELD_RULES = frozenset({"stray-field", "duplicate-key"})
"""Rules whose column is any name that a line holds; none of them says which rows to repair."""


class Severity(StrEnum):
    """How much a broken rule matters."""

    ERROR = "error"
    """Strict reading refuses the data set."""
    WARNING = "warning"
    """The data set can be read, and something in it is probably wrong."""
    INFO = "info"
    """Worth knowing, nothing to mend."""


@dataclass(frozen=True)
class Rule:
    """One thing that a data set is held to.

    Attributes:
        name: The rule's name in reports.
        severity: How much it matters when broken.
        meaning: What a finding of this rule says, in one sentence without a full stop.
    """

    name: str
    severity: Severity
    meaning: str


_DECLARED = (
    ("missing-file", Severity.ERROR, "No such file"),
    ("unreadable-file", Severity.ERROR, "The file cannot be opened or read"),
    ("empty-file", Severity.ERROR, "The file holds no row"),
    ("byte-order-mark", Severity.ERROR, "The file begins with a byte order mark: save it as plain UTF-8"),
    ("crlf", Severity.INFO, "Lines end in CR LF instead of LF; harmless"),
    ("blank-line", Severity.INFO, "Blank lines; harmless"),
    ("line-too-long", Severity.ERROR, "The line is longer than the longest accepted"),
    ("not-utf8", Severity.ERROR, "The line is not UTF-8 text"),
    ("not-json", Severity.ERROR, "The line is not JSON"),
    ("not-an-object", Severity.ERROR, "The line is JSON, but not an object"),
    ("duplicate-key", Severity.ERROR, "The line names a field more than once"),
    ("missing-field", Severity.ERROR, "The field is not in the line"),
    ("null", Severity.ERROR, "Null where a value is needed"),
    ("wrong-type", Severity.ERROR, "A value of another JSON type than the column's"),
    ("not-finite", Severity.ERROR, "NaN or Infinity, which JSON does not have, or a number beyond its range"),
    ("sentinel", Severity.ERROR, "A placeholder such as -1 where an id belongs"),
    ("bad-time", Severity.ERROR, "Not an ISO 8601 time"),
    ("empty", Severity.ERROR, "The empty string where an id belongs"),
    ("out-of-range", Severity.ERROR, "A number outside the column's range"),
    ("not-allowed", Severity.ERROR, "None of the column's known values"),
    ("bad-format", Severity.ERROR, "Text not written the way the column asks"),
    ("duplicate-id", Severity.ERROR, "An id that an earlier line has already"),
    ("stray-field", Severity.WARNING, "A field that the contract does not know, in some of the lines"),
    ("extra-column", Severity.INFO, "A field that the contract does not know, in every line; ignored"),
)  # fmt: skip
FILE_RULES = {name: Rule(name, severity, meaning) for name, severity, meaning in _DECLARED}
"""Rules that concern one file alone, by name."""


@dataclass
class FaultGroup:
    """The lines of one file at which one rule is broken in one column.

    Attributes:
        problem: What is wrong in the first, in words.
        count: How many there are.
        lines: Their numbers, from 1, in the order found; the first `MAX_EXAMPLES` alone where no value of the
            contract's columns is at fault: then nobody asks for more.
        values: The values at fault in the first `MAX_EXAMPLES` of them.
    """

    problem: str
    count: int = 0
    lines: "array[int]" = field(default_factory=lambda: array("q"))
    values: list[Any] = field(default_factory=list)


class FaultLog:
    """Collects the faults of one file, grouped by rule and column.

    What it keeps is bounded by the contract's columns, not by what a broken file brings: of fields that the
    contract does not know, the first `MAX_FIELDS` have their own group and `OTHER_FIELDS` counts the rest.
    """

    def __init__(self, path: Path) -> None:
        """Starts an empty log for the file at `path`."""
        self.path = path
        self.groups: dict[tuple[str, str | None], FaultGroup] = {}

    def add(self, rule: str, line: int, problem: str, column: str | None = None, value: Any = None) -> None:
        """Writes down one fault; `problem` says in words what is wrong with `value`."""
        self.add_lines(rule, [line], problem, column, [value])

    def add_lines(
        self, rule: str, lines: Sequence[int], problem: str, column: str | None, values: Iterable[Any]
    ) -> None:
        """Writes down one fault a line; only the first few values are kept, and the first problem."""
        if not lines:
            return
        if rule in FIELD_RULES and column is not None and not self.has_room(rule, column):
            column, problem = OTHER_FIELDS, f"more than {MAX_FIELDS} such fields"
        group = self.groups.setdefault((rule, column), FaultGroup(problem))
        group.values += islice(values, MAX_EXAMPLES - len(group.values))
        group.count += len(lines)
        keeps_all = column is not None and rule not in FIELD_RULES
        group.lines.extend(lines if keeps_all else lines[: max(0, MAX_EXAMPLES - len(group.lines))])

    def has_room(self, rule: str, column: str) -> bool:
        """Returns whether a field has a group of its own, or may still get one."""
        if (rule, column) in self.groups:
            return True
        return sum(of_rule == rule for of_rule, _ in self.groups) < MAX_FIELDS

    def raise_first(self) -> None:
        """Raises the first line's fault that strict reading does not accept, if there is one.

        Raises:
            DataError: There is one.
        """
        errors = [
            (group.lines[0], column, group.problem)
            for (rule, column), group in self.groups.items()
            if group.lines and FILE_RULES[rule].severity is Severity.ERROR
        ]
        for line, column, problem in sorted(errors, key=lambda error: error[0])[:1]:
            raise DataError(self.path, line, column, problem)
