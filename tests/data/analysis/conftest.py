"""The small data set and the report of its statistics, which takes seconds to draw: once for this folder."""

from pathlib import Path

import pytest

from data import read_dataset
from data.analysis.description import describe
from data.analysis.report import write_report
from data.analysis.statistics import Statistics


@pytest.fixture(scope="session")
def small_statistics(small_directory: Path) -> Statistics:
    """What the report shows."""
    return describe(read_dataset(small_directory))


@pytest.fixture(scope="session")
def small_report(small_statistics: Statistics, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the report, under a title that HTML has to escape."""
    out = tmp_path_factory.mktemp("report") / "out"
    write_report(small_statistics, out, title="small & <sweet>")
    return out
