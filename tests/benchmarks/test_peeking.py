"""The benchmark of daily looks runs, and tells what it promises."""

import json
from pathlib import Path

import numpy as np
from typer.testing import CliRunner

from benchmarks.peeking import app
from benchmarks.peeks.worlds import World, equal_worlds, simulate


def test_a_world_is_judged_at_every_split(tmp_path: Path) -> None:
    file = tmp_path / "rows.json"
    arguments = [
        "--only",
        "small-400",
        "--only",
        "smaller-arm-unlike-0.5",
        "--runs",
        "3",
        "--json",
        str(file),
    ]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    told = json.loads(file.read_text())
    assert (told["runs"], told["seed"]) == (3, 1)
    splits = [(row["world"], row["split"]) for row in told["rows"]]
    small = [("small-400", split) for split in (0.01, 0.02, 0.05, 0.1, 0.25, 0.5)]
    assert splits == [*small, ("smaller-arm-unlike-0.5", 0.5)]
    by_split = {row["split"]: row for row in told["rows"][:6]}
    assert by_split[0.01]["past_too_early"] == 0  # four listeners
    assert by_split[0.5]["past_too_early"] == 100
    assert by_split[0.5]["ever_claimed_upper95"] > by_split[0.5]["ever_claimed"]
    assert len(result.stdout.splitlines()) == 7


def test_an_unknown_world_is_refused() -> None:
    result = CliRunner().invoke(app, ["--only", "nowhere"])
    assert result.exit_code == 2
    assert "no such world: nowhere" in result.output


def test_worlds_are_what_their_names_say() -> None:
    random = np.random.default_rng(1)
    for world in equal_worlds():
        if world.metric == "accuracy":
            moments = simulate(world, random)
            plays, right = moments.n[:, -1].sum(), moments.s[:, -1].sum()
            assert abs(right / plays - world.accuracy) < 0.06
            assert moments.listeners[:, -1].sum() == world.listeners
    better = simulate(World("gain", 0.7, 5, 20_000, gain=0.1, splits=(0.5,)), random)
    rates = better.s[:, -1] / better.n[:, -1]
    assert abs(rates[0] - rates[1] - 0.1) < 0.02
