"""What every part of `benchmarks.serving` needs."""

import sys
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.message import Message

from benchmarks.load import servers
from benchmarks.load.comparing import Bench, Row
from benchmarks.load.servers import Running
from data import read_catalogue
from playthrough.v1 import prediction_service_pb2 as pb

Figure = tuple[str, float]
"""What is measured, with its unit, and its value."""

_GENRES = ("rock", "pop", "polish rock")


@dataclass(frozen=True, slots=True)
class Setup:
    """What every part needs.

    Attributes:
        data: Folder of the data set.
        models: Model registry.
        folder: Where the servers may write.
        bench: How to measure.
    """

    data: Path
    models: Path
    folder: Path
    bench: Bench

    @property
    def var(self) -> Path:
        """Returns the folder of our server's spool and database."""
        return self.folder / "var"

    def ours(self, *options: str) -> AbstractContextManager[Running]:
        """Runs our server for the duration of a block."""
        command = servers.our_server(self.data, self.models, *options)
        return servers.running(command, PLAYTHROUGH_VAR_DIR=str(self.var))

    def floor(self) -> AbstractContextManager[Running]:
        """Runs the bare transport for the duration of a block."""
        return servers.running([sys.executable, "-m", "benchmarks.load.floor_server"])


def compare_rates(bench: Bench, name: str, ours: Running, floor: Running, in_flight: int) -> Row:
    """Compares calls a second of a method with the bare transport's; whoever is measured has the machine."""

    def our_rate() -> float:
        rate = bench.rate(ours, name, in_flight)
        if name != "Predict":
            ours.settle()  # what was logged is on its way to MongoDB for some seconds more
        return rate

    claim = f"{name}, {in_flight} in flight, to the floor"
    return bench.compare(claim, "calls/s", our_rate, lambda: bench.rate(floor, "Predict", in_flight))


def requests_for(data: Path) -> dict[str, Message]:
    """Returns what is asked, by method and variant."""
    track_ids = read_catalogue(data).track_ids
    track_id, queue = track_ids[5], track_ids[:500]
    return {
        "Predict": pb.PredictRequest(track_id=track_id, favourite_genres=_GENRES),
        "PredictRandom": pb.PredictRandomRequest(
            track_id=track_id, favourite_genres=_GENRES, listener_id="101"
        ),
        "RankTracks 500": pb.RankTracksRequest(track_ids=queue, favourite_genres=_GENRES),
        "RankTracks 500, top 20": pb.RankTracksRequest(track_ids=queue, favourite_genres=_GENRES, top_k=20),
        "RankTracks catalogue, top 50": pb.RankTracksRequest(favourite_genres=_GENRES, top_k=50),
    }
