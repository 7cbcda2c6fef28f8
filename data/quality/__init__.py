"""What is wrong with a data set: rules, and the report of those that it breaks."""

from data.quality.findings import FileReport, Finding, Report
from data.quality.validation import validate

__all__ = ["FileReport", "Finding", "Report", "validate"]
