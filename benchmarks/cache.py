"""What the advisor buys: the claims about the cache, measured on sessions that no model has seen."""

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.replays.material import Material, replayed, trained
from benchmarks.replays.scores import scores_in
from cache_client import CacheClientError, ScoreWeights
from cache_client.cli.skip_table import show_rankings
from cache_client.policies import TUNED, PolicyOptions, policies_named
from cache_client.simulator import World, recorded_sessions
from cache_client.simulator.link import LinkWorld
from cache_client.simulator.metrics import figures
from cache_client.simulator.simulation import replay_all
from data import DataError, generate, plays, read_dataset

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

BANDWIDTHS_MBIT = (0.5, 1.0, 2.0, 5.0, 20.0)
DEFAULT_MBIT = 2.0
RIVALS = (TUNED, "listener-rate", "next-n-full")
WEIGHTS = ScoreWeights()
TIMED_PLAYS = 100_000

Found = dict[str, Any]


@app.command(epilog="Example: python -m benchmarks.cache --data ../shared/data/v2 --models var/bench/models")
def cache(
    data: Annotated[Path, typer.Option(help="Folder of the data set.")],
    models: Annotated[
        Path | None,
        typer.Option(help="Registry of models trained with --split temporal.", show_default="trains"),
    ] = None,
    model: Annotated[str, typer.Option(help="Model to ask; empty for the default one.")] = "contextual",
    draws: Annotated[int, typer.Option(min=1, help="Draws of the link's dropouts to average over.")] = 8,
    only: Annotated[
        str | None, typer.Option(help="One part: data, sample (generated with another seed) or speed.")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the results as JSON.")
    ] = None,
) -> None:
    """Prints the figures that the README claims of the cache, with their intervals."""
    console, found = Console(), {}
    with TemporaryDirectory() as folder:
        parts: dict[str, Callable[[], Found]] = {
            "data": lambda: measure(data, models or trained(data, Path(folder) / "models"), model, draws),
            "sample": lambda: measure_sample(Path(folder), model, draws),
            "speed": lambda: time_replays(data),
        }
        if only is not None and only not in parts:
            raise typer.BadParameter(f"there are: {', '.join(parts)}", param_hint="--only")
        for part in [only] if only else parts:
            try:
                found[part] = parts[part]()
            except (CacheClientError, DataError) as error:
                print(f"error: {error}", file=sys.stderr)
                raise typer.Exit(1) from error
            if "links" in found[part]:
                console.print(links_table(part, found[part]))
            if json_file is not None:
                json_file.write_text(json.dumps(found, indent=2) + "\n")
    for promise, measured, met in goals(found):
        console.print(f"{'met    ' if met else 'NOT MET'} {promise}: {measured}", highlight=False)


def measure_sample(folder: Path, model: str, draws: int) -> Found:
    """Returns the figures on a generated data set."""
    sample = folder / "sample"
    generate(sample, seed=7)
    return measure(sample, trained(sample, folder / "sample-models"), model, draws)


def measure(data: Path, models: Path, model: str, draws: int) -> Found:
    """Returns the claims' figures on one data set, by bandwidth."""
    material = replayed(data, models, model)
    if material.skips is not None:
        show_rankings(material.skips)
    progress = track(BANDWIDTHS_MBIT, f"{data}", console=Console(stderr=True))
    return {
        "sessions": len(material.sessions),
        "plays": sum(len(it.plays) for it in material.sessions),
        "links": {f"{mbit:g}": _at(material, mbit, draws) for mbit in progress},
        "rankings within sessions": material.skips and asdict(material.skips),
    }


def _at(material: Material, mbit: float, draws: int) -> Found:
    """Returns the figures at one bandwidth, over several draws of its dropouts."""
    found = scores_in(material, World(link=LinkWorld(mbit * 1e6)), WEIGHTS, draws)
    pooled = {name: figures(it, WEIGHTS) for name, it in found.results.items()}
    advisor, full = pooled["advisor"], pooled["next-n-full"]
    leads = {rival: found.lead("advisor", rival) for rival in RIVALS}
    return {
        "constants": asdict(found.constants),
        "share of the oracle's gain, %": 100 * found.share_of_gain("advisor"),
        f"share of {TUNED}, %": 100 * found.share_of_gain(TUNED),
        "share of listener-rate, %": 100 * found.share_of_gain("listener-rate"),
        "wasted bytes against next-n-full, %": 100 * (advisor.wasted_bytes / full.wasted_bytes - 1),
        "p95 start, ms": advisor.startup_delay_p95_ms,
        "p95 start of next-n-full, ms": full.startup_delay_p95_ms,
        "score over": {rival: [lead, *interval] for rival, (lead, interval) in leads.items()},
        "scores": {name: float(it.mean()) for name, it in found.scores.items()},
    }


def time_replays(data: Path) -> Found:
    """Times plays under the advisor, in one process, with the sessions of the data set repeated."""
    dataset = read_dataset(data)
    once = recorded_sessions(plays(dataset), dataset.catalogue, holdout=1.0, continuation=10, seed=42)
    repeats = -(-TIMED_PLAYS // sum(len(it.plays) for it in once))
    sessions = [replace(it, session_id=f"{it.session_id}/{copy}") for copy in range(repeats) for it in once]
    started_s = time.perf_counter()
    replay_all(sessions, policies_named(["advisor"], PolicyOptions()), [()] * len(sessions), World())
    seconds, n = time.perf_counter() - started_s, sum(len(it.plays) for it in sessions)
    return {"plays": n, "seconds": seconds, "seconds a million": seconds / n * 1e6}


def links_table(name: str, found: Found) -> Table:
    """Returns a data set's figures, one row a bandwidth."""
    title = (
        f"{name}: {found['sessions']:,} sessions, {found['plays']:,} plays; the advisor's score over rivals"
    )
    table = Table(title=title, box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading in ("Mbit/s", "share of\ngain", *(f"over\n{it}" for it in RIVALS), "wasted", "p95\nms"):
        table.add_column(heading, justify="right")
    for mbit, link in found["links"].items():
        leads = [_interval(link["score over"][rival]) for rival in RIVALS]
        share, wasted = link["share of the oracle's gain, %"], link["wasted bytes against next-n-full, %"]
        table.add_row(mbit, f"{share:.1f} %", *leads, f"{wasted:+.1f} %", f"{link['p95 start, ms']:.0f}")
    return table


def goals(found: Mapping[str, Found]) -> Iterator[tuple[str, str, bool]]:
    """Yields (promise, what was measured, whether that keeps it) for the parts that ran.

    The promises for the given data are at 2 Mbit/s, those of signs for all data and bandwidths.
    """
    if "data" in found:
        link = found["data"]["links"][f"{DEFAULT_MBIT:g}"]
        share = link["share of the oracle's gain, %"]
        yield "advisor has 90 % of the oracle's gain", f"{share:.1f} %", share >= 90.0
        rival, lead = min(link["score over"].items(), key=lambda it: it[1][0])
        yield f"advisor is clear of the next best ({rival})", _interval(lead), lead[1] > 0
        wasted = link["wasted bytes against next-n-full, %"]
        yield "30 % fewer bytes wasted than by next-n-full", f"{wasted:+.1f} %", wasted <= -30.0
        p95, full = link["p95 start, ms"], link["p95 start of next-n-full, ms"]
        yield "p95 start no worse than its, and 265 ms at most", f"{p95:.0f} ms", p95 <= min(full, 265.0)
    links = [link for part in found.values() for link in part.get("links", {}).values()]
    if links:
        least = min(lead[0] for link in links for lead in link["score over"].values())
        yield "advisor is ahead everywhere", f"{least:+.2f} at least", least > 0
        more = max(link["wasted bytes against next-n-full, %"] for link in links)
        yield "fewer bytes wasted than by next-n-full everywhere", f"{more:+.1f} % at most", more < 0
    if "speed" in found:
        seconds = found["speed"]["seconds a million"]
        yield "a million plays in 10 minutes", f"{seconds:.0f} s", seconds < 600.0


def _interval(values: list[float]) -> str:
    middle, low, high = values
    return f"{middle:+.2f} ({low:+.2f} to {high:+.2f})"


if __name__ == "__main__":
    app()
