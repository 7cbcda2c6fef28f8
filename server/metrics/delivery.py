"""Shows Prometheus what delivery has done, and how well the models foretold what then happened."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from prometheus_client.core import CounterMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.registry import Collector

from server.errors import StartError
from server.log.spool.counts import Count
from server.log.spool.rows import Kind
from server.log.spool.status import read_counts

_OF_MODELS = {
    "joined": (Count.JOINED, "Outcomes that were joined to their predictions."),
    "played_through": (Count.PLAYED_THROUGH, "Of the joined outcomes, those that were heard out."),
    "expected": (
        Count.EXPECTED,
        "Of the joined outcomes, the sum of the answered play-through probabilities.",
    ),
    "squared_error": (Count.SQUARED_ERROR, "Of the joined outcomes, the sum of the answers' squared errors."),
}


class DeliveryCollector(Collector):
    """Reads delivery's counts in the spool at each scrape."""

    def __init__(self, directory: Path) -> None:
        """Names the spool's folder."""
        self._directory = directory

    def collect(self) -> Iterator[Metric]:
        """Yields the metrics; none while the spool cannot be read."""
        try:
            counts = read_counts(self._directory)
        except StartError:
            return
        delivered = {kind.value: counts.get((Count.DELIVERED, kind), 0.0) for kind in Kind}
        yield _counter("delivered", "Records that MongoDB has got.", "kind", delivered)
        failures = {reason: counts.get((Count.FAILURES, reason), 0.0) for reason in ("unavailable", "error")}
        text = "Times that delivery could not go on: MongoDB did not answer, or something else."
        yield _counter("delivery_failures", text, "reason", failures)
        yield SummaryMetricFamily(
            "playthrough_delivery_lag_seconds",
            "Time from a logged prediction's request until MongoDB had it.",
            count_value=int(delivered[Kind.PREDICTION]),
            sum_value=counts.get((Count.LAG_S, ""), 0.0),
        )
        for name, (count, text) in _OF_MODELS.items():
            models = {model: number for (key, model), number in counts.items() if key == count}
            yield _counter(f"outcomes_{name}", text, "model", models)


def _counter(name: str, text: str, label: str, values: Mapping[str, float]) -> CounterMetricFamily:
    family = CounterMetricFamily(f"playthrough_{name}", text, labels=(label,))
    for value, number in values.items():
        family.add_metric([value], number)
    return family
