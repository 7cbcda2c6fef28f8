"""What attacks and the good client call, of a data set."""

from pathlib import Path

from google.protobuf.message import Message

from data import read_catalogue
from playthrough.v1 import prediction_service_pb2 as pb
from tests.server.hostile.frames import Call, Calls

_SERVICE = pb.DESCRIPTOR.services_by_name["PredictionService"].full_name
_MAX_POINTS, _MAX_ANSWER_POINTS = 1_000, 100_000


def predict_request(data: Path) -> pb.PredictRequest:
    """Returns a request that any model answers."""
    return pb.PredictRequest(track_id=str(read_catalogue(data).track_ids[0]), favourite_genres=["rock"])


def calls_of(data: Path) -> Calls:
    """Returns a small call, and one whose answer is long: 320 kB of 40 tracks, 800 kB of 1,000."""
    n_tracks = len(read_catalogue(data).track_ids)
    asked = min(n_tracks, 1_000)
    points = [n / 10 for n in range(min(_MAX_POINTS, _MAX_ANSWER_POINTS // asked))]
    big = pb.RankTracksRequest(listening_curve_at_s=points, top_k=0 if asked == n_tracks else asked)
    return Calls(_call("Predict", predict_request(data)), _call("RankTracks", big))


def _call(method: str, request: Message) -> Call:
    return Call(f"/{_SERVICE}/{method}", request.SerializeToString())
