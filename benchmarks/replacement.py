"""Calls that fail while two servers are replaced in turn, by how the client spreads and repeats its calls.

Example: python -m benchmarks.replacement --data data/sample --models models/registry --rounds 5
"""

import asyncio
import json
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from benchmarks.load import servers
from benchmarks.load.replacing import replace_each, target_of, two_places
from benchmarks.serving import train
from cache_client.rpc.client import PredictionClient
from cache_client.rpc.load_balancing import LoadBalancing
from cache_client.rpc.retry import RetryPolicy
from data import read_catalogue

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

ROWS: dict[str, tuple[LoadBalancing, int, float]] = {
    "round_robin, no repeats, pause 1 s": ("round_robin", 1, 1.0),
    "round_robin, no repeats, no pause": ("round_robin", 1, 0.0),
    "round_robin, repeats, no pause": ("round_robin", 4, 0.0),
    "pick_first, no repeats, pause 1 s": ("pick_first", 1, 1.0),
    "pick_first, repeats, pause 1 s": ("pick_first", 4, 1.0),
    "pick_first, repeats, no pause": ("pick_first", 4, 0.0),
}
"""Load balancing, attempts of a call, and how long a server answers on when it is told to end, in seconds."""


@app.command(epilog="Example: python -m benchmarks.replacement --data data/sample --rounds 5")
def main(
    data: Annotated[Path, typer.Option(help="Folder of the data set.")],
    models: Annotated[Path | None, typer.Option(help="Model registry; trained anew when not given.")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="How often each of the servers is replaced.")] = 3,
    only: Annotated[list[str] | None, typer.Option(help="Only this row; may be repeated.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the rows.")] = None,
) -> None:
    """Count the calls that fail while each of two servers is replaced."""
    if unknown := set(only or ()) - ROWS.keys():
        raise typer.BadParameter(f"no such row: {', '.join(sorted(unknown))}", param_hint="--only")
    print(f"processor: {servers.processor()}; eight calls at a time; {rounds} times each of two servers")
    rows: dict[str, dict[str, int]] = {}
    with TemporaryDirectory() as folder:
        registry = models or train(data, Path(folder) / "models", print)
        track_id = read_catalogue(data).track_ids[0]
        for name in only or ROWS:
            counts = asyncio.run(_measure(name, data, registry, Path(folder) / name, track_id, rounds))
            failed = {status: n for status, n in counts.items() if status != "OK"}
            print(f"{name}: {counts.total():,} calls, failed: {failed or 0}", flush=True)
            rows[name] = dict(counts)
            if json_file is not None:
                json_file.write_text(json.dumps({"rounds": rounds, "rows": rows}, indent=1) + "\n")


async def _measure(
    name: str, data: Path, models: Path, folder: Path, track_id: str, rounds: int
) -> Counter[str]:
    load_balancing, attempts, pause_s = ROWS[name]
    retry = RetryPolicy(max_attempts=attempts)
    with two_places(data, models, folder, pause_s) as places:
        async with PredictionClient(target_of(places), retry=retry, load_balancing=load_balancing) as client:
            balanced = load_balancing == "round_robin"
            (counts,) = await replace_each(places, [client], track_id, all_are_called=balanced, rounds=rounds)
    return counts


if __name__ == "__main__":
    app()
