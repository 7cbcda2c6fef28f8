"""A chart shows what there is, be it a single point."""

import re

import pytest

from models.calibration import Calibration
from trainer.descent import Fitted
from trainer.report.charts import learning_chart


@pytest.mark.parametrize(("n_epochs", "points"), [(1, True), (2, False)])
def test_a_learning_curve_of_one_epoch_is_a_point(n_epochs: int, points: bool) -> None:
    fitted = Fitted((), Calibration(), 1, (0.6, 0.5)[:n_epochs], (0.7, 0.6)[:n_epochs])
    svg = learning_chart("simple", fitted).svg
    for curve in ("main", "muted"):
        assert bool(re.search(rf"<use[^>]*fill: var\(--chart-{curve}\)", svg)) == points
