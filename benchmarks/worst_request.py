"""What the dearest request of each method takes of the event loop, of memory and of the network.

Times are of the processor, since others may use the machine too: of the thread that runs the loop, parsing
and serialising included, and of the one beside it. Example:
python -m benchmarks.worst_request --data ../shared/data/v2 --models models/registry
"""

import asyncio
import gc
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import grpc
import typer
import uvloop
from google.protobuf.message import Message
from threadpoolctl import threadpool_limits

from benchmarks.load.servers import processor
from benchmarks.load.worst_requests import permitted, refused
from data import read_catalogue
from models import Registry
from playthrough.v1 import prediction_service_pb2 as pb
from server.call_counts import CallCounts
from server.catalogue_tracks import CatalogueTracks
from server.data_check import ServedData
from server.hot_swap import load_models
from server.limits.in_flight import InFlight
from server.limits.limits import Limits
from server.limits.loop_lag import LoopLag
from server.log.prediction_id import new_prediction_id
from server.log.record import Outcome, PredictionRecord
from server.model_loader import ModelLoader
from server.rpc.gate import Gate
from server.rpc.security import Security
from server.rpc.server import MAX_REQUEST_BYTES
from server.rpc.servicer import PredictionServicer
from server.service import PredictionService
from server.settings import ServerSettings

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@dataclass(frozen=True, slots=True)
class Cost:
    """What a request takes.

    Attributes:
        name: What it is.
        loop_ms: Processor time of the event loop's thread.
        beside_ms: That of the other thread.
        request_bytes: Size of the request.
        answer_bytes: Size of the answer, or of the error's details.
        memory_mb: How far memory rises above what it was before.
        code: Status code.
    """

    name: str
    loop_ms: float
    beside_ms: float
    request_bytes: int
    answer_bytes: int
    memory_mb: float
    code: str

    def __str__(self) -> str:
        """Returns a line of the table."""
        return (
            f"{self.name:<48} {self.loop_ms:>8.1f} {self.beside_ms:>9.1f} {self.request_bytes:>11,} "
            f"{self.answer_bytes:>11,} {self.memory_mb:>7.1f}  {self.code}"
        )


class _Log:
    """A log that keeps nothing: the disk's time is not the loop's."""

    def new_prediction_id(self, request_id: str = "") -> str:
        return new_prediction_id()

    async def add(self, record: PredictionRecord, *, retried: bool = False) -> PredictionRecord:
        return record

    async def add_outcome(self, prediction_id: str, outcome: Outcome) -> None:
        return None


class _Ended(Exception):
    """A call was ended with an error."""


class _Context:
    """A call's context without a call; keeps how it ended, and what is to be called then."""

    code, details_bytes = "OK", 0

    def __init__(self) -> None:
        self.callbacks: list[Callable[[_Context], None]] = []

    def peer(self) -> str:
        return "ipv4:127.0.0.1:1"

    def time_remaining(self) -> None:
        return None

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        return ()

    def add_done_callback(self, callback: Callable[["_Context"], None]) -> None:
        self.callbacks.append(callback)

    async def abort(
        self, code: grpc.StatusCode, details: str, trailing_metadata: Sequence[tuple[str, str | bytes]] = ()
    ) -> None:
        self.code = code.name
        self.details_bytes = len(details) + sum(len(value) for _, value in trailing_metadata)
        raise _Ended


@app.command()
def worst_request(
    data: Annotated[Path, typer.Option(help="Folder of the data set.")],
    models: Annotated[
        Path | None, typer.Option(help="Model registry; contextual is trained for a moment when not given.")
    ] = None,
    turns: Annotated[int, typer.Option(min=1, help="How many times each is asked; the median counts.")] = 5,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the results.")
    ] = None,
) -> None:
    """Prints what the dearest request of each method takes, permitted ones first."""
    print(f"processor: {processor()}")
    print(f"{'request':<48} {'loop, ms':>8} {'beside':>9} {'asks, B':>11} {'answer, B':>11} {'MB':>7}  code")
    costs = []
    with (
        TemporaryDirectory() as folder,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        threadpool_limits(1, user_api="blas"),  # as in the server
    ):
        for cost in _costs(runner, data, models or _train(data, Path(folder)), turns):
            print(cost, flush=True)
            costs.append(cost)
    if json_file is not None:
        json_file.write_text(json.dumps([asdict(cost) for cost in costs], indent=2) + "\n")


def _train(data: Path, models: Path) -> Path:
    """Trains the dearest model in no time: what an answer takes does not depend on how good it is."""
    command = [sys.executable, "-m", "trainer", "contextual", "--data", str(data), "--models", str(models)]
    subprocess.run([*command, "--split", "temporal", "--epochs", "1"], check=True, stdout=subprocess.DEVNULL)
    return models


def _costs(runner: asyncio.Runner, data: Path, models: Path, turns: int) -> Iterator[Cost]:
    catalogue = read_catalogue(data)
    loader = ModelLoader(Registry(models), catalogue, None, ServedData(data))
    loaded = load_models(loader, ServerSettings(data=data, models=models))
    limits = Limits(InFlight(1_000), None, LoopLag(), 0.0)
    service = PredictionService(*loaded, _Log(), CatalogueTracks(catalogue))
    servicer = PredictionServicer(service, Gate(CallCounts(), Security(), limits))
    gc.collect()
    gc.freeze()
    try:
        for what, method, request in (*permitted(catalogue.track_ids), *refused(MAX_REQUEST_BYTES)):
            if method == "RecordOutcome":
                request = pb.RecordOutcomeRequest(prediction_id=new_prediction_id())
            one = [runner.run(_cost(servicer, f"{method}, {what}", method, request)) for _ in range(turns)]
            yield Cost(
                one[0].name,
                statistics.median(it.loop_ms for it in one),
                statistics.median(it.beside_ms for it in one),
                one[0].request_bytes,
                one[0].answer_bytes,
                max(it.memory_mb for it in one),
                one[0].code,
            )
    finally:
        servicer.close()


async def _cost(servicer: PredictionServicer, name: str, method: str, request: Message) -> Cost:
    """Asks once, and returns what it took."""
    body, context = request.SerializeToString(), _Context()
    before_mb = _reset_peak_mb()
    loop_s, process_s, answer = time.thread_time(), time.process_time(), b""
    try:
        parsed: Message | None = type(request).FromString(body)
        answer = (await getattr(servicer, method)(parsed, context)).SerializeToString()
    except _Ended:
        pass
    for done in context.callbacks:
        done(context)
    parsed = None  # to free a message takes time, too
    loop_s, process_s = time.thread_time() - loop_s, time.process_time() - process_s
    size = len(answer) or context.details_bytes
    peak_mb = _status_mb("VmHWM") - before_mb
    return Cost(name, loop_s * 1e3, (process_s - loop_s) * 1e3, len(body), size, peak_mb, context.code)


def _reset_peak_mb() -> float:
    """Returns this process's memory, from which its peak counts from now on (Linux)."""
    Path("/proc/self/clear_refs").write_text("5")
    return _status_mb("VmRSS")


def _status_mb(field: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1024


if __name__ == "__main__":
    app()
