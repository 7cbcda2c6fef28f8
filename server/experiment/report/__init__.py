"""What the experiment has shown: health first, then each arm, then each comparison, then a verdict.

Pure: data frames and counts in, values out. Drawing it is `terminal`'s and `page`'s business.
"""

from server.experiment.report.report import ExperimentReport, PhaseNotFoundError, make_report, phases

__all__ = ["ExperimentReport", "PhaseNotFoundError", "make_report", "phases"]
