"""What is in a data set: statistics, figures and a report of one page."""

from data.analysis.contents import FIGURE_NAMES
from data.analysis.description import DESCRIPTION_STEPS, describe
from data.analysis.report import require_replaceable, write_json, write_report
from data.analysis.statistics import Statistics

STEPS = DESCRIPTION_STEPS + len(FIGURE_NAMES)
"""How many steps `describe` and `write_report` announce together."""

__all__ = ["STEPS", "Statistics", "describe", "require_replaceable", "write_json", "write_report"]
