"""Calls that are logged: in a burst, for a minute and more, and what their delivery takes from the others."""

from collections.abc import Iterator
from dataclasses import replace

from benchmarks.load import calls_ended
from benchmarks.load.comparing import Row
from benchmarks.load.setup import Figure, Setup, compare_rates

_SUSTAINED_S = 60.0
# What so long a burst leaves in the spool keeps delivery busy for longer than one measurement takes.
_BURST_S = 20.0


def predict_random(setup: Setup) -> Iterator[Row | Figure]:
    """Compares logged predictions in a burst with the bare transport's unlogged ones."""
    bench = setup.bench
    with setup.floor() as floor, setup.ours() as ours:
        for in_flight in (1, 8, 64):
            yield compare_rates(bench, "PredictRandom", ours, floor, in_flight)


def sustained(setup: Setup) -> Iterator[Row | Figure]:
    """Compares calls that are logged for so long that delivery to MongoDB takes its full share."""
    bench, port = setup.bench, calls_ended.free_port()
    with setup.floor() as floor, setup.ours("--metrics-port", str(port)) as ours:

        def our_rate() -> float:
            rate = bench.rate_after(ours, "PredictRandom", 64, _SUSTAINED_S)
            ours.settle()
            return rate

        claim = f"PredictRandom, 64 in flight, after {_SUSTAINED_S:.0f} s, to the floor"
        yield bench.compare(claim, "calls/s", our_rate, lambda: bench.rate(floor, "Predict", 64))
        yield "failed PredictRandom calls", calls_ended.failed(port).total()


def beside_delivery(setup: Setup) -> Iterator[Row | Figure]:
    """Compares unlogged predictions while a burst is delivered to MongoDB with those of a quiet time."""
    bench, busy_cores = setup.bench, []
    with setup.ours() as ours:

        def beside() -> float:
            replace(bench, seconds=_BURST_S).load(ours, "PredictRandom", 64)
            before_s = ours.children_cpu_s()
            rate = bench.rate(ours, "Predict", 64)
            busy_cores.append((ours.children_cpu_s() - before_s) / (bench.seconds + 1))  # h2load's warm-up
            ours.settle()
            return rate

        claim = "Predict, 64 in flight, beside full delivery, to without"
        yield bench.compare(claim, "calls/s", beside, lambda: bench.rate(ours, "Predict", 64))
        yield "cores that delivery's processes kept busy meanwhile, at least", min(busy_cores)
