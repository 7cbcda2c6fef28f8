"""The floor for serving: a bare `grpc.aio` server on uvloop whose Predict answers a constant.

Its cost is the transport's: what another server costs beyond it is that server's own. Not a benchmark itself:
`benchmarks/serving.py` starts it.
"""

import asyncio
import sys

import grpc
import uvloop

from playthrough.v1 import prediction_service_pb2 as pb
from playthrough.v1 import prediction_service_pb2_grpc as pb_grpc


class Constant(pb_grpc.PredictionServiceServicer):
    """Answers every Predict alike."""

    async def Predict(
        self,
        request: pb.PredictRequest,
        context: "grpc.aio.ServicerContext[pb.PredictRequest, pb.PredictResponse]",
    ) -> pb.PredictResponse:
        """Answers a constant."""
        return pb.PredictResponse(skipped=False, play_through_probability=0.5, model="advanced", version="1")


async def serve() -> None:
    """Serves on a free port until killed."""
    server = grpc.aio.server()
    pb_grpc.add_PredictionServiceServicer_to_server(Constant(), server)  # type: ignore[abstract]
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"listening on 127.0.0.1:{port}", flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    try:
        uvloop.run(serve())
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.exit(0)
