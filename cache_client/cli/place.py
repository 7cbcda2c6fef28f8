"""`python -m cache_client place`."""

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cache_client.cli.console import (
    STANDARD_OUTPUT,
    check_writable,
    one_line_errors,
    write_json,
)
from cache_client.cli.options import Data, FastMs, JsonFile, Lenient, MediumMs, SlowMs
from cache_client.laboratory_errors import UsageError
from cache_client.settings import CacheClientSettings

if TYPE_CHECKING:
    from cache_client.placement import Move, Placement, TrackDemand


def place(
    data: Data = None,
    budget_per_day: Annotated[
        float | None,
        typer.Option(min=0.0, help="What storage may cost a day.", show_default="what it costs today"),
    ] = None,
    top_k: Annotated[int, typer.Option(min=0, help="How many of the moves to show; 0 for all.")] = 10,
    csv_file: Annotated[
        Path | None, typer.Option("--csv", help="Also write each track's recommended class there.")
    ] = None,
    json_file: JsonFile = None,
    fast_ms: FastMs = 5.0,
    medium_ms: MediumMs = 50.0,
    slow_ms: SlowMs = 500.0,
    lenient: Lenient = False,
) -> None:
    """Recommend a storage class for each track: the shortest expected wait that a budget buys."""
    with one_line_errors():
        from cache_client.placement import demands, measured, moves
        from cache_client.placement import place as choose
        from data import plays, print_repairs, read_dataset

        check_writable(csv_file, json_file)
        dataset = read_dataset(data or CacheClientSettings.load().data_directory, lenient=lenient)
        print_repairs(dataset.repairs)
        tracks = demands(dataset.catalogue, plays(dataset))
        latency_s = {"FAST": fast_ms / 1000, "MEDIUM": medium_ms / 1000, "SLOW": slow_ms / 1000}
        today = measured(tracks, [track.storage_class or "SLOW" for track in tracks], latency_s)
        budget = today.cost_per_day if budget_per_day is None else budget_per_day
        recommended = choose(tracks, budget, latency_s)
        moved = moves(tracks, today, recommended, latency_s)
        if csv_file is not None:
            _write_csv(csv_file, tracks, recommended)
        if json_file != STANDARD_OUTPUT:
            names = dict(zip(dataset.catalogue.tracks["id"], dataset.catalogue.tracks["name"], strict=True))
            _show(today, recommended)
            _show_moves(moved, top_k or len(moved), names)
        placements = {"today": _to_json(today), "recommended": _to_json(recommended)}
        write_json({**placements, "moves": [move._asdict() for move in moved]}, json_file)


def _to_json(placement: "Placement") -> dict[str, object]:
    return asdict(placement) | {"classes": dict(Counter(placement.classes))}


def _show(today: "Placement", recommended: "Placement") -> None:
    table = Table()
    table.add_column("")
    for heading in ("today", "recommended"):
        table.add_column(heading, justify="right")
    both = (today, recommended)
    for name in ("FAST", "MEDIUM", "SLOW"):
        table.add_row(f"tracks in {name}", *(f"{it.classes.count(name):,}" for it in both))
    table.add_row("cost a day", *(f"{it.cost_per_day:,.2f}" for it in both))
    table.add_row("listeners wait for storage,\nseconds a day", *(f"{it.wait_s_per_day:,.1f}" for it in both))
    Console().print(table)


def _show_moves(moved: "Sequence[Move]", shown: int, names: Mapping[str, str]) -> None:
    console = Console()
    if moved[:shown]:
        table = Table(title="The moves that save most", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
        table.add_column("track_id", no_wrap=True)
        table.add_column("name", no_wrap=True, max_width=22)
        table.add_column("move", no_wrap=True)
        table.add_column("plays\na day", justify="right")
        table.add_column("wait saved,\ns a day", justify="right")
        for move in moved[:shown]:
            figures = (f"{move.plays_per_day:.2f}", f"{move.saved_s_per_day:+.3f}")
            classes = f"{move.from_class} → {move.to_class}"
            table.add_row(escape(move.track_id), escape(names[move.track_id]), classes, *figures)
        console.print(table)
    more = "; --json and --csv name all of them" if len(moved) > shown else ""
    console.print(f"{len(moved):,} of {len(names):,} tracks move{more}")


def _write_csv(file: Path, tracks: "Sequence[TrackDemand]", recommended: "Placement") -> None:
    rows = [["track_id", "storage_class", "recommended_class", "plays_per_day", "daily_cost"]]
    for it, name in zip(tracks, recommended.classes, strict=True):
        figures = [f"{it.plays_per_day:.4f}", f"{it.cost(name):.6f}"]
        rows.append([it.track_id, it.storage_class or "", name, *figures])
    try:
        with file.open("w", newline="", encoding="utf-8") as out:
            csv.writer(out).writerows(rows)
    except OSError as error:
        raise UsageError(f"cannot write {file}: {error.strerror}") from error
