"""What the experiment has shown: health first, then each arm, then each comparison, then a verdict.

Pure: data frames and counts in, values out. Drawing it is `terminal`'s and `page`'s business.
"""

from server.report.phases import Phase, PhaseNotFoundError, choose_phase
from server.report.report import ExperimentReport, make_report

__all__ = ["ExperimentReport", "Phase", "PhaseNotFoundError", "choose_phase", "make_report"]
