"""The rankings within sessions, as the terminal shows them."""

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from cache_client.replay.skip_estimate import MODEL, SkipEstimate
from cache_client.simulator.metrics import Interval

_TITLE = "What remains when the lower half of each session's queue is dropped,\nranked within the session"
_RIVAL = "shortest first"


def show_rankings(estimate: SkipEstimate) -> None:
    """Prints each ranking's skips relative to any half of the sessions, and the model's lead."""
    counts = f"{estimate.sessions:,} sessions, {estimate.listeners:,} listeners"
    table = Table(title=f"{_TITLE} ({counts})", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("ranking", no_wrap=True)
    for heading in ("skips a play", "skips a minute heard"):
        table.add_column(f"{heading}, %", justify="right")
    for name, it in estimate.rankings.items():
        a_minute = _percent(-it.reduction_per_minute, _turned(it.reduction_per_minute_ci95))
        table.add_row(name, _percent(-it.reduction, _turned(it.reduction_ci95)), a_minute)
    console = Console()
    console.print(table)
    rival = estimate.rankings[_RIVAL]
    lead = _percent(rival.model_lead, rival.model_lead_ci95)
    console.print(f"{MODEL} over {_RIVAL}: {lead} points; an estimate, not a test: see docs/cache.md")


def _turned(interval: Interval) -> Interval:
    """Returns the interval of a change from that of the reduction."""
    return -interval[1], -interval[0]


def _percent(value: float, interval: Interval) -> str:
    low, high = interval
    return f"{100 * value:+z.1f} ({100 * low:+z.1f} to {100 * high:+z.1f})"
