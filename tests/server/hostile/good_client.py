"""The client beside whom others attack: a plain one of grpc.aio, which repeats nothing."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc

from playthrough.v1 import prediction_service_pb2 as pb
from playthrough.v1 import prediction_service_pb2_grpc as pb_grpc

_TIMEOUT_S = 20.0


@dataclass(slots=True)
class Tally:
    """What became of its calls.

    Attributes:
        latencies_ms: How long each took that was answered, in milliseconds.
        failed: How many were not, by status.
    """

    latencies_ms: list[float] = field(default_factory=list)
    failed: Counter[str] = field(default_factory=Counter)

    def quantile_ms(self, share: float) -> float:
        """Returns the latency that a share of the answered calls is below; NaN when there is none."""
        ordered = sorted(self.latencies_ms)
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else float("nan")


@asynccontextmanager
async def calling(address: str, request: pb.PredictRequest, every_s: float = 0.01) -> AsyncIterator[Tally]:
    """Calls Predict at a steady rate, whether or not the calls before are answered, during a block.

    Args:
        address: The server, as HOST:PORT.
        request: What to ask.
        every_s: Time between two calls, in seconds.

    Yields:
        The tally, which is complete once the block has ended.
    """
    tally = Tally()
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(address, options=options) as channel:
        stub: Any = pb_grpc.PredictionServiceStub(channel)
        await stub.Predict(request, timeout=_TIMEOUT_S)  # connects
        calls: set[asyncio.Task[None]] = set()

        async def call() -> None:
            began = time.perf_counter()
            try:
                await stub.Predict(request, timeout=_TIMEOUT_S)
            except grpc.aio.AioRpcError as error:
                tally.failed[error.code().name] += 1
            else:
                tally.latencies_ms.append((time.perf_counter() - began) * 1e3)

        async def call_again_and_again() -> None:
            while True:
                calls.add(asyncio.create_task(call()))
                await asyncio.sleep(every_s)

        caller = asyncio.create_task(call_again_and_again())
        try:
            yield tally
        finally:
            caller.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await caller
            await asyncio.gather(*calls)
