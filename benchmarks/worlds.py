"""Does the advisor lose anywhere? It and two constants, tuned anew for each world, over a grid of worlds."""

import json
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console

from benchmarks.replays.material import Material, replayed, trained
from benchmarks.replays.scores import scores_in
from cache_client.policies import TUNED
from cache_client.prefetch.delivery import Delivery
from cache_client.prefetch.score import ScoreWeights
from cache_client.simulator import World
from cache_client.simulator.link import LinkWorld

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

POLICIES = ("none", "two-constants", TUNED, "listener-rate", "advisor", "oracle")
RIVALS = (TUNED, "two-constants", "listener-rate")

Found = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Case:
    """A world of the grid, and the price of a byte there."""

    axis: str
    label: str
    world: World
    weights: ScoreWeights = field(default_factory=ScoreWeights)


def _world(mbit: float = 2.0, per_hour: float = 6.0, dropout_s: float = 1.5, **changes: Any) -> World:
    return replace(World(link=LinkWorld(mbit * 1e6, per_hour, dropout_s)), **changes)


def grid() -> Iterator[Case]:
    """Yields the worlds, axis by axis; all else is as `simulate` has it."""
    for mbit in sorted({*np.geomspace(0.15, 20.0, 24).round(3).tolist(), 0.19, 0.2, 0.205, 0.21, 0.22}):
        yield Case("bandwidth", f"{mbit:g} Mbit/s", _world(mbit))
    for mbit in (0.2, 2.0):
        yield Case("dropouts", f"{mbit:g} Mbit/s, none", _world(mbit, 0.0))
        for per_hour in (1.0, 2.0, 4.0, 6.0):
            for dropout_s in (2.0, 5.0, 15.0, 30.0):
                label = f"{mbit:g} Mbit/s, {per_hour:g} an hour of {dropout_s:g} s"
                yield Case("dropouts", label, _world(mbit, per_hour, dropout_s))
    for kbit in (96.0, 160.0, 320.0, 1411.0):
        delivery = Delivery(bit_rate_bit_per_s=kbit * 1e3)
        for times in (0.8, 0.95, 1.0, 1.05, 1.2, 1.6, 3.0, 10.0):
            if 0.15 <= (mbit := kbit * times / 1e3) <= 20.0:
                yield Case("audio", f"{kbit:g} kbit/s over {mbit:g} Mbit/s", _world(mbit, delivery=delivery))
    for megabytes in (1, 2, 4, 8, 16, 64):
        for kbit, mbit in ((160.0, 2.0), (160.0, 0.2), (1411.0, 5.0)):
            delivery = Delivery(bit_rate_bit_per_s=kbit * 1e3)
            world = _world(mbit, delivery=delivery, cache_bytes=megabytes * 10**6)
            yield Case("cache", f"{megabytes} MB, {kbit:g} kbit/s over {mbit:g} Mbit/s", world)
    for price in (0.1, 0.3, 1.0, 3.0, 10.0):
        weights = ScoreWeights(waste_per_mbit=0.5 * price)
        for mbit in (0.2, 0.5, 2.0, 20.0):
            yield Case("byte price", f"x{price:g}, {mbit:g} Mbit/s", _world(mbit), weights)
        long = _world(2.0, 4.0, 20.0)
        yield Case("byte price", f"x{price:g}, 2 Mbit/s, 4 an hour of 20 s", long, weights)
    for per_hour, dropout_s in ((0.0, 0.0), (6.0, 1.5), (6.0, 5.0), (2.0, 15.0), (4.0, 20.0)):
        world = _world(2.0, per_hour, dropout_s, link_remembered=False)
        yield Case("new devices", f"2 Mbit/s, {per_hour:g} an hour of {dropout_s:g} s", world)


@app.command(
    epilog="Example: python -m benchmarks.worlds --data ../shared/data/v2 --workers 2 --json grid.json"
)
def worlds(
    data: Annotated[Path, typer.Option(help="Folder of the data set.")],
    models: Annotated[
        Path | None,
        typer.Option(help="Registry of models trained with --split temporal.", show_default="trains"),
    ] = None,
    model: Annotated[str, typer.Option(help="Model to ask; empty for the default one.")] = "contextual",
    draws: Annotated[int, typer.Option(min=1, help="Draws of the links to average over.")] = 2,
    only: Annotated[str | None, typer.Option(help="One axis: bandwidth, dropouts, audio, …")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the rows as they come.")
    ] = None,
) -> None:
    """Prints the advisor's lead in every world, and where it loses."""
    cases = [case for case in grid() if only in (None, case.axis)]
    if not cases:
        axes = ", ".join(dict.fromkeys(case.axis for case in grid()))
        raise typer.BadParameter(f"there are: {axes}", param_hint="--only")
    console, rows = Console(width=150), []
    with TemporaryDirectory() as folder:
        material = replayed(data, models or trained(data, Path(folder) / "models"), model)
    with ProcessPoolExecutor(workers, initializer=_take, initargs=(material, draws)) as pool:
        for done, row in enumerate(pool.map(_measure, cases), 1):
            rows.append(row)
            console.print(f"{done:3}/{len(cases)} {_line(row)}", highlight=False)
            if json_file is not None:
                json_file.write_text(json.dumps(rows, indent=1) + "\n")
    for rival in RIVALS:
        console.print(_verdict(rows, rival), highlight=False)


_given: list[tuple[Material, int]] = []
"""What a process of the pool replays: sent once, not with every world."""


def _take(material: Material, draws: int) -> None:
    _given.append((material, draws))


def _measure(case: Case) -> Found:
    material, draws = _given[0]
    found = scores_in(material, case.world, case.weights, draws, POLICIES)
    leads = {rival: found.lead("advisor", rival) for rival in RIVALS}
    return {
        "axis": case.axis,
        "world": case.label,
        "constants": [found.constants.head_s, found.constants.lead_s],
        "scores": {name: float(it.mean()) for name, it in found.scores.items()},
        "share of the oracle's gain": found.share_of_gain("advisor"),
        "lead over": {rival: [lead, *interval] for rival, (lead, interval) in leads.items()},
    }


def _line(row: Found) -> str:
    head_s, lead_s = row["constants"]
    leads = "  ".join(f"{rival} {_interval(row['lead over'][rival])}" for rival in RIVALS)
    name = f"{row['axis']}: {row['world']}"
    return f"{name:52} ({head_s:g}, {lead_s:g}) {row['scores']['advisor']:9.2f}  {leads}"


def _verdict(rows: list[Found], rival: str) -> str:
    leads = [row["lead over"][rival] for row in rows]
    ahead = sum(low > 0 for _, low, _ in leads)
    behind = [row["world"] for row, (_, _, high) in zip(rows, leads, strict=True) if high < 0]
    below = [
        f"{row['axis']}: {row['world']} ({_interval(lead)})"
        for row, lead in zip(rows, leads, strict=True)
        if lead[0] < 0
    ]
    return (
        f"against {rival}, {len(rows)} worlds: ahead clear of 0 in {ahead}, "
        f"behind clear of 0 in {len(behind)}, mean below 0 in {len(below)}"
        + "".join(f"\n  {it}" for it in below)
    )


def _interval(values: list[float]) -> str:
    middle, low, high = values
    return f"{middle:+.2f} ({low:+.2f} to {high:+.2f})"


if __name__ == "__main__":
    app()
