"""`python -m cache_client place`."""

import csv
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from cache_client.cli.console import (
    STANDARD_OUTPUT,
    check_writable,
    load_settings,
    one_line_errors,
    write_json,
)
from cache_client.cli.options import Data, JsonFile, number
from cache_client.rpc.errors import UsageError

if TYPE_CHECKING:
    from cache_client.placement import Placement, TrackDemand


def place(
    data: Data = None,
    budget_per_day: Annotated[
        float | None,
        typer.Option(min=0.0, help="What storage may cost a day.", show_default="what it costs today"),
    ] = None,
    csv_file: Annotated[
        Path | None, typer.Option("--csv", help="Also write each track's recommended class there.")
    ] = None,
    json_file: JsonFile = None,
    fast_ms: Annotated[float, number("First byte from FAST storage, ms.", 0.0)] = 5.0,
    medium_ms: Annotated[float, number("First byte from MEDIUM storage, ms.", 0.0)] = 50.0,
    slow_ms: Annotated[float, number("First byte from SLOW storage, ms.", 0.0)] = 500.0,
) -> None:
    """Recommend a storage class for each track: the shortest expected wait that a budget buys."""
    with one_line_errors():
        from cache_client.demand import demands
        from cache_client.placement import measured
        from cache_client.placement import place as choose
        from data import plays, read_dataset

        check_writable(csv_file, json_file)
        dataset = read_dataset(data or load_settings().data_directory)
        tracks = demands(dataset.catalogue, plays(dataset))
        latency_s = {"FAST": fast_ms / 1000, "MEDIUM": medium_ms / 1000, "SLOW": slow_ms / 1000}
        today = measured(tracks, [track.storage_class or "SLOW" for track in tracks], latency_s)
        recommended = choose(
            tracks, today.cost_per_day if budget_per_day is None else budget_per_day, latency_s
        )
        if csv_file is not None:
            _write_csv(csv_file, tracks, recommended)
        if json_file != STANDARD_OUTPUT:
            _show(today, recommended)
        placements = {"today": today, "recommended": recommended}
        write_json({name: _to_json(placement) for name, placement in placements.items()}, json_file)


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
    table.add_row("expected wait, s a day", *(f"{it.wait_s_per_day:,.1f}" for it in both))
    moved = sum(a != b for a, b in zip(today.classes, recommended.classes, strict=True))
    console = Console()
    console.print(table)
    console.print(f"{moved:,} of {len(today.classes):,} tracks move")


def _write_csv(file: Path, tracks: "list[TrackDemand]", recommended: "Placement") -> None:
    try:
        with file.open("w", newline="", encoding="utf-8") as out:
            writer = csv.writer(out)
            writer.writerow(["track_id", "storage_class", "recommended_class", "plays_per_day", "daily_cost"])
            for track, name in zip(tracks, recommended.classes, strict=True):
                cost = f"{track.cost(name):.6f}"
                now = track.storage_class or ""
                writer.writerow([track.track_id, now, name, f"{track.plays_per_day:.4f}", cost])
    except OSError as error:
        raise UsageError(f"cannot write {file}: {error.strerror}") from error
