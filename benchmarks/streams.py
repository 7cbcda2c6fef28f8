"""What the limit of calls under way on a connection costs a client that has as many, or more.

A plain grpc.aio client, which repeats nothing, keeps a number of `Predict` calls under way on one connection.
"""

import asyncio
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import grpc
import typer

from benchmarks.load.servers import our_server, processor, running
from playthrough.v1 import prediction_service_pb2 as pb
from playthrough.v1 import prediction_service_pb2_grpc as pb_grpc
from tests.server.hostile.targets import predict_request

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

_NOWHERE = "mongodb://127.0.0.1:9/nowhere"  # nothing is logged


@app.command(epilog="Example: python -m benchmarks.streams --data ../shared/data/v2 --limit 128 --limit 1000")
def streams(
    data: Annotated[Path, typer.Option(help="Folder of the data set.")],
    models: Annotated[Path, typer.Option(help="Model registry.")] = Path("models/registry"),
    limit: Annotated[list[int] | None, typer.Option(help="Limit of the server; 128 and 1,000.")] = None,
    in_flight: Annotated[
        list[int] | None, typer.Option(help="Calls under way; 100, 200, 500, 1,000 and 2,000.")
    ] = None,
    calls: Annotated[int, typer.Option(min=1, help="How many calls in all.")] = 20_000,
) -> None:
    """Prints how the calls ended, by status; takes two minutes."""
    print(f"processor: {processor()}")
    request = predict_request(data)
    for most in limit or (128, 1_000):
        settings = {"PLAYTHROUGH_MAX_STREAMS_PER_CONNECTION": str(most), "MONGODB_URI": _NOWHERE}
        with (
            TemporaryDirectory() as folder,
            running(our_server(data, models), PLAYTHROUGH_VAR_DIR=folder, **settings) as server,
        ):
            for width in in_flight or (100, 200, 500, 1_000, 2_000):
                codes = asyncio.run(_codes(server.address, request, width, calls))
                told = ", ".join(f"{count:,} {code}" for code, count in codes.most_common())
                print(f"limit {most:,}, {width:,} in flight: {told}", flush=True)


async def _codes(address: str, request: pb.PredictRequest, width: int, calls: int) -> Counter[str]:
    """Returns how the calls ended, by status."""
    codes, numbers = Counter[str](), iter(range(calls))
    async with grpc.aio.insecure_channel(address) as channel:
        stub: Any = pb_grpc.PredictionServiceStub(channel)

        async def call_again_and_again() -> None:
            for _ in numbers:
                try:
                    await stub.Predict(request)
                    codes["OK"] += 1
                except grpc.aio.AioRpcError as error:
                    codes[error.code().name] += 1

        await asyncio.gather(*(call_again_and_again() for _ in range(width)))
    return codes


if __name__ == "__main__":
    app()
