"""Two servers measured in turns, and what is measured of one."""

import statistics
from collections.abc import Callable, Sequence
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


def row_of(claim: str, unit: str, found: Sequence[tuple[float, float]]) -> Row:
    """Returns the row of pairs of measurements, ours first."""
    ratios = [mine / theirs for mine, theirs in found]
    return Row(
        claim,
        unit,
        statistics.median(mine for mine, _ in found),
        statistics.median(theirs for _, theirs in found),
        statistics.median(ratios),
        min(ratios),
        max(ratios),
        len(found),
    )


@dataclass(frozen=True, slots=True)
class Bench:
    """What all comparisons need.

    Attributes:
        seconds: Length of one measurement, in seconds.
        pairs: How many pairs a ratio is the median of.
        requests: What is asked, by method and variant.
        progress: Called with what is measured next.
    """

    seconds: float
    pairs: int
    requests: dict[str, Message]
    progress: Callable[[str], None]

    def compare(self, claim: str, unit: str, ours: Callable[[], float], other: Callable[[], float]) -> Row:
        """Measures two things in turns."""
        found = []
        for number in range(1, self.pairs + 1):
            self.progress(f"{claim}: pair {number} of {self.pairs}")
            theirs = other()
            found.append((ours(), theirs))
        return row_of(claim, unit, found)

    def rate(self, server: Running, name: str, in_flight: int) -> float:
        """Returns answered calls a second."""
        return self.load(server, name, in_flight).calls_per_s

    def rate_after(self, server: Running, name: str, in_flight: int, after_s: float) -> float:
        """Returns the same once it has been called as often as is answered for so many seconds."""
        timeline = replace(self, seconds=after_s + self.seconds).load(server, name, in_flight).timeline
        begin_s = timeline[-1][0] - self.seconds
        return sum(start_s > begin_s for start_s, _ in timeline) / self.seconds

    def cpu_us(self, server: Running, name: str, in_flight: int) -> float:
        """Returns processor time a call, in microseconds; contention distorts it less than a rate."""
        before = server.cpu_s()
        load = self.load(server, name, in_flight)
        return (server.cpu_s() - before) / (load.calls * (1 + 1 / self.seconds)) * 1e6  # h2load's warm-up

    def at_rate(self, server: Running, name: str, rate_per_s: int) -> h2load.Load:
        """Returns what an offered load met; calls may fail."""
        return self._drive(server, name, 64, rate_per_s)

    def load(self, server: Running, name: str, in_flight: int, connections: int = 1) -> h2load.Load:
        """Returns what calling as often as is answered met.

        Raises:
            RuntimeError: When a call fails.
        """
        load = self._drive(server, name, in_flight, connections=connections)
        if load.failed or not load.calls:
            raise RuntimeError(f"{name}: {load.failed} calls failed, {load.calls} were answered")
        return load

    def _drive(
        self,
        server: Running,
        name: str,
        in_flight: int,
        rate_per_s: int | None = None,
        connections: int = 1,
    ) -> h2load.Load:
        return h2load.drive(
            server.address,
            SERVICE + name.partition(" ")[0],
            self.requests[name].SerializeToString(),
            in_flight=in_flight,
            seconds=self.seconds,
            rate_per_s=rate_per_s,
            connections=connections,
            scheme=server.scheme,
            headers=server.headers,
        )
