"""What an experiment may be decided by."""

from enum import StrEnum


class Metric(StrEnum):
    """How well an arm predicts; declared before the first prediction, since a choice afterwards is none."""

    accuracy = "accuracy"
    brier = "brier"
    log_loss = "log_loss"


DEFAULT_METRIC = Metric.accuracy
"""Decides where nothing was declared, as in all that was logged before metrics were."""
