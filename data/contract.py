"""Holds a table to what its contract says of values: ranges, known values, formats, unique ids."""

from typing import Any

import numpy as np
import pandas as pd

from data.faults import MAX_EXAMPLES, FaultLog
from data.jsonl import RawTable
from data.schema import Column

_RULE_OF_CHECK = {
    "notin": "sentinel",
    "str_length": "empty",
    "isin": "not-allowed",
    "str_matches": "bad-format",
    "in_range": "out-of-range",
    "greater_than": "out-of-range",
    "greater_than_or_equal_to": "out-of-range",
}

VALUE_RULES = frozenset(_RULE_OF_CHECK.values())
"""Rules that a value of the right type may break."""


def hold_to_contract(table: RawTable, log: FaultLog) -> None:
    """Logs every value of a table that breaks a check of its column, and every id that comes again.

    Args:
        table: The table; what could not be used at all is null in it and passed over.
        log: Where the faults go.
    """
    for column in table.contract.columns.values():
        if column.checks or column.is_unique:
            _hold_column(column, typed(column, table.frame[column.name].dropna()), log)


def typed(column: Column, values: "pd.Series[Any]") -> "pd.Series[Any]":
    """Returns a column without nulls in the type that its contract declares."""
    plain = {"Int64": np.dtype("int64"), "boolean": np.dtype("bool")}.get(str(values.dtype))
    return values if plain is None else pd.Series(values.to_numpy(plain), values.index, name=values.name)


def _hold_column(column: Column, values: "pd.Series[Any]", log: FaultLog) -> None:
    for check in sorted(column.checks, key=lambda check: list(_RULE_OF_CHECK).index(str(check.name))):
        passed = check(values).check_output.to_numpy(dtype=bool)
        if not passed.all():
            problem = f"breaks the rule {check.error or check.name}"
            _log_values(_RULE_OF_CHECK[str(check.name)], column.name, values[~passed], problem, log)
            values = values[passed]  # a value breaks one rule, its gravest
    if column.is_unique:
        repeated = values[values.duplicated()]
        if len(repeated):
            _log_values("duplicate-id", column.name, repeated, "is there more than once", log)


def _log_values(rule: str, column: str, values: "pd.Series[Any]", problem: str, log: FaultLog) -> None:
    examples = values.head(MAX_EXAMPLES).tolist()
    log.add_lines(rule, values.index.tolist(), f"{examples[0]!r} {problem}", column, examples)
