"""The one error that the data package raises for input it cannot use."""

from pathlib import Path


def printable(text: str) -> str:
    """Returns a text with what a terminal must not be sent (controls, half characters) written as escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def reason(error: OSError) -> str:
    """Returns why the system refused something, for the middle of a sentence."""
    return (error.strerror or str(error)).lower()


class DataError(Exception):
    """What is wrong with a data set, and where, in one line.

    Attributes:
        path: File or folder at fault.
        line: Line number in the file, counted from 1; None when the fault has no line.
        column: Field at fault; None when the fault is not one field's.
        problem: What is wrong, without the place.
    """

    def __init__(self, path: Path, line: int | None, column: str | None, problem: str) -> None:
        """Stores place and problem apart, for callers that show them their own way."""
        super().__init__(path, line, column, problem)
        self.path = path
        self.line = line
        self.column = column
        self.problem = problem

    def __str__(self) -> str:
        """Returns `path:line: column 'name': problem`, leaving out what is unknown."""
        place = str(self.path) if self.line is None else f"{self.path}:{self.line}"
        column = "" if self.column is None else f"column '{self.column}': "
        # File names and quoted values come from outside: whatever they hold, the message stays one line.
        return printable(" ".join(f"{place}: {column}{self.problem}".splitlines()))
