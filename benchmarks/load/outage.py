"""The database stops for a minute while calls come in: what they notice."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import grpc

from benchmarks.load import calls_ended
from benchmarks.load.comparing import Bench, Row, row_of
from benchmarks.load.h2load import Load
from benchmarks.load.servers import Running
from benchmarks.load.setup import Figure, Setup
from playthrough.v1 import prediction_service_pb2 as pb
from playthrough.v1 import prediction_service_pb2_grpc as pb_grpc

_MINUTE_S = 60.0
_OUTCOMES_PER_S = 20
# Of what the server answers at most, for Predict and for PredictRandom each: overload is another question.
_SHARE = 0.2
_METHODS = ("Predict", "PredictRandom", "RecordOutcome")


def outage(setup: Setup) -> Iterator[Row | Figure]:
    """Compares latencies while the database is stopped by SIGSTOP with those of the minute before.

    Outcomes are of predictions that the database has: those cannot be looked up while it is stopped. Each
    pair is a part of either minute.
    """
    bench, port = replace(setup.bench, seconds=2 * _MINUTE_S), calls_ended.free_port()
    with setup.ours("--metrics-port", str(port)) as server:
        offered = int(setup.bench.rate(server, "PredictRandom", 64) * _SHARE)
        bench.progress("outage: logs the predictions whose outcomes are to come")
        outcomes = _Outcomes(server, bench)
        server.settle()
        with ThreadPoolExecutor(3) as pool:
            loads = [pool.submit(bench.at_rate, server, name, offered) for name in _METHODS[:2]]
            loads.append(pool.submit(outcomes.record, 2 * _MINUTE_S + 1))
            bench.progress("outage: the minute before")
            time.sleep(1 + _MINUTE_S)  # one second of it is h2load's warm-up
            before, began_s = calls_ended.failed(port), time.time()
            with _stopped(setup.var / "mongodb" / "pid"):
                bench.progress("outage: the minute of the outage")
                time.sleep(_MINUTE_S)
                failed = calls_ended.failed(port) - before
            found = [load.result() for load in loads]
    transport = 0
    for name, load in zip(_METHODS, found, strict=True):
        offered_per_s = len(load.timeline) / 2 / _MINUTE_S
        claim = f"{name}, {offered_per_s:,.0f} calls/s, database stopped, to the minute before: p99"
        yield row_of(claim, "ms", _pairs(load, began_s, bench.pairs))
        transport += load.failed
    yield "failed calls while the database was stopped", failed.total() + transport
    yield "failed calls in the minute before", before.total()
    for when, calls in (("while the database was stopped", failed), ("in the minute before", before)):
        yield from ((f"{ending} {when}", n) for ending, n in calls.items() if n)


class _Outcomes:
    """Predictions that the database has, and their outcomes, one call after the other."""

    def __init__(self, server: Running, bench: Bench) -> None:
        """Logs as many predictions as outcomes are to come."""
        self._address = server.address
        request = bench.requests["PredictRandom"]
        assert isinstance(request, pb.PredictRandomRequest)
        with grpc.insecure_channel(self._address) as channel:
            log: Callable[[pb.PredictRandomRequest], pb.PredictRandomResponse]
            log = pb_grpc.PredictionServiceStub(channel).PredictRandom
            n_outcomes = int((2 * _MINUTE_S + 1) * _OUTCOMES_PER_S)
            self._ids = [log(request).prediction_id for _ in range(n_outcomes)]

    def record(self, seconds: float) -> Load:
        """Records outcomes at a steady rate; failures are left to the server's counts."""
        timeline = []
        with grpc.insecure_channel(self._address) as channel:
            stub = pb_grpc.PredictionServiceStub(channel)
            begin_s = time.time()
            for number, prediction_id in enumerate(self._ids):
                due_s = begin_s + number / _OUTCOMES_PER_S
                time.sleep(max(0.0, due_s - time.time()))
                if time.time() > begin_s + seconds:
                    break
                with suppress(grpc.RpcError):
                    stub.RecordOutcome(pb.RecordOutcomeRequest(prediction_id=prediction_id, listened_ms=1000))
                timeline.append((due_s, (time.time() - due_s) * 1000))  # a late start is the server's doing
        return Load(len(timeline) / seconds, len(timeline), 0, tuple(timeline))


@contextmanager
def _stopped(pid_file: Path) -> Iterator[None]:
    """Stops the embedded database for the duration of a block.

    Raises:
        RuntimeError: When the server uses another database.
    """
    if not pid_file.exists():
        raise RuntimeError("outage needs the embedded database: unset MONGODB_URI")
    pid = int(pid_file.read_text())
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def _pairs(load: Load, began_s: float, n_pairs: int) -> list[tuple[float, float]]:
    """Returns the p99 of each part of the outage and of the same part of the minute before."""
    part_s = _MINUTE_S / n_pairs
    starts_s = [began_s + number * part_s for number in range(n_pairs)]
    return [
        (
            load.p99_ms_between(start_s, start_s + part_s),
            load.p99_ms_between(start_s - _MINUTE_S, start_s - _MINUTE_S + part_s),
        )
        for start_s in starts_s
    ]
