"""Two servers measured in turns, and what is measured of one."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from google.protobuf.message import Message
from rich import box
from rich.table import Table

from benchmarks.load import h2load
from benchmarks.load.servers import Running

SERVICE = "playthrough.v1.PredictionService/"


@dataclass(frozen=True, slots=True)
class Row:
    """Two servers, compared.

    Attributes:
        claim: What is compared.
        unit: Unit of both values.
        ours: Our median.
        other: The other's median.
        ratio: Median of ours / other over the pairs.
        lowest: Lowest ratio.
        highest: Highest ratio.
        pairs: How many pairs.
    """

    claim: str
    unit: str
    ours: float
    other: float
    ratio: float
    lowest: float
    highest: float
    pairs: int


def compare(claim: str, unit: str, ours: Callable[[], float], other: Callable[[], float], pairs: int) -> Row:
    """Measures two things in turns."""
    found = [(other(), ours()) for _ in range(pairs)]
    ratios = [mine / theirs for theirs, mine in found]
    return Row(
        claim,
        unit,
        statistics.median(mine for _, mine in found),
        statistics.median(theirs for theirs, _ in found),
        statistics.median(ratios),
        min(ratios),
        max(ratios),
        pairs,
    )


@dataclass(frozen=True, slots=True)
class Bench:
    """What all comparisons need: how long to measure, how often, and what to ask."""

    seconds: float
    pairs: int
    requests: dict[str, Message]
    connections: int = 1

    def rate(self, server: Running, name: str, in_flight: int) -> float:
        """Returns answered calls a second."""
        return self._load(server, name, in_flight, self.seconds).calls_per_s

    def rate_at_the_end(self, server: Running, name: str, in_flight: int, seconds: float) -> float:
        """Returns the same of the last third of a longer run."""
        timeline = self._load(server, name, in_flight, seconds).timeline
        begin_s = timeline[-1][0] - seconds / 3
        return sum(start_s > begin_s for start_s, _ in timeline) / (seconds / 3)

    def _load(self, server: Running, name: str, in_flight: int, seconds: float) -> h2load.Load:
        """Calls as often as is answered; no call may fail."""
        load = h2load.drive(
            server.address,
            SERVICE + name.partition(" ")[0],
            self.requests[name],
            in_flight=in_flight,
            seconds=seconds,
            connections=self.connections if in_flight > 1 else 1,
        )
        if load.failed or not load.calls:
            raise RuntimeError(f"{name}: {load.failed} calls failed, {load.calls} were answered")
        return load

    def cpu_us(self, server: Running, name: str, in_flight: int) -> float:
        """Returns processor time a call, in microseconds; contention distorts it less than a rate."""
        before = server.cpu_s()
        load = h2load.drive(
            server.address,
            SERVICE + name,
            self.requests[name],
            in_flight=in_flight,
            seconds=self.seconds,
            connections=self.connections,
        )
        return (server.cpu_s() - before) / (load.calls * (1 + 1 / self.seconds)) * 1e6

    def at_rate(self, server: Running, name: str, rate_per_s: int) -> h2load.Load:
        """Returns what an offered load met."""
        return h2load.drive(
            server.address,
            SERVICE + name,
            self.requests[name],
            in_flight=64,
            seconds=self.seconds,
            rate_per_s=rate_per_s,
        )


def as_table(rows: Sequence[Row]) -> Table:
    """Returns rows for a terminal."""
    table = Table(box=box.SIMPLE_HEAD, padding=0, pad_edge=False)
    for heading in ("", "ours", "other", "unit", "ratio", "lowest to highest"):
        table.add_column(heading, justify="left" if heading in ("", "unit") else "right")
    for row in rows:
        table.add_row(
            row.claim,
            f"{row.ours:,.1f}",
            f"{row.other:,.1f}",
            row.unit,
            f"{row.ratio:.2f}",
            f"{row.lowest:.2f} to {row.highest:.2f}",
        )
    return table
