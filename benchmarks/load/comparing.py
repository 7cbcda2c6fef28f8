"""Two servers measured in turns, and what is measured of one."""

import statistics
from collections.abc import Callable
from dataclasses import dataclass, replace

from google.protobuf.message import Message

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

    def __str__(self) -> str:
        """Returns the row for a terminal."""
        values = f"{self.ours:,.1f} to {self.other:,.1f} {self.unit}"
        return f"{self.claim}: {self.ratio:.2f} ({self.lowest:.2f} to {self.highest:.2f}; {values})"


@dataclass(frozen=True, slots=True)
class Bench:
    """What all comparisons need: how long to measure, how often, and what to ask."""

    seconds: float
    pairs: int
    requests: dict[str, Message]

    def compare(self, claim: str, unit: str, ours: Callable[[], float], other: Callable[[], float]) -> Row:
        """Measures two things in turns."""
        found = [(other(), ours()) for _ in range(self.pairs)]
        ratios = [mine / theirs for theirs, mine in found]
        return Row(
            claim,
            unit,
            statistics.median(mine for _, mine in found),
            statistics.median(theirs for theirs, _ in found),
            statistics.median(ratios),
            min(ratios),
            max(ratios),
            self.pairs,
        )

    def rate(self, server: Running, name: str, in_flight: int) -> float:
        """Returns answered calls a second."""
        return self.load(server, name, in_flight).calls_per_s

    def rate_at_the_end(self, server: Running, name: str, in_flight: int, seconds: float) -> float:
        """Returns the same of the last third of a longer run."""
        timeline = replace(self, seconds=seconds).load(server, name, in_flight).timeline
        begin_s = timeline[-1][0] - seconds / 3
        return sum(start_s > begin_s for start_s, _ in timeline) / (seconds / 3)

    def cpu_us(self, server: Running, name: str, in_flight: int) -> float:
        """Returns processor time a call, in microseconds; contention distorts it less than a rate."""
        before = server.cpu_s()
        load = self.load(server, name, in_flight)
        return (server.cpu_s() - before) / (load.calls * (1 + 1 / self.seconds)) * 1e6  # h2load's warm-up

    def at_rate(self, server: Running, name: str, rate_per_s: int) -> h2load.Load:
        """Returns what an offered load met; calls may fail."""
        return self._drive(server, name, 64, rate_per_s)

    def load(self, server: Running, name: str, in_flight: int) -> h2load.Load:
        """Returns what calling as often as is answered met.

        Raises:
            RuntimeError: When a call fails.
        """
        load = self._drive(server, name, in_flight)
        if load.failed or not load.calls:
            raise RuntimeError(f"{name}: {load.failed} calls failed, {load.calls} were answered")
        return load

    def _drive(
        self, server: Running, name: str, in_flight: int, rate_per_s: int | None = None
    ) -> h2load.Load:
        return h2load.drive(
            server.address,
            SERVICE + name.partition(" ")[0],
            self.requests[name].SerializeToString(),
            in_flight=in_flight,
            seconds=self.seconds,
            rate_per_s=rate_per_s,
        )
