"""What every answer of the server keeps to, whatever was asked."""

import math
from base64 import b64encode
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any
from urllib.parse import quote

import grpc
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from playthrough.v1 import prediction_service_pb2 as pb
from playthrough.v1.limits import MAX_ANSWER_BYTES, MAX_BYTES, MAX_FETCHES

FORESEEN = frozenset(
    {
        grpc.StatusCode.OK,
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
    }
)
"""The codes with which the contract's methods may end while the server is well."""

# gRPC's clients may refuse more than 8 KiB of headers, which is where errors travel.
MAX_STATUS_BYTES = 7 << 10


def check_answer(answer: Message) -> None:
    """Raises AssertionError when an answer breaks the contract."""
    assert answer.ByteSize() <= MAX_ANSWER_BYTES, f"{answer.ByteSize():,} bytes"
    for name, number in _numbers(answer):
        assert math.isfinite(number), f"{name} is {number}"
        if "probability" in name or name == "listening_curve":
            assert 0 <= number <= 1, f"{name} is {number}"
    check = _CHECKS.get(type(answer))
    if check is not None:
        check(answer)


def check_error(code: grpc.StatusCode, message: str, details: bytes) -> None:
    """Raises AssertionError when an error is none that the contract foresees, or says too much."""
    assert code in FORESEEN, f"{code.name}: {message}"
    assert message, f"{code.name} without a word"
    assert "\n" not in message, message
    size = len(quote(message, safe=" ")) + len(b64encode(details))
    assert size <= MAX_STATUS_BYTES, f"an error of {size:,} bytes"


def _numbers(message: Message) -> Iterator[tuple[str, float]]:
    """Yields every floating point number of a message, those nested in it as well."""
    for field, value in message.ListFields():
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            yield from ((field.name, number) for number in value.values() if isinstance(number, float))
        elif field.message_type is not None:
            for each in value if field.is_repeated else (value,):
                yield from _numbers(each)
        elif field.cpp_type in (FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT):
            yield from ((field.name, number) for number in (value if field.is_repeated else (value,)))


def _check_models(answer: pb.ListModelsResponse) -> None:
    assert sum(model.is_default for model in answer.models) == 1
    assert math.isclose(sum(arm.probability for arm in answer.experiment.arms), 1)


def _check_prediction(answer: pb.PredictResponse | pb.PredictRandomResponse) -> None:
    assert answer.HasField("skipped")
    assert answer.model
    assert answer.version


def _check_logged(answer: pb.PredictRandomResponse) -> None:
    _check_prediction(answer)
    assert len(answer.prediction_id) == 24


def _check_ranking(answer: pb.RankTracksResponse) -> None:
    probabilities = [track.play_through_probability for track in answer.tracks]
    assert probabilities == sorted(probabilities, reverse=True)
    ranked = [track.track_id for track in answer.tracks]
    assert len(set(ranked)) == len(ranked)
    assert not set(ranked) & set(answer.unknown_track_ids)
    assert len({len(track.listening_curve) for track in answer.tracks}) <= 1


def _check_plan(answer: pb.PlanPrefetchResponse) -> None:
    assert len(answer.fetches) <= MAX_FETCHES
    for fetch in answer.fetches:
        assert fetch.track_id
        assert fetch.HasField("first_byte")
        assert 0 <= fetch.first_byte <= fetch.last_byte <= MAX_BYTES
        assert fetch.latest_start_s >= 0
    assert all(step.ahead_s >= 0 and step.from_s >= 0 for step in answer.ahead)
    assert all(step.from_s < after.from_s for step, after in pairwise(answer.ahead))


_CHECKS: dict[type[Message], Callable[[Any], None]] = {
    pb.ListModelsResponse: _check_models,
    pb.PredictResponse: _check_prediction,
    pb.PredictRandomResponse: _check_logged,
    pb.RankTracksResponse: _check_ranking,
    pb.PlanPrefetchResponse: _check_plan,
}
"""What the contract says of an answer beyond its numbers' ranges."""
