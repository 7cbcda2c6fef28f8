"""What hostile clients do to a good one: the bare defaults of gRPC beside what the server sets.

Each attack of `tests/server/hostile` is carried out by a process of its own, on loopback, on one server and
then on the other, while a client calls `Predict` a hundred times a second. Example:
python -m benchmarks.hostile --data ../shared/data/v2 --models models/registry --json hostile.json
"""

import asyncio
import json
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from rich.console import Console

from benchmarks.load.servers import Running, forget_peak, our_server, peak_mb, processor, resident_mb, running
from data import DataError
from playthrough.v1 import prediction_service_pb2 as pb
from tests.server.hostile.attack import ATTACKS
from tests.server.hostile.frames import Call, Calls
from tests.server.hostile.good_client import calling
from tests.server.hostile.targets import calls_of, predict_request

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

_ALONE = "(no attack)"
_NOWHERE = "mongodb://127.0.0.1:9/nowhere"  # nothing is logged
_REST_S = 1.0  # for what an attack leaves behind to be cleared away


@dataclass(frozen=True, slots=True)
class Row:
    """What one attack did to one server, and to the client beside it.

    Attributes:
        attack: Its name.
        server: "bare" or "ours".
        p50_ms: Median latency of the good client's calls, in milliseconds.
        p99_ms: Their 99th percentile.
        answered: How many of them were answered.
        failed: How many were not, by status.
        cpu_s: Processor time that the server took, in seconds.
        cpu_after_s: The same in the second after the attack.
        before_mb: Its resident memory before.
        peak_mb: The most that it had meanwhile.
        after_mb: What it had a second after.
        connections: How many the attackers made; they connect anew where they are thrown out.
        ended: How many of these the server has ended or refused.
    """

    attack: str
    server: str
    p50_ms: float
    p99_ms: float
    answered: int
    failed: dict[str, int]
    cpu_s: float
    cpu_after_s: float
    before_mb: float
    peak_mb: float
    after_mb: float
    connections: int
    ended: int

    def __str__(self) -> str:
        """Returns the row for a terminal."""
        failed = ", ".join(f"{count} {code}" for code, count in self.failed.items()) or "none"
        memory = f"{self.before_mb:.0f} → {self.peak_mb:.0f} → {self.after_mb:.0f} MB"
        return (
            f"{self.attack:24} {self.server}: p50 {self.p50_ms:8.1f}, p99 {self.p99_ms:8.1f} ms, "
            f"failed {failed}; cpu {self.cpu_s:.2f} and {self.cpu_after_s:.2f} s, {memory}, "
            f"{self.ended} of {self.connections} connections ended"
        )


@app.command(epilog="Example: python -m benchmarks.hostile --data ../shared/data/v2 --only rapid-reset")
def hostile(
    data: Annotated[Path, typer.Option(help="Folder of the data set.")],
    models: Annotated[Path, typer.Option(help="Model registry.")] = Path("models/registry"),
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help=f"Measure this attack alone: {', '.join(ATTACKS)}."),
    ] = None,
    seconds: Annotated[float, typer.Option(min=0.5, help="Length of one attack, in seconds.")] = 3.0,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the results as JSON; - is stdout.")
    ] = None,
) -> None:
    """Attacks both servers in turns, and prints each row as it comes. All of it takes about eight minutes."""
    console = Console(stderr=json_file == Path("-"), highlight=False)
    if unknown := set(only or ()) - ATTACKS.keys():
        raise typer.BadParameter(f"no such attack: {', '.join(sorted(unknown))}", param_hint="--only")
    rows: list[Row] = []
    console.print(f"processor: {processor()}", soft_wrap=True)
    try:
        with TemporaryDirectory() as folder:
            for row in _measure(data, models, Path(folder), [_ALONE, *(only or ATTACKS)], seconds):
                rows.append(row)
                console.print(str(row), soft_wrap=True, markup=False)
    except (DataError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(1) from error
    finally:  # what was measured is not lost with the rest
        if json_file is not None:
            _write(json_file, {"processor": processor(), "seconds": seconds, "rows": list(map(asdict, rows))})


def _measure(data: Path, models: Path, folder: Path, names: list[str], seconds: float) -> Iterator[Row]:
    request, calls = predict_request(data), calls_of(data)
    ours = our_server(data, models)
    bare = [*ours[:2], "benchmarks.load.bare_server", *ours[3:]]
    with ExitStack() as stack:
        servers = {
            name: stack.enter_context(
                running(command, PLAYTHROUGH_VAR_DIR=str(folder / name), MONGODB_URI=_NOWHERE)
            )
            for name, command in (("bare", bare), ("ours", ours))
        }
        for attack in names:
            for name, server in servers.items():
                yield asyncio.run(_attack(attack, name, server, request, calls, seconds))


async def _attack(
    attack: str, name: str, server: Running, request: pb.PredictRequest, calls: Calls, seconds: float
) -> Row:
    before_mb, before_s = resident_mb(server.pid), server.cpu_s()
    forget_peak(server.pid)
    async with calling(server.address, request) as tally:
        if attack == _ALONE:
            fate = {"connected": 0, "ended": 0}
            await asyncio.sleep(seconds)
        else:
            fate = await _carry_out(attack, server.address.rpartition(":")[2], calls, seconds)
    peak, took_s = peak_mb(server.pid), server.cpu_s() - before_s
    await asyncio.sleep(_REST_S)
    return Row(
        attack=attack,
        server=name,
        p50_ms=tally.quantile_ms(0.5),
        p99_ms=tally.quantile_ms(0.99),
        answered=len(tally.latencies_ms),
        failed=dict(tally.failed),
        cpu_s=took_s,
        cpu_after_s=server.cpu_s() - before_s - took_s,
        before_mb=before_mb,
        peak_mb=peak,
        after_mb=resident_mb(server.pid),
        connections=fate["connected"],
        ended=fate["ended"],
    )


async def _carry_out(attack: str, port: str, calls: Calls, seconds: float) -> dict[str, int]:
    """Attacks from another process, which takes nothing of the good client's; returns what became of it."""
    command = [sys.executable, "-m", "tests.server.hostile", attack, "--again", "--port", port]
    command += ["--seconds", f"{seconds}", "--small", _shown(calls.small), "--big", _shown(calls.big)]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    )
    output, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"the attack {attack} ended with {process.returncode}")
    fate: dict[str, int] = json.loads(output)
    return fate


def _shown(call: Call) -> str:
    return f"{call.path}={call.message.hex()}"


def _write(path: Path, results: dict[str, object]) -> None:
    text = json.dumps(results, indent=2)
    if path == Path("-"):
        print(text)
    else:
        path.write_text(text + "\n")


if __name__ == "__main__":
    app()
