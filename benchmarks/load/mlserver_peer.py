"""MLServer with a network of the published size, 413 - 100 - 50 - 30 - 2, in NumPy and in one process.

Runs in `.bench-venv` and imports nothing of ours: python mlserver_peer.py FOLDER REQUEST_FILE. Writes the
request of one row that h2load sends, then prints `listening on HOST:PORT`.
"""

import asyncio
import json
import socket
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
from mlserver import MLModel, MLServer, Settings
from mlserver.codecs import NumpyCodec
from mlserver.grpc import dataplane_pb2 as pb
from mlserver.settings import ModelParameters, ModelSettings
from mlserver.types import InferenceRequest, InferenceResponse

SIZES = (413, 100, 50, 30, 2)


class Network(MLModel):  # type: ignore[misc]  # MLServer is not installed where mypy runs
    """The network, with random weights: its cost does not depend on them."""

    async def load(self) -> bool:
        """Draws the weights."""
        random = np.random.default_rng(1)
        self._layers = [
            (random.normal(size=(n_in, n_out)).astype(np.float32), np.zeros(n_out, np.float32))
            for n_in, n_out in pairwise(SIZES)
        ]
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Runs the network on the request's rows."""
        values = NumpyCodec.decode_input(payload.inputs[0])
        for weight, bias in self._layers[:-1]:
            values = np.maximum(values @ weight + bias, 0)
        weight, bias = self._layers[-1]
        logits = values @ weight + bias
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        output = NumpyCodec.encode_output("probabilities", odds / odds.sum(axis=1, keepdims=True))
        return InferenceResponse(model_name=self.name, outputs=[output])


def write_request(path: Path) -> None:
    """Writes a ModelInfer request of one row."""
    row = np.random.default_rng(2).random(SIZES[0], dtype=np.float32)
    tensor = pb.ModelInferRequest.InferInputTensor(
        name="inputs",
        datatype="FP32",
        shape=[1, SIZES[0]],
        contents=pb.InferTensorContents(fp32_contents=row.tolist()),
    )
    path.write_bytes(pb.ModelInferRequest(model_name="network", inputs=[tensor]).SerializeToString())


def free_port() -> int:
    """Returns a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def serve(folder: Path, request: Path) -> None:
    """Serves until killed."""
    write_request(request)
    ports = [free_port() for _ in range(3)]
    settings = Settings(
        host="127.0.0.1",
        grpc_port=ports[0],
        http_port=ports[1],
        metrics_endpoint=None,
        metrics_port=ports[2],
        parallel_workers=0,
        debug=False,
        logging_settings=json.loads('{"version": 1, "disable_existing_loggers": true}'),
    )
    model = ModelSettings(name="network", implementation=Network, parameters=ModelParameters())
    server = MLServer(settings)
    serving = asyncio.create_task(server.start([model]))
    while True:
        await asyncio.sleep(0.2)
        if serving.done():
            serving.result()
            return
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", ports[0])) == 0:
                break
    await asyncio.sleep(2)  # the model loads after the port opens
    print(f"listening on 127.0.0.1:{ports[0]}", flush=True)
    await serving


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), Path(sys.argv[2])))
